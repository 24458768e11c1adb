"""What is promised of every container, as checks that name what is broken; None when the promise holds."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.support.stack.capture import Resource

Check = Callable[[Resource], str | None]

_CAPABILITY: Final = re.compile(r"CAP_[A-Z_]+")
_CPUS: Final = re.compile(r"\d+\.\d+")
_SIZE: Final = re.compile(r"[1-9]\d*[kmg]")
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
# Images whose makers set a user of their own; the other containers are given one.
OWN_USER: Final = {"kafka-local1", "kafka-local2", "kafka-local3", "kafka-connect", "prometheus", "grafana", "kafka-ui"}
# Nothing is uploaded into these, so their root can be read-only.
READ_ONLY: Final = {
    "mysql", "api", "relay", "transformer", "sink", "aggregator", "reconciler",
    "topics-job", "database-job", "clickhouse-job", "connectors-job",
}  # fmt: skip


def is_job(container: Resource) -> bool:
    """Whether it runs once and ends."""
    return container.name.endswith("-job")


def health(container: Resource) -> str | None:
    """A server has a health check that can fail; a job has none, its exit code is looked at instead."""
    if is_job(container):
        return None if "healthcheck" not in container.inputs else "a job is not healthy, it ends"
    check = container.inputs.get("healthcheck")
    if not check or check.get("tests", [""])[0] not in ("CMD", "CMD-SHELL") or len(check["tests"]) < 2:
        return "no health check"
    if not all(_seconds(check.get(key, "")) for key in ("interval", "timeout", "startPeriod")):
        return "a time of the health check is missing or 0"
    return None if check.get("retries", 0) >= 1 else "the health check never gives up"


def waited_for(container: Resource) -> str | None:
    """The program goes on when a server is healthy and when a job has ended."""
    given = container.inputs
    if is_job(container):
        expected: dict[str, Any] = {"attach": True, "logs": True, "mustRun": False}
        return None if {key: given.get(key) for key in expected} == expected else "nobody waits for the job's end"
    return None if given.get("wait") is True and given.get("waitTimeout", 0) >= 60 else "nobody waits for its health"


def memory(container: Resource) -> str | None:
    """A limit, and no swap beyond it."""
    limit = container.inputs.get("memory")
    return None if limit and limit >= 64 and container.inputs.get("memorySwap") == limit else "memory without a limit"


def restart(container: Resource) -> str | None:
    """A server comes back after a crash and a reboot, unless somebody stopped it; a job does not."""
    wanted = "no" if is_job(container) else "unless-stopped"
    return None if container.inputs.get("restart") == wanted else f"restart is not {wanted}"


def logs_rotate(container: Resource) -> str | None:
    """A log takes a limited part of the disk."""
    options = container.inputs.get("logOpts") or {}
    if container.inputs.get("logDriver") != "json-file":
        return "the log driver is whatever the engine's default is"
    return (
        None if _SIZE.fullmatch(options.get("max-size", "")) and options.get("max-file") else "the log grows for ever"
    )


def init(container: Resource) -> str | None:
    """Without an init process stopping takes the whole grace period."""
    return None if container.inputs.get("init") is True else "no init process"


def grace(container: Resource) -> str | None:
    """Time to finish what is under way."""
    return None if container.inputs.get("destroyGraceSeconds", 0) >= 10 else "killed without a chance to finish"


def loopback(container: Resource) -> str | None:
    """Published to this machine alone, one port of it for each port inside."""
    ports = container.inputs.get("ports", [])
    for port in ports:
        if port.get("ip") != "127.0.0.1" or not port.get("external"):
            return f"port {port.get('internal')} is published on {port.get('ip')}"
    return None if len({port["internal"] for port in ports}) == len(ports) else "a port inside is published twice"


def own_networks(container: Resource) -> str | None:
    """On networks of the stack alone, under its plain name."""
    networks = container.inputs.get("networksAdvanced", [])
    named = [one for one in networks if one.get("aliases") == [container.name]]
    if not networks or named != networks or "networkMode" in container.inputs:
        return "not on the stack's networks by its plain name"
    return None if container.inputs.get("hostname") == container.name else "its host name is not its plain name"


def labels(container: Resource) -> str | None:
    """By its labels it is found again."""
    found = {one["label"]: one["value"] for one in container.inputs.get("labels", [])}
    expected = {"dev.millrace.stack", "dev.millrace.role"}
    return None if set(found) == expected and found["dev.millrace.role"] == container.name else f"labels {found}"


def privileges(container: Resource) -> str | None:
    """None of root's powers beyond those it names, and no way to get more."""
    given = container.inputs
    if given.get("privileged") or (given.get("capabilities") or {}).get("drops") != ["ALL"]:
        return "it keeps the capabilities of root"
    return None if given.get("securityOpts") == ["no-new-privileges"] else "a process in it may gain privileges"


