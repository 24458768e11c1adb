"""The outbox on MySQL, where every statement has a snapshot of its own and writers are many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.clients.database import write
from services.clients.lease import Lease
from services.domain import outbox as events
from services.domain.model import NewItem, NewOrder
from services.relay.leading import LEASE
from services.relay.outbox import Outbox
from tests.support.outbox import insert_event, pending, rows, seconds_from_now, set_columns
from tests.support.shop import create_order

pytestmark = [pytest.mark.needs_mysql, pytest.mark.real_servers]

_PLAIN_INSERT = sa.text(
    "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload) VALUES (:id, 'Order', 'OrderCreated', '{}')"
)


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    lease = Lease(engine, LEASE, "this relay", 60)
    assert lease.acquire() == 1
    return Outbox(engine, lease)


def after_the_first_page(engine: Engine, act: Callable[[], object]) -> None:
    waiting = [act]

    @event.listens_for(engine, "after_cursor_execute")
    def look(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "held_back" in statement and waiting:
            waiting.pop()()


def test_what_becomes_visible_between_two_pages_overtakes_nothing(engine: Engine, outbox: Outbox) -> None:
    """The first event of an aggregate was inserted early and is committed late, right before the second one."""
    with engine.connect() as slow:
        first = slow.execute(_PLAIN_INSERT, {"id": "a"}).lastrowid
        for _ in range(5):
            held = insert_event(engine, "held back")
            set_columns(engine, held, next_attempt_at=seconds_from_now(60))

        def commit_both() -> None:
            slow.commit()
            insert_event(engine, "a")

        after_the_first_page(engine, commit_both)
        assert outbox.waiting(5) == [], "the second one alone would overtake the first"
    found = outbox.waiting(5)
    assert [one.aggregate_id for one in found] == ["a", "a"]
    assert found[0].id == first


def test_recording_waits_for_no_order_that_is_being_placed(
    engine: Engine, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows lie side by side in the index of what waits."""
    write(engine, lambda connection: connection.execute(_PLAIN_INSERT, [{"id": f"o{n}"} for n in range(300)]))
    left: list[int] = []

    def append(connection: Connection, *arguments: Any) -> None:
        original(connection, *arguments)
        outbox.record(outbox.waiting(250), [])  # it would wait for its own caller, and time out
        left.append(pending(engine))

    original = events.append_traced
    monkeypatch.setattr(events, "append_traced", append)
    create_order(engine, ZoneInfo("UTC"), NewOrder("1", (NewItem("101", 1),)))
    assert left == [50]
    assert len(rows(engine)) == 302
