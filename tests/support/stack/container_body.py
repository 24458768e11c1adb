"""A container's inputs as the engine's API wants them, the way the docker provider translates them.

After kreuzwerker/terraform-provider-docker, resource_docker_container_funcs.go: memory in MiB, ports published on
0.0.0.0 unless the program says otherwise, init off unless asked for, capabilities and options passed on as they are.
"""

from __future__ import annotations

import base64
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.stack.fields import Fields, UnknownInput

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the provider's default, which the stack must not leave standing
_MIB = 2**20
_NANOSECONDS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|us|s|ns))+")


@dataclass(frozen=True)
class Attachment:
    """A network the container joins before it starts, and its names there."""

    network: str
    aliases: list[str]


@dataclass(frozen=True)
class Lifecycle:
    """What the provider does around a container, none of which the engine knows."""

    start: bool
    must_run: bool
    attach: bool
    logs: bool
    wait: bool
    wait_seconds: int
    grace_seconds: int
    remove_volumes: bool


@dataclass(frozen=True)
class ContainerPlan:
    """Everything needed to create a container: the API's body, its networks, its files (a tar), its life cycle."""

    name: str
    image: str
    body: dict[str, Any]
    networks: list[Attachment]
    files: bytes | None
    lifecycle: Lifecycle


def nanoseconds(duration: str) -> int:
    """A Go duration ("1m30s") in nanoseconds. Raises UnknownInput for anything else."""
    if not _DURATION.fullmatch(duration):
        raise UnknownInput(f"{duration!r} is not a Go duration")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|us|s|ns)", duration)
    return round(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))


def container_plan(inputs: Mapping[str, Any]) -> ContainerPlan:
    """Translates all inputs of a docker.Container. Raises UnknownInput for one that is not handled here."""
    name = str(inputs.get("name", "?"))
    with Fields(inputs, f"container {name}") as fields:
        image = fields.require("image")
        body: dict[str, Any] = {
            "Image": image,
            "Cmd": fields.take("command"),
            "Entrypoint": fields.take("entrypoints"),
            "Env": fields.take("envs", []),
            "Hostname": fields.take("hostname", ""),
            "User": fields.take("user", ""),
            "WorkingDir": fields.take("workingDir", ""),
            "StopSignal": fields.take("stopSignal"),
            "StopTimeout": fields.take("stopTimeout"),
            "Labels": fields.labels(),
            "Healthcheck": _healthcheck(fields),
            **_ports(fields),
        }
        binds, volumes = _volumes(fields)
        body["Volumes"] = volumes
        body["HostConfig"] = {**_host_config(fields), "PortBindings": body.pop("PortBindings"), "Binds": binds}
        return ContainerPlan(
            name=fields.require("name"),
            image=image,
            body={key: value for key, value in body.items() if value is not None},
            networks=_networks(fields),
            files=_files(fields),
            lifecycle=Lifecycle(
                start=fields.take("start", True),
                must_run=fields.take("mustRun", True),
                attach=fields.take("attach", False),
                logs=fields.take("logs", False),
                wait=fields.take("wait", False),
                wait_seconds=fields.take("waitTimeout", 60),
                grace_seconds=fields.take("destroyGraceSeconds", 0),
                remove_volumes=fields.take("removeVolumes", True),
            ),
        )


def _host_config(fields: Fields) -> dict[str, Any]:
    capabilities: dict[str, Any] = {}
    given = fields.take("capabilities")
    if given is not None:
        with Fields(given, "capabilities") as chosen:
            capabilities = {"CapAdd": chosen.take("adds", []), "CapDrop": chosen.take("drops", [])}
    config = {
        **limits(fields),
        **capabilities,
        "Init": fields.take("init", False),
        "ReadonlyRootfs": fields.take("readOnly", False),
        "SecurityOpt": fields.take("securityOpts"),
        "Tmpfs": fields.take("tmpfs"),
        "Sysctls": fields.take("sysctls"),
        "GroupAdd": fields.take("groupAdds"),
        "ShmSize": _mib(fields.take("shmSize")),
        "LogConfig": {"Type": fields.take("logDriver", "json-file"), "Config": fields.take("logOpts", {})},
        "Ulimits": _ulimits(fields),
        "NetworkMode": "default",
    }
    return {key: value for key, value in config.items() if value is not None}


