"""Drawing histories: few orders on few keys, at the instants at which days and hours go wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from services.domain.model import PaymentMethod
from tests.property.history import History, Insert, Late, Repeat, Stage, Step, Tick
from tests.support.action_shop import USERS
from tests.support.actions import (
    Action,
    AdjustStock,
    Begin,
    Cancel,
    Create,
    Delete,
    Expire,
    GiveBack,
    Import,
    Pay,
    Refund,
    Restate,
    SetStock,
    Settle,
)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


MOMENTS = (
    _utc("2026-10-24T21:59:59.999"),  # the last of the 24th in Berlin
    _utc("2026-10-24T22:00:00"),
    _utc("2026-10-25T00:59:59.999"),  # 02:59:59 of summer, the first of two
    _utc("2026-10-25T01:00:00"),  # 02:00:00 of winter
    _utc("2026-10-25T22:59:59.999"),  # the last of a day of 25 hours
    _utc("2026-10-31T23:00:00"),  # November's first, October's partition in UTC
    _utc("2026-12-31T22:59:59.999"),
    _utc("2027-03-28T00:59:59.999"),  # before the hour that is not there
    _utc("2027-03-28T01:00:00"),
    datetime.now(UTC).replace(microsecond=0),  # today_stats takes the server's day
)
"""UTC instants around midnights, months and changes of the clock in Europe/Berlin."""

moments = st.sampled_from(MOMENTS)
lines = st.lists(
    st.tuples(st.sampled_from(["101", "102", "103", "104"]), st.integers(1, 3)), min_size=1, max_size=3
).map(tuple)
_users = st.sampled_from(USERS)
_orders = st.integers(0, 4)
_attempts = st.integers(0, 1)
_methods: SearchStrategy[PaymentMethod] = st.sampled_from(["CARD", "CASH"])

creations = st.builds(Create, at=moments, user=_users, lines=lines)
imports = st.builds(
    Import, at=moments, user=_users, lines=lines, name=st.sampled_from(["Machine", "Imported"]),
    price=st.sampled_from([Decimal("0.00"), Decimal("0.05"), Decimal("33.33")]),
)  # fmt: skip
changes: SearchStrategy[Action] = st.one_of(
    st.builds(Pay, at=moments, order=_orders, accepted=st.booleans(), method=_methods),
    st.builds(Begin, at=moments, order=_orders, method=_methods),
    st.builds(Settle, at=moments, order=_orders, attempt=_attempts, accepted=st.booleans()),
    st.builds(GiveBack, at=moments, order=_orders, attempt=_attempts, done=st.booleans()),
    st.builds(Cancel, at=moments, order=_orders),
    st.builds(Expire, at=moments, order=_orders, age=st.sampled_from([0, 86_400])),
    st.builds(Refund, at=moments, order=_orders, restock=st.booleans()),
    st.builds(Delete, at=moments, order=_orders),
    st.builds(Restate, at=moments, order=_orders, at_least=st.integers(0, 9)),
)


@st.composite
def payment_stories(draw: st.DrawFn) -> tuple[Action, ...]:
    """A payment of one order, what comes between, and what the provider says: drawn one by one, they seldom meet."""
    at, order = draw(moments), draw(_orders)
    between: SearchStrategy[Action] = st.one_of(
        st.just(Cancel(at, order)),
        st.just(Delete(at, order)),
        st.builds(Expire, at=moments, order=st.just(order)),
        st.builds(Begin, at=moments, order=st.just(order), method=_methods),
        st.builds(Settle, at=moments, order=st.just(order), accepted=st.booleans()),
    )
    answers: SearchStrategy[Action] = st.one_of(
        st.builds(Settle, at=moments, order=st.just(order), attempt=_attempts, accepted=st.booleans()),
        st.builds(GiveBack, at=moments, order=st.just(order), attempt=_attempts, done=st.booleans()),
    )
    begun = Begin(at, order, draw(_methods))
    between_them, said = draw(st.lists(between, max_size=2)), draw(st.lists(answers, min_size=1, max_size=3))
    return (begun, *between_them, *said)


stock_changes: SearchStrategy[Action] = st.one_of(
    st.builds(SetStock, at=moments, product=st.sampled_from(["101", "102"]), quantity=st.integers(0, 9)),
    st.builds(AdjustStock, at=moments, product=st.sampled_from(["101", "102"]), by=st.integers(-9, 9)),
)
_events = st.lists(st.integers(0, 15), min_size=1, max_size=6).map(tuple)
inserts: SearchStrategy[Stage] = st.builds(Insert, events=_events)
ticks: SearchStrategy[Stage] = st.builds(
    Tick, cubes=st.sampled_from(["days", "users"]), crash=st.none() | st.integers(0, 11)
)
_late: SearchStrategy[Stage] = st.builds(Late, events=_events)
_steps: SearchStrategy[Stage] = st.builds(Step, seconds=st.sampled_from([-3600, -31, -1, 1, 3, 31, 90_000]))
_whole_tick: SearchStrategy[Stage] = st.builds(Tick, cubes=st.sampled_from(["days", "days", "users"]))
# Late rows and clocks set back matter where a tick comes between: drawn one by one, they seldom meet.
_groups: SearchStrategy[tuple[Stage, ...]] = st.one_of(
    st.tuples(inserts),
    st.tuples(ticks),
    st.tuples(ticks),
    st.tuples(st.builds(Repeat, insert=st.integers(0, 3))),
    st.tuples(_late, _whole_tick),
    st.tuples(_whole_tick, _steps, inserts),
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some orders, what became of them, and how that was told."""
    made: list[Any] = draw(st.lists(creations | imports, min_size=1, max_size=3))
    actions = (*made, *draw(payment_stories() | st.just(())), *draw(st.lists(changes, min_size=1, max_size=6)))
    groups = draw(st.lists(_groups, min_size=1, max_size=3))
    stages = (draw(inserts), *(stage for group in groups for stage in group))
    settle = draw(st.sampled_from([False, False, False, True]))
    return History(actions, stages, draw(st.booleans()), settle)
