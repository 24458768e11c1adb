"""Claims and kept answers against a model of them, on a clock of the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from services.clients.database import OutcomeUnknown, write
from services.domain import idempotency
from services.domain.idempotency import (
    KEPT_SECONDS,
    Answer,
    Claim,
    OtherRequest,
    StillRunning,
    TakenOver,
    claim,
    keep,
    purge,
    release,
    settle,
)
from services.domain.tables import idempotency_keys
from tests.support.database_clock import DatabaseClock
from tests.support.databases import Template

pytestmark = pytest.mark.real_servers

BEGIN = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEASE = 40
EMPTY = Template()
ONE = Answer(201, (("content-type", "application/json"), ("location", "/x")), '{"amount":25000.00,"name":"é"}')
OTHER = Answer(404, (), "{}")
SCOPE, DIGEST = "s" * 64, "d" * 64


@dataclass
class Store:
    engine: Engine
    clock: DatabaseClock

    def later(self, seconds: float) -> None:
        self.clock.moment += timedelta(seconds=seconds)

    def empty(self) -> None:
        write(self.engine, lambda connection: connection.execute(sa.delete(idempotency_keys)) and None)

    def claim(self, scope: str = SCOPE, digest: str = DIGEST) -> Claim:
        found = claim(self.engine, scope, digest, LEASE)
        assert isinstance(found, Claim)
        return found

    def found(self, scope: str = SCOPE, digest: str = DIGEST) -> Answer | str:
        """The kept answer, or the name of what stands in its way."""
        try:
            found = claim(self.engine, scope, digest, LEASE)
        except (OtherRequest, StillRunning) as no:
            return type(no).__name__
        return found if isinstance(found, Answer) else "claimed"

    def keep(self, claimed: Claim, answer: Answer, final: bool = True) -> None:
        write(self.engine, lambda connection: keep(connection, claimed, answer, final))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("keys")
    with EMPTY.open(folder) as engine:
        yield Store(engine, DatabaseClock(engine, BEGIN))


@pytest.fixture
def store(opened: Store) -> Store:
    opened.clock.moment = BEGIN
    opened.empty()
    return opened


def test_an_answer_comes_back_as_it_was_for_24_hours(store: Store) -> None:
    store.keep(store.claim(), ONE)
    assert store.found() == ONE
    store.later(KEPT_SECONDS - 1)
    assert store.found() == ONE
    store.later(1)
    assert store.found() == "claimed"


def test_a_claim_holds_for_its_time(store: Store) -> None:
    store.claim()
    store.later(LEASE - 1)
    assert store.found() == "StillRunning"
    store.later(1)
    assert store.found() == "claimed"
    assert store.found() == "StillRunning"


def test_a_key_is_for_one_request_even_while_it_is_running_or_was_cut_short(store: Store) -> None:
    store.claim()
    assert store.found(digest="e" * 64) == "OtherRequest"
    store.later(LEASE)
    assert store.found(digest="e" * 64) == "OtherRequest"


def test_who_was_taken_over_can_store_nothing_and_end_nothing(store: Store) -> None:
    late = store.claim()
    store.later(LEASE)
    new = store.claim()
    for final in (True, False):
        with pytest.raises(TakenOver):
            store.keep(late, OTHER, final)
    with pytest.raises(TakenOver):
        settle(store.engine, late, OTHER)
    release(store.engine, late)
    assert store.found() == "StillRunning"
    store.keep(new, ONE)
    release(store.engine, late)
    assert store.found() == ONE


def test_an_answer_stored_late_but_before_anybody_looks_counts(store: Store) -> None:
    late = store.claim()
    store.later(LEASE + 5)
    store.keep(late, ONE)
    assert store.found() == ONE


@pytest.mark.parametrize("final", [True, False])
def test_who_looked_before_the_answer_came_does_not_take_over(
    store: Store, final: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim has run out, somebody is about to take it, and in between the answer is stored after all."""
    late = store.claim()
    store.later(LEASE)
    look = idempotency._look

    def looks_then_loses_the_race(engine: Engine, scope: str, digest: str, token: str) -> Answer | Claim | bool | None:
        seen = look(engine, scope, digest, token)
        if seen is True:
            store.keep(late, ONE, final)
        return seen

    monkeypatch.setattr(idempotency, "_look", looks_then_loses_the_race)
    assert store.found() == ONE


def test_two_who_look_at_the_same_time_do_not_both_take_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.claim()
    store.later(LEASE)
    look = idempotency._look
    others: list[Answer | str] = []

    def looks_while_another_takes(engine: Engine, scope: str, digest: str, token: str) -> Answer | Claim | bool | None:
        seen = look(engine, scope, digest, token)
        if not others:
            others.append("")
            others.append(store.found())
        return seen

    monkeypatch.setattr(idempotency, "_look", looks_while_another_takes)
    assert (store.found(), others[1]) == ("StillRunning", "claimed")