def limits(fields: Fields) -> dict[str, Any]:
    """The part that the provider changes in a container that runs already."""
    cpus = fields.take("cpus")
    config = {
        "Memory": _mib(fields.take("memory")),
        "MemorySwap": _mib(fields.take("memorySwap")),
        "MemoryReservation": _mib(fields.take("memoryReservation")),
        "CpuShares": fields.take("cpuShares"),
        "CpusetCpus": fields.take("cpuSet"),
        "NanoCpus": None if cpus is None else round(float(cpus) * 10**9),
        "RestartPolicy": {
            "Name": fields.take("restart", "no"),
            "MaximumRetryCount": fields.take("maxRetryCount", 0),
        },
    }
    return {key: value for key, value in config.items() if value is not None}


def _mib(given: int | None) -> int | None:
    return given if given is None or given < 0 else given * _MIB


def _healthcheck(fields: Fields) -> dict[str, Any] | None:
    given = fields.take("healthcheck")
    if given is None:
        return None
    with Fields(given, "healthcheck") as check:
        return {
            "Test": check.require("tests"),
            "Interval": nanoseconds(check.take("interval", "0s")),
            "Timeout": nanoseconds(check.take("timeout", "0s")),
            "StartPeriod": nanoseconds(check.take("startPeriod", "0s")),
            "Retries": check.take("retries", 0),
        }


def _ports(fields: Fields) -> dict[str, Any]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for entry in fields.each("ports"):
        with entry:
            inside = f"{entry.require('internal')}/{entry.take('protocol', 'tcp')}"
            outside = {"HostIp": entry.take("ip", EVERYWHERE), "HostPort": str(entry.take("external", ""))}
            bindings.setdefault(inside, []).append(outside)
    return {"ExposedPorts": {inside: {} for inside in bindings}, "PortBindings": bindings}


def _volumes(fields: Fields) -> tuple[list[str], dict[str, dict[str, str]]]:
    binds, anonymous = [], {}
    for entry in fields.each("volumes"):
        with entry:
            inside, volume, folder = entry.require("containerPath"), entry.take("volumeName"), entry.take("hostPath")
            source = volume or folder
            mode = "ro" if entry.take("readOnly", False) else "rw"
            if source:
                binds.append(f"{source}:{inside}:{mode}")
            else:
                anonymous[inside] = dict[str, str]()
    return binds, anonymous


def _ulimits(fields: Fields) -> list[dict[str, Any]]:
    found = []
    for entry in fields.each("ulimits"):
        with entry:
            found.append({"Name": entry.require("name"), "Soft": entry.require("soft"), "Hard": entry.require("hard")})
    return found


def _networks(fields: Fields) -> list[Attachment]:
    found = []
    for entry in fields.each("networksAdvanced"):
        with entry:
            found.append(Attachment(entry.require("name"), entry.take("aliases", [])))
    return found


def _files(fields: Fields) -> bytes | None:
    """One tar with all uploads, to be unpacked at the container's root before it starts."""
    entries = fields.each("uploads")
    if not entries:
        return None
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry in entries:
            with entry:
                content = _content(entry)
                file = tarfile.TarInfo(entry.require("file"))
                file.size = len(content)
                executable, permissions = entry.take("executable", False), entry.take("permissions")
                file.mode = int(permissions, 8) if permissions else 0o744 if executable else 0o644
                file.uid, file.gid = int(entry.take("owner", 0)), int(entry.take("group", 0))
                tar.addfile(file, io.BytesIO(content))
    return buffer.getvalue()


def _content(entry: Fields) -> bytes:
    text, encoded, source = entry.take("content"), entry.take("contentBase64"), entry.take("source")
    entry.take("sourceHash")
    given = [one for one in (text, encoded, source) if one]
    if len(given) != 1:
        raise UnknownInput("an upload has exactly one of content, contentBase64 and source, and it is not empty")
    if text:
        return str(text).encode()
    return base64.b64decode(encoded) if encoded else Path(source).read_bytes()
