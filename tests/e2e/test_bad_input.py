"""What the engine or the machine lacks: said in one line that names it and the remedy, before anything is created."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from images.recipes import reference
from infra.faults import Refusal
from tests.support.stack.engine import labelled
from tests.support.stack.project import LOCAL
from tests.support.stack.stack import Stack


@pytest.fixture
def fresh() -> Iterator[Stack]:
    """A stack that was never up; nothing of it may come to be."""
    with Stack({**LOCAL, "kafkaNodes": 1}) as refused:
        yield refused
        assert refused.left() == []


def refusal(stack: Stack, config: dict[str, object] | None = None) -> str:
    with pytest.raises(Refusal) as refused:
        stack.update(config or {})
    said = str(refused.value)
    assert len(said.splitlines()) == 1, said
    return said


def test_a_taken_port_is_named_with_its_key(fresh: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(fresh, {"portApi": port})
    assert str(port) in said
    assert "millrace:portApi" in said


def test_an_engine_that_does_not_run_is_said_with_how_to_start_it(
    fresh: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    said = refusal(fresh)
    assert "start Docker" in said
    monkeypatch.undo()


def test_a_missing_image_is_named_with_the_command_that_makes_it(fresh: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = reference("prometheus")
    monkeypatch.setattr(
        "infra.preflight.local_references", lambda _plugins: {"prometheus": wanted.rpartition(":")[0] + ":stale"}
    )
    said = refusal(fresh)
    assert "prometheus" in said
    assert "make images" in said


def test_a_volume_of_somebody_else_is_not_taken_for_ours(fresh: Stack) -> None:
    name = f"{fresh.prefix}millrace-mysql"
    foreign = fresh.client.volumes.create(name, labels=labelled("", {}))
    try:
        said = refusal(fresh)
    finally:
        foreign.remove(force=True)
    assert f"volume {name}" in said
    assert "millrace:prefix" in said