def not_root(container: Resource) -> str | None:
    """A user that is not root, from its image or from the program."""
    user = str(container.inputs.get("user", "root" if container.name not in OWN_USER else "image's own"))
    return f"it runs as {user}" if user.split(":")[0] in ("root", "0") else None


def read_only_root(container: Resource) -> str | None:
    """Nothing can be written but to what is named."""
    if container.name not in READ_ONLY:
        return None
    given = container.inputs
    return None if given.get("readOnly") is True and given.get("tmpfs") else "its root can be written"


def open_files(container: Resource) -> str | None:
    """The engine's own limit differs from machine to machine."""
    limits = {one["name"]: one for one in container.inputs.get("ulimits", [])}
    found = limits.get("nofile")
    return None if found and found["soft"] == found["hard"] >= 1024 else "no limit of open files"


def pinned(container: Resource) -> str | None:
    """An image by exact version or digest."""
    image = str(container.inputs["image"])
    exact = "@sha256:" in image or ":" in image.rsplit("/", 1)[-1]
    return None if exact and not image.endswith(":latest") else f"the image {image} is not one version"


def canonical(container: Resource) -> str | None:
    """In the form the provider reads back; any other is a change on every `up`."""
    given = container.inputs
    check: Mapping[str, Any] = given.get("healthcheck") or {}
    for key in ("interval", "timeout", "startPeriod", "startInterval"):
        text = check.get(key)
        if text is not None and text != go_string(_seconds(text)):
            return f"{key} {text!r} is read back as {go_string(_seconds(text))!r}"
    capabilities = given.get("capabilities") or {}
    if not all(_CAPABILITY.fullmatch(one) for one in capabilities.get("adds", [])):
        return f"capabilities {capabilities.get('adds')} are read back with CAP_"
    if "cpus" in given and not _CPUS.fullmatch(given["cpus"]):
        return f"cpus {given['cpus']!r} is read back with a decimal point"
    if given.get("workingDir", "/x").endswith("/") or "platform" in given or "startInterval" in check:
        return "working_dir with a slash at its end, platform and start_interval never settle"
    return _canonical_lists(given)


def _canonical_lists(given: Mapping[str, Any]) -> str | None:
    for port in given.get("ports", []):
        if str(ipaddress.ip_address(port["ip"])) != port["ip"] or port.get("protocol") != "tcp":
            return f"port {port} is read back in another form"
    order = {
        "envs": given.get("envs", []),
        "labels": [one["label"] for one in given.get("labels", [])],
        "networks": [one["name"] for one in given.get("networksAdvanced", [])],
        "ports": [one["internal"] for one in given.get("ports", [])],
        "uploads": [one["file"] for one in given.get("uploads", [])],
        "volumes": [one["containerPath"] for one in given.get("volumes", [])],
    }
    for key, found in order.items():
        if found != sorted(found) or len(set(map(str, found))) != len(found):
            return f"{key} are not in one order: {found}"
    if any(not one.get("content") for one in given.get("uploads", [])):
        return "the provider refuses an empty upload"
    return None


def replaced_when_it_must(container: Resource) -> str | None:
    """What Docker would report as changed without changing it makes a new container, the old one removed first."""
    wire = container.wire
    if set(wire.replaceOnChanges) != {"healthcheck", "init", "tmpfs"}:
        return f"replaced on changes of {list(wire.replaceOnChanges)} only"
    if not wire.deleteBeforeReplace:
        return "its name and ports would be taken when it is replaced"
    return None if not wire.deletedWith and not wire.protect else "deleted_with leaves containers behind"


def logs_of_jobs_are_secret(container: Resource) -> str | None:
    """What a job says can hold a password."""
    if not is_job(container):
        return None
    return None if "containerLogs" in container.wire.additionalSecretOutputs else "its logs are in the state in clear"


PROMISES: Final[Mapping[str, Check]] = {
    check.__name__: check
    for check in (
        health, waited_for, memory, restart, logs_rotate, init, grace, loopback, own_networks, labels, privileges,
        not_root, read_only_root, open_files, pinned, canonical, replaced_when_it_must, logs_of_jobs_are_secret,
    )
}  # fmt: skip


def _seconds(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    if not duration or found is None:
        return 0.0
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def go_string(seconds: float) -> str:
    """time.Duration.String of Go, for whole milliseconds: written from its documentation, not from infra's code."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms" if seconds else "0s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text
