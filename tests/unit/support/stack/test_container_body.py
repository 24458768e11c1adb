"""Inputs of a docker.Container become what the provider sends to the engine; nothing is left out in silence."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack.container_body import Attachment, container_plan, nanoseconds
from tests.support.stack.fields import UnknownInput

LEAST: dict[str, Any] = {"name": "e2e-x", "image": "an/image:1"}
EVERYTHING: dict[str, Any] = {
    "name": "e2e-relay",
    "image": "an/image:1",
    "hostname": "relay",
    "command": ["relay"],
    "entrypoints": ["/bin/millrace"],
    "envs": ["A=1", "B=x=y"],
    "user": "10001",
    "workingDir": "/srv",
    "stopSignal": "SIGINT",
    "stopTimeout": 7,
    "init": True,
    "readOnly": True,
    "tmpfs": {"/tmp": "size=16m,mode=1777"},  # noqa: S108 - a path in a container
    "memory": 256,
    "memorySwap": 256,
    "memoryReservation": 64,
    "cpuShares": 512,
    "cpuSet": "0-1",
    "cpus": "1.5",
    "shmSize": 64,
    "restart": "unless-stopped",
    "maxRetryCount": 3,
    "capabilities": {"adds": ["CAP_CHOWN"], "drops": ["ALL"]},
    "securityOpts": ["no-new-privileges"],
    "sysctls": {"net.core.somaxconn": "1024"},
    "groupAdds": ["999"],
    "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}],
    "logDriver": "json-file",
    "logOpts": {"max-size": "10m"},
    "labels": [{"label": "dev.millrace.role", "value": "relay"}],
    "ports": [{"internal": 9101, "external": 19101, "ip": "127.0.0.1", "protocol": "tcp"}],
    "volumes": [
        {"containerPath": "/data", "volumeName": "e2e-data"},
        {"containerPath": "/etc/host", "hostPath": "/srv/host", "readOnly": True},
        {"containerPath": "/scratch"},
    ],
    "networksAdvanced": [{"name": "e2e-net", "aliases": ["relay"]}],
    "healthcheck": {
        "tests": ["CMD", "ok"],
        "interval": "1m30s",
        "timeout": "500ms",
        "startPeriod": "1m0s",
        "retries": 4,
    },
    "uploads": [{"file": "/etc/relay.conf", "content": "hello"}],
    "start": True,
    "mustRun": False,
    "attach": True,
    "logs": True,
    "wait": True,
    "waitTimeout": 9,
    "destroyGraceSeconds": 12,
    "removeVolumes": False,
}


def test_every_input_arrives_in_the_units_of_the_engine() -> None:
    plan = container_plan(EVERYTHING)
    host = plan.body.pop("HostConfig")
    assert plan.body == {
        "Image": "an/image:1",
        "Cmd": ["relay"],
        "Entrypoint": ["/bin/millrace"],
        "Env": ["A=1", "B=x=y"],
        "Hostname": "relay",
        "User": "10001",
        "WorkingDir": "/srv",
        "StopSignal": "SIGINT",
        "StopTimeout": 7,
        "Labels": {"dev.millrace.role": "relay"},
        "ExposedPorts": {"9101/tcp": {}},
        "Volumes": {"/scratch": {}},
        "Healthcheck": {
            "Test": ["CMD", "ok"],
            "Interval": 90_000_000_000,
            "Timeout": 500_000_000,
            "StartPeriod": 60_000_000_000,
            "Retries": 4,
        },
    }
    assert host == {
        "Init": True,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": "size=16m,mode=1777"},  # noqa: S108 - a path in a container
        "Memory": 256 * 2**20,
        "MemorySwap": 256 * 2**20,
        "MemoryReservation": 64 * 2**20,
        "CpuShares": 512,
        "CpusetCpus": "0-1",
        "NanoCpus": 1_500_000_000,
        "ShmSize": 64 * 2**20,
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 3},
        "CapAdd": ["CAP_CHOWN"],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Sysctls": {"net.core.somaxconn": "1024"},
        "GroupAdd": ["999"],
        "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 2048}],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
        "NetworkMode": "default",
        "PortBindings": {"9101/tcp": [{"HostIp": "127.0.0.1", "HostPort": "19101"}]},
        "Binds": ["e2e-data:/data:rw", "/srv/host:/etc/host:ro"],
    }
    assert plan.networks == [Attachment("e2e-net", ["relay"])]
    cycle = plan.lifecycle
    assert (cycle.must_run, cycle.attach, cycle.logs, cycle.wait, cycle.wait_seconds) == (False, True, True, True, 9)
    assert (cycle.start, cycle.grace_seconds, cycle.remove_volumes) == (True, 12, False)


def test_what_is_not_given_is_the_providers_default() -> None:
    plan = container_plan({**LEAST, "ports": [{"internal": 80}]})
    host = plan.body["HostConfig"]
    assert host["PortBindings"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]}  # noqa: S104 - the provider's
    assert (host["RestartPolicy"]["Name"], host["Init"], host["ReadonlyRootfs"]) == ("no", False, False)
    assert not {"Memory", "MemorySwap", "CapDrop", "SecurityOpt", "Tmpfs"} & set(host)
    assert "Healthcheck" not in plan.body
    cycle = plan.lifecycle
    assert (cycle.start, cycle.must_run, cycle.attach, cycle.wait, cycle.wait_seconds) == (True, True, False, False, 60)


@pytest.mark.parametrize(
    "extra",
    [
        {"privileged": True},
        {"capabilities": {"drops": ["ALL"], "ambient": ["X"]}},
        {"healthcheck": {"tests": ["CMD", "ok"], "startInterval": "1s"}},
        {"ports": [{"internal": 80, "range": "81"}]},
        {"volumes": [{"containerPath": "/data", "fromContainer": "other"}]},
        {"networksAdvanced": [{"name": "net", "ipv4Address": "10.0.0.9"}]},
        {"ulimits": [{"name": "nofile", "soft": 1, "hard": 1, "x": 1}]},
        {"labels": [{"label": "a", "value": "b", "x": 1}]},
        {"uploads": [{"file": "/x", "content": "y", "x": 1}]},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_an_input_that_is_not_handled_fails(extra: dict[str, Any]) -> None:
    with pytest.raises(UnknownInput):
        container_plan({**LEAST, **extra})


@pytest.mark.parametrize("missing", ["name", "image"])
def test_a_required_input_that_is_missing_fails(missing: str) -> None:
    with pytest.raises(UnknownInput, match=missing):
        container_plan({key: value for key, value in LEAST.items() if key != missing})


def test_files_are_uploaded_with_their_modes_and_owners(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"\x00from a file")
    uploads = [
        {"file": "/etc/plain", "content": "grüße"},
        {"file": "/usr/bin/run", "content": "#!", "executable": True},
        {"file": "/etc/secret", "contentBase64": "AAEC", "permissions": "0400", "owner": "999", "group": "998"},
        {"file": "/etc/copied", "source": str(source), "sourceHash": "abc"},
    ]
    files = container_plan({**LEAST, "uploads": uploads}).files
    assert files is not None
    with tarfile.open(fileobj=io.BytesIO(files)) as tar:
        found = {
            entry.name.lstrip("/"): (tar.extractfile(entry).read(), entry.mode, entry.uid, entry.gid)  # type: ignore[union-attr]  # all are files
            for entry in tar.getmembers()
        }
    assert found == {
        "etc/plain": ("grüße".encode(), 0o644, 0, 0),
        "usr/bin/run": (b"#!", 0o744, 0, 0),
        "etc/secret": (b"\x00\x01\x02", 0o400, 999, 998),
        "etc/copied": (b"\x00from a file", 0o644, 0, 0),
    }


@pytest.mark.parametrize("upload", [{}, {"content": ""}, {"content": "a", "contentBase64": "YQ=="}])
def test_an_upload_the_provider_refuses_fails(upload: dict[str, str]) -> None:
    with pytest.raises(UnknownInput, match="exactly one"):
        container_plan({**LEAST, "uploads": [{"file": "/x", **upload}]})


@pytest.mark.parametrize(
    ("duration", "expected"),
    [("0s", 0), ("250ms", 250_000_000), ("1.5s", 1_500_000_000), ("1h2m3s", 3_723_000_000_000)],
)
def test_go_durations(duration: str, expected: int) -> None:
    assert nanoseconds(duration) == expected


@pytest.mark.parametrize("duration", ["", "5", "1 s", "1d", "soon"])
def test_what_is_not_a_go_duration_fails(duration: str) -> None:
    with pytest.raises(UnknownInput, match="duration"):
        nanoseconds(duration)
