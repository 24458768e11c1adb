"""The project's SQL on two ClickHouse engines: of the branch that is shipped, and the newest that there is.

The first is the environment's, the second the one of requirements/second-engine.lock, in a folder of its own. Each has
its own life of a shop; what they were asked they must answer alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.engines.play import CHECKS, PANELS, RECONCILER, REFUSED, STATEMENTS, Played, play
from tests.support.clickhouse import start_front
from tests.unit.dashboards.test_grafana_queries import ZONE
from tools import second_engine

Both = Mapping[str, Played]


def played_on(folder: Path, engine: Path | None) -> Played:
    front = start_front(folder, ZONE, engine)
    try:
        return play(front)
    finally:
        front.stop()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    second = second_engine.folder()
    assert second.is_dir(), "the second engine is not there: run `make second-engine`"
    return {
        "shipped": played_on(tmp_path_factory.mktemp("shipped"), None),
        "newest": played_on(tmp_path_factory.mktemp("newest"), second),
    }


def branch_of(lock: Path) -> str:
    (found,) = re.findall(r"^chdb-core==(\d+\.\d+)\.", lock.read_text(), re.MULTILINE)
    return str(found)


def test_they_are_of_two_branches(both: Both) -> None:
    locks = {"shipped": second_engine.PROJECT / "requirements" / "demo.lock", "newest": second_engine.LOCK}
    for name, lock in locks.items():
        assert both[name].version.startswith(f"{branch_of(lock)}."), name
    assert both["shipped"].version != both["newest"].version


@pytest.mark.parametrize("when", ["first", "mended"])
@pytest.mark.parametrize("engine", ["shipped", "newest"])
def test_views_show_what_was_bought(both: Both, engine: str, when: str) -> None:
    answers = both[engine].answers
    assert answers[f"views, {when}"] == answers[f"views as they must be, {when}"]


def test_every_statement_was_sent(both: Both) -> None:
    """Those of the aggregator by the aggregator itself; the comparisons, which are templates, for every check."""
    for played in both.values():
        asked = set(played.answers)
        appended = {f"services.aggregator.{name.split()[-1]}" for name in asked if name.startswith("aggregator after ")}
        looked = {name for name in STATEMENTS if name.startswith("services.aggregator.dirty_")}
        compared = {f"{RECONCILER}differing_scopes", f"{RECONCILER}differing_rows"}
        assert appended | looked | compared | asked >= set(STATEMENTS)
        assert {f"{name} of {check}" for name in compared for check in CHECKS} <= asked
        assert set(PANELS) <= asked


def test_bad_rows_are_refused_alike(both: Both) -> None:
    refused = {what: both["shipped"].answers[f"refuses {what}"] for what in REFUSED}
    assert "taken" not in refused.values(), refused
    assert refused == {what: both["newest"].answers[f"refuses {what}"] for what in REFUSED}


def test_nothing_differs_within_one_engine(both: Both) -> None:
    """What the cubes and views must have, by the reconciler's own comparison."""
    for played in both.values():
        assert {check for check in CHECKS if played.answers[f"{RECONCILER}differing_rows of {check}"][1]} == set()


def test_answers_are_alike(both: Both) -> None:
    shipped, newest = both["shipped"].answers, both["newest"].answers
    assert set(shipped) == set(newest)
    assert {name: (shipped[name], newest[name]) for name in shipped if shipped[name] != newest[name]} == {}
