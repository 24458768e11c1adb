"""Programs that know no Docker contexts are told which engine the current one names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.process import PROJECT
from tests.unit.tools.stack.conftest import ALL, Run, docker, pulumi
from tests.unit.tools.stack.programs import Programs, Says
from tests.unit.tools.test_makefile import make

ROOTLESS = "unix:///run/user/1000/docker.sock"


def on_engine(*words: str) -> subprocess.CompletedProcess[str]:
    """Replaces its process, so it gets one."""
    return subprocess.run(
        [sys.executable, "-m", "tools.stack", "on-engine", *words],
        cwd=PROJECT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def elsewhere(programs: Programs) -> None:
    """The current context is that of a rootless engine."""
    docker(programs, *ALL, says={"context inspect *": Says(f"{ROOTLESS}\n")})


@pytest.fixture
def asker(programs: Programs) -> None:
    """A program that asks the engine, and does not find all well."""
    programs.put("asker", {"*": Says("looked\n", code=2)}, ("DOCKER_HOST",))


@pytest.mark.usefixtures("elsewhere", "asker")
def test_a_program_gets_the_engine_of_the_current_context(programs: Programs) -> None:
    ended = on_engine("--", "asker", "--json", "-x", "two words")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "looked\n", "")
    assert programs.calls("asker") == ["--json -x two words"]
    assert programs.variables("asker") == {"DOCKER_HOST": ROOTLESS}


@pytest.mark.usefixtures("elsewhere", "asker")
def test_an_engine_that_is_named_is_the_stronger(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    on_engine("--", "asker")
    assert programs.variables("asker") == {"DOCKER_HOST": "tcp://127.0.0.1:9"}


@pytest.mark.usefixtures("asker")
@pytest.mark.parametrize("there", [True, False])
def test_without_docker_or_contexts_it_runs_as_it_is(programs: Programs, there: bool) -> None:
    """The doctor of a demo, on a machine without Docker."""
    if not there:
        (programs.bin / "docker").unlink()
    assert on_engine("--", "asker").stdout == "looked\n"
    assert programs.variables("asker") == {"DOCKER_HOST": ""}


def test_a_program_that_is_not_there_is_one_line(programs: Programs) -> None:
    ended = on_engine("--", "nothing")
    assert (ended.returncode, ended.stderr) == (2, "millrace: nothing cannot be run: No such file or directory\n")


@pytest.mark.usefixtures("elsewhere")
def test_up_builds_its_images_there(programs: Programs, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(programs, config_images=Says("local\n"))
    programs.put("images", {"*": Says(code=1)}, ("DOCKER_HOST",))
    monkeypatch.setattr("tools.stack.lifecycle.IMAGES", (str(programs.bin / "images"),))
    assert "the images were not built" in run("up").failure
    assert programs.variables("images") == {"DOCKER_HOST": ROOTLESS}


@pytest.mark.parametrize(
    ("target", "runs"),
    [
        ("doctor", "/millrace doctor --json"),
        ("images", "/python -m images"),
        ("e2e", "/pytest tests/e2e --json"),
        ("soak", "/python -m benchmarks.soak"),
    ],
)
def test_the_targets_that_ask_the_engine_are_told(target: str, runs: str) -> None:
    (line,) = [line for line in make("--dry-run", target, "ARGS=--json").splitlines() if runs in line]
    assert " -m tools.stack on-engine -- " in line.partition(runs)[0]