def test_an_answer_for_the_meantime_is_repeated_once_the_claim_is_over(store: Store) -> None:
    claimed = store.claim()
    store.keep(claimed, OTHER, final=False)
    assert store.found() == "StillRunning"
    store.later(LEASE)
    assert store.found() == OTHER
    store.keep(claimed, ONE)
    assert store.found() == ONE


def test_releasing_forgets_a_claim_but_not_an_answer(store: Store) -> None:
    release(store.engine, store.claim())
    claimed = store.claim()
    store.keep(claimed, OTHER, final=False)
    release(store.engine, claimed)
    assert store.found() == OTHER


@pytest.mark.parametrize("stored", [True, False])
def test_a_claim_whose_own_commit_nobody_knows_of_is_found_again(
    store: Store, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [True]

    def loses(engine: Engine, work: object) -> object:
        if not lost:
            return write(engine, work)  # type: ignore[arg-type]  # passes on what it got
        lost.clear()
        if stored:
            write(engine, work)  # type: ignore[arg-type]  # as above
        raise OutcomeUnknown

    monkeypatch.setattr(idempotency, "write", loses)
    store.claim()
    assert store.found() == "StillRunning"


def test_purging_takes_the_oldest_of_those_whose_time_is_over_and_no_more_than_told(store: Store) -> None:
    for number in range(5):
        store.keep(store.claim(scope=str(number)), ONE)
        store.later(1)
    store.later(KEPT_SECONDS - 2)
    assert purge(store.engine, 3) == 3
    assert [store.found(scope=str(number)) for number in (3, 4)] == ["claimed", ONE]
    assert purge(store.engine, 3) == 0


# ---- any history


@dataclass
class Row:
    """What the model knows of a key."""

    digest: str
    claim: int
    until: float
    expires: float
    answer: Answer | None = None


_step = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from("ab"), st.sampled_from("xy")),
    st.tuples(st.sampled_from(("keep", "meantime", "release")), st.integers(0, 3), st.sampled_from((ONE, OTHER))),
    st.tuples(st.just("later"), st.sampled_from((1, LEASE // 2, LEASE, KEPT_SECONDS // 2, KEPT_SECONDS)), st.none()),
    st.tuples(st.just("purge"), st.none(), st.none()),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_step, max_size=25))
def test_any_history_is_the_models(store: Store, steps: list[tuple[str, object, object]]) -> None:
    store.clock.moment = BEGIN
    store.empty()
    model: dict[str, Row] = {}
    claims: list[tuple[str, Claim]] = []
    for name, what, how in steps:
        now = (store.clock.moment - BEGIN).total_seconds()
        match name:
            case "later":
                assert isinstance(what, int)
                store.later(what)
            case "purge":
                gone = [scope for scope, row in model.items() if row.expires <= now]
                assert purge(store.engine, 100) == len(gone)
                for scope in gone:
                    del model[scope]
            case "ask":
                _ask(store, model, claims, str(what), str(how), now)
            case _ if claims:
                assert isinstance(what, int)
                assert isinstance(how, Answer)
                _end(store, model, claims, len(claims) - 1 - what % len(claims), name, how)


def _ask(
    store: Store, model: dict[str, Row], claims: list[tuple[str, Claim]], scope: str, digest: str, now: float
) -> None:
    row = model.get(scope)
    expected: Answer | str = "claimed"
    if row is not None and not (row.expires <= now and row.until <= now):
        if row.digest != digest:
            expected = "OtherRequest"
        elif row.until > now:
            expected = "StillRunning"
        elif row.answer is not None:
            expected = row.answer
    if expected != "claimed":
        assert store.found(scope, digest) == expected
        return
    claims.append((scope, store.claim(scope, digest)))
    model[scope] = Row(digest, len(claims) - 1, now + LEASE, now + KEPT_SECONDS)


def _end(
    store: Store, model: dict[str, Row], claims: list[tuple[str, Claim]], number: int, how: str, answer: Answer
) -> None:
    scope, claimed = claims[number]
    row = model.get(scope)
    own = row is not None and row.claim == number
    if how == "release":
        release(store.engine, claimed)
        if row is not None and own:
            row.until = float("-inf")
            if row.answer is None:
                del model[scope]
        return
    if row is None or not own:
        with pytest.raises(TakenOver):
            store.keep(claimed, answer, final=how == "keep")
        return
    store.keep(claimed, answer, final=how == "keep")
    row.answer = answer
    if how == "keep":
        row.until = float("-inf")
