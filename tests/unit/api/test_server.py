"""Starting to serve: room for as many files as connections need."""

import resource

import pytest

from services.api import server
from services.observability.process import CannotStart


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What the process's limit on open files, 256 and by its own doing up to 1024, was set to."""
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: made.append(limits))
    return made


def test_the_limit_on_open_files_is_raised_as_far_as_needed(raised: list[tuple[int, int]]) -> None:
    server._make_room(576)
    assert raised == [(832, 1024)]


def test_a_limit_that_cannot_be_raised_names_the_setting(raised: list[tuple[int, int]]) -> None:
    with pytest.raises(CannotStart, match="set API_MAX_CONNECTIONS lower"):
        server._make_room(1000)
    assert raised == []


def test_a_limit_that_is_high_enough_stays(raised: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    server._make_room(100_000)
    assert raised == []
