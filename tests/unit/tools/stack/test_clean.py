"""clean: which stack's containers, network and volumes it removes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.web import Api
from tests.unit.tools.stack.conftest import ALL, ENVIRONMENT, OUTPUTS, Run, docker, pulumi
from tests.unit.tools.stack.programs import Programs, Says
from tools.stack.folder import StackFolder

THINGS = {
    "ps --all --format {{.Names}} *": Says("mysql\nrelay\n"),
    "network ls *": Says("millrace\n"),
    "volume ls *": Says("millrace-mysql\n"),
}
REMOVING = ["rm --force --volumes mysql relay", "network rm millrace", "volume rm millrace-mysql"]


def removed(programs: Programs) -> list[str]:
    return [call for call in programs.calls("docker") if " rm " in f" {call} "]


def test_clean_removes_by_label_containers_first(programs: Programs, run: Run, folder: StackFolder) -> None:
    docker(programs, says=THINGS)
    shown = run("clean", "--yes", "1")
    assert (shown.code, removed(programs)) == (0, REMOVING)
    assert "removed 2 containers\nremoved 1 network\nremoved 1 volume\n" in shown.out
    assert all("label=dev.millrace.stack=millrace" in call for call in programs.calls("docker") if " ls" in call)
    assert not folder.environment_file.exists()


def test_clean_without_a_terminal_and_without_yes_removes_nothing(
    programs: Programs, run: Run, folder: StackFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(programs, says=THINGS)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert "YES=1" in run("clean").refusal
    assert removed(programs) == []
    assert folder.environment_file.exists()


@pytest.mark.parametrize(("answer", "goes"), [("y", True), ("YES", True), ("", False), ("no", False)])
def test_clean_asks_first(
    programs: Programs, run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, goes: bool
) -> None:
    docker(programs, says=THINGS)
    questions: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def ask(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr("builtins.input", ask)
    ended = run("clean")
    assert questions == [
        "remove 2 containers, 1 network, 1 volume of dev.millrace.stack=millrace, with every order in them? [y/N] "
    ]
    assert (ended.code, removed(programs)) == ((0, REMOVING) if goes else (2, []))


SECOND = {"MILLRACE_STACK_PREFIX": "second-", **ENVIRONMENT}


def labels(programs: Programs) -> set[str]:
    """The stacks that Docker was asked for."""
    words = [word for call in programs.calls("docker") for word in call.split()]
    return {word for word in words if word.startswith("label=dev.millrace.stack=")}


def test_clean_after_down_removes_the_stack_with_the_prefix_and_no_other(
    programs: Programs, run: Run, machine: Api
) -> None:
    pulumi(programs, config_prefix=Says("second-\n"), output=Says(json.dumps({**OUTPUTS, "environment": SECOND})))
    docker(programs, says=THINGS)
    for words in (("up",), ("down",), ("clean", "--yes", "1"), ("clean", "--yes", "1")):
        assert run(*words).code == 0
    assert removed(programs) == 2 * REMOVING
    assert labels(programs) == {"label=dev.millrace.stack=second-"}


@pytest.mark.parametrize("words", [("clean", "--yes", "1"), ("ps",), ("logs",)])
def test_a_first_up_that_failed_is_found_by_its_prefix(
    programs: Programs, run: Run, machine: Api, words: tuple[str, ...]
) -> None:
    pulumi(programs, up=Says("error: topics-job failed\n", code=255))
    docker(programs, *ALL, says=THINGS, prefix="second-")
    assert run("up", "--config", "prefix=second-").code == 1
    assert run(*words).code == 0
    assert labels(programs) == {"label=dev.millrace.stack=second-"}


def test_a_stack_without_a_prefix_is_remembered_too(programs: Programs, run: Run, machine: Api, tmp_path: Path) -> None:
    run("up")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  millrace:prefix: next-\n")
    run("down")
    run("clean")
    assert labels(programs) == {"label=dev.millrace.stack=millrace"}, "what is, not what will be"


def test_a_stack_that_was_up_before_prefixes_were_remembered_keeps_its_own(
    programs: Programs, run: Run, machine: Api, folder: StackFolder
) -> None:
    folder.write_environment(SECOND)
    run("down")
    run("clean")
    assert labels(programs) == {"label=dev.millrace.stack=second-"}


@pytest.mark.parametrize(
    ("declared", "label"),
    [
        ("config:\n  millrace:prefix: second-\n", "second-"),
        ("config:\n  millrace:images: local\n", "millrace"),
        ("config:\n", "millrace"),
        ("", "millrace"),
    ],
)
def test_what_plain_pulumi_made_is_known_by_its_configuration(
    programs: Programs, run: Run, tmp_path: Path, declared: str, label: str
) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(declared)
    run("clean")
    assert labels(programs) == {f"label=dev.millrace.stack={label}"}


@pytest.mark.parametrize("broken", ["config: [", "config: 3"])
def test_a_configuration_that_cannot_be_read_removes_nothing(
    programs: Programs, run: Run, tmp_path: Path, broken: str
) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(broken)
    assert "does not tell the stack's prefix" in run("clean", "--yes", "1").refusal
    assert removed(programs) == []


def test_a_pulumi_that_does_not_tell_the_prefix_is_not_taken_for_none(
    programs: Programs, run: Run, machine: Api, tmp_path: Path
) -> None:
    pulumi(programs, config_prefix=Says(err="error: could not decrypt\n", code=1))
    assert "pulumi does not tell millrace:prefix: error: could not decrypt" in run("up").refusal
    assert not StackFolder(tmp_path / "stack").prefix_file.exists()


def test_clean_of_nothing_says_so(programs: Programs, run: Run) -> None:
    docker(programs)
    assert "nothing on this engine has the label dev.millrace.stack=millrace" in run("clean").out
    assert removed(programs) == []


def test_what_cannot_be_removed_is_told(programs: Programs, run: Run) -> None:
    docker(programs, says={**THINGS, "volume rm *": Says(err="volume is in use\n", code=1)})
    assert "not every volume was removed: volume is in use" in run("clean", "--yes", "1").failure
