"""What the tests take for the CLI's handling of configuration: its rules, held to cases out of its documentation."""

from __future__ import annotations

import json

import pytest

from tests.support.process import PROJECT
from tests.support.stack.capture import capture
from tests.support.stack.configuration import RefusedByCli, hand_over

DOTTED = {
    "name": "p",
    "config": {"kafka.nodes": {"default": 3}, "kafka.name": {"default": "x"}, "on": {"default": True}},
}


def test_a_default_under_a_dotted_key_becomes_an_object() -> None:
    handed = hand_over({}, DOTTED)
    assert json.loads(handed.values["p:kafka"]) == {"nodes": 3, "name": "x"}
    assert handed.values["p:on"] == "true"
    assert set(handed.values) == {"p:kafka", "p:on"}


def test_a_stacks_own_dotted_key_arrives_under_that_name_beside_the_object() -> None:
    handed = hand_over({"p:kafka.nodes": "1"}, DOTTED)
    assert handed.values["p:kafka.nodes"] == "1"
    assert json.loads(handed.values["p:kafka"])["nodes"] == 3


def test_what_is_set_by_path_is_in_the_object() -> None:
    assert json.loads(hand_over({"p:kafka": {"nodes": 1}}, DOTTED).values["p:kafka"]) == {"nodes": 1, "name": "x"}


def test_a_secret_anywhere_makes_its_key_one() -> None:
    handed = hand_over({"p:token": {"secure": "s3cret"}, "p:map": {"a": 1, "b": {"secure": "t"}}}, {"name": "p"})
    assert handed.values["p:token"] == "s3cret"
    assert json.loads(handed.values["p:map"]) == {"a": 1, "b": "t"}
    assert handed.secret_keys == {"p:token", "p:map"}


@pytest.mark.parametrize(
    "stack", [{"millrace:kafkaNodes": "three"}, {"millrace:preflight": "maybe"}, {"millrace:prefix": ["x"]}], ids=str
)
def test_the_cli_holds_values_to_the_declared_types(stack: dict[str, object]) -> None:
    with pytest.raises(RefusedByCli, match=str(*stack).partition(":")[2]):
        hand_over(stack)


def test_keys_of_pulumi_itself_and_of_providers_are_none_of_ours() -> None:
    capture({"pulumi:disable-default-providers": "random", "docker:host": "unix:///var/run/docker.sock",
             "preflight": "false", "sink": "python"})  # fmt: skip


def test_the_program_does_not_ask_where_it_runs(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI runs it in the folder that `main:` names, the tests in the project's."""
    declared = []
    for folder in (PROJECT, PROJECT / "infra", tmp_path):
        monkeypatch.chdir(str(folder))
        program = capture({"preflight": "false", "images": "local", "sink": "python"})
        declared.append(
            {name: one.inputs.get("uploads") and one.inputs["image"] for name, one in program.containers.items()}
        )
    assert declared[0] == declared[1] == declared[2]
