""".ci/run on a machine whose programs are shell scripts: what it installs, starts, runs and ends."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.process import PROJECT

NEEDED = ("bash", "dirname", "grep", "mktemp", "rm", "sh", "sleep", "tail", "tee", "touch")
STEPS = ("setup", "lint", "images", "test", "e2e")
CLOSING = "===== 3 passed in 0.10s ====="


class Machine:
    """A copy of the script, and a PATH with nothing on it but what a test puts there."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.log = root, root / "bin", root / "log"
        self.bin.mkdir()
        (root / ".ci").mkdir()
        shutil.copy(PROJECT / ".ci" / "run", root / ".ci")
        for tool in NEEDED:
            found = shutil.which(tool)
            assert found, f"{tool} is not on this machine"
            (self.bin / tool).symlink_to(found)
        for program in ("make", "curl", "ps", "debootstrap", "mvn", "javac", "iptables"):
            self.put(program)
        self.put("apt-get")
        self.engine(running=True)

    def put(self, name: str, does: str = "") -> None:
        """A program that writes down how it was called, and then does this."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.log}\n{does}\n')
        path.chmod(0o755)

    def engine(self, running: bool) -> None:
        """An engine that answers once the file `up` is there; dockerd makes it, and says when it is told to end."""
        up = self.root / "up"
        if running:
            up.touch()
        self.put("docker", f"[ -e {up} ]")
        self.put(
            "dockerd",
            f"trap 'echo dockerd ended >>{self.log}; kill $!; exit 0' TERM; sleep 60 & touch {up}; wait $!",
        )

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "bash"), ".ci/run"],
            cwd=self.root,
            env={"PATH": str(self.bin), "HOME": str(self.root)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self, program: str) -> list[str]:
        """How a program was called, in order."""
        lines = self.log.read_text().splitlines()
        return [line.removeprefix(f"{program} ") for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_runs_every_step_in_order_and_sums_up(machine: Machine) -> None:
    machine.put("make", f'[ "$1" != e2e ] || echo "{CLOSING}"')
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert tuple(machine.calls("make")) == STEPS
    summary = done.stdout.split("== durations\n")[1].splitlines()
    assert [line.split(":")[0] for line in summary[:-1]] == ["tools", *STEPS, "total"]
    assert summary[-1] == CLOSING


def test_an_engine_that_answers_is_used_and_left_running(machine: Machine) -> None:
    assert machine.run().returncode == 0
    assert machine.calls("dockerd") == []
    assert machine.calls("apt-get") == []


def test_an_engine_is_started_where_none_answers_and_ended_in_the_end(machine: Machine) -> None:
    (machine.root / "up").unlink()
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.calls("dockerd") == ["", "ended"]
    lines = machine.log.read_text().splitlines()
    assert lines.index("dockerd ended") > lines.index("make e2e")
    assert "engine: " in done.stdout.split("== durations\n")[1]


def test_an_engine_that_was_started_ends_also_when_a_step_fails(machine: Machine) -> None:
    (machine.root / "up").unlink()
    machine.put("make", '[ "$1" != lint ]')
    assert machine.run().returncode != 0
    assert machine.calls("make") == ["setup", "lint"], "nothing is run after a step that failed"
    assert machine.calls("dockerd") == ["", "ended"]


def test_an_engine_that_does_not_start_shows_what_it_said(machine: Machine) -> None:
    (machine.root / "up").unlink()
    machine.put("dockerd", "echo 'failed to mount overlay: not permitted' >&2; exit 1")
    done = machine.run()
    assert done.returncode == 1
    assert "failed to mount overlay: not permitted" in done.stderr
    assert "make" not in machine.log.read_text()


@pytest.mark.parametrize(
    ("missing", "package"),
    [
        ("mvn", "maven"),
        ("javac", "default-jdk-headless"),
        ("debootstrap", "debootstrap"),
        ("ps", "procps"),
        ("curl", "curl"),
    ],
)
def test_only_what_is_missing_is_installed(machine: Machine, missing: str, package: str) -> None:
    (machine.bin / missing).unlink()
    assert machine.run().returncode == 0
    assert machine.calls("apt-get") == ["update -qq", f"install -y -qq --no-install-recommends {package}"]


def test_without_docker_it_installs_an_engine(machine: Machine) -> None:
    (machine.root / "up").unlink()
    for program in ("docker", "dockerd", "iptables"):
        (machine.bin / program).rename(machine.root / program)
    brings = "; ".join(f"mv {machine.root / name} {machine.bin}/" for name in ("docker", "dockerd", "iptables"))
    (machine.bin / "mv").symlink_to(shutil.which("mv") or os.devnull)
    machine.put("apt-get", f'[ "$1" = update ] || {{ {brings}; }}')
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.calls("apt-get")[1].endswith("docker.io docker.io iptables")
    assert machine.calls("dockerd") == ["", "ended"]
