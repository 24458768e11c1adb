"""What else belongs to a change is in its transaction: stored with it, undone with it, and undoing it when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.domain.model import NewItem, NewOrder, Order, Payment
from services.domain.orders import cancel_order, delete_order
from services.domain.payments import begin_payment
from services.domain.settling import settle_accepted, settle_refused
from services.domain.tables import users
from tests.support.payments import PROVIDER, PROVIDER_SECONDS
from tests.support.shop import SHOP, create_order, stored

pytestmark = pytest.mark.real_servers

UTC = ZoneInfo("UTC")
NEW = NewOrder("1", (NewItem("101", 1),))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with SHOP.open(tmp_path) as engine:
        yield engine


def place(engine: Engine) -> Order:
    return create_order(engine, UTC, NEW)


def begin(engine: Engine) -> Payment:
    return begin_payment(engine, place(engine).id, "CARD", PROVIDER, PROVIDER_SECONDS)


# Each function that writes: what it needs, and its call with `also`.
CHANGES: dict[str, tuple[Callable[[Engine], Any], Callable[[Engine, Any, Any], Any]]] = {
    "begin_payment": (
        place,
        lambda engine, order, also: begin_payment(engine, order.id, "CARD", PROVIDER, PROVIDER_SECONDS, also=also),
    ),
    "settle_accepted": (begin, lambda engine, attempt, also: settle_accepted(engine, attempt, "charge", also=also)),
    "settle_refused": (begin, lambda engine, attempt, also: settle_refused(engine, attempt, "no", also=also)),
    "cancel_order": (place, lambda engine, order, also: cancel_order(engine, order.id, also=also)),
    "delete_order": (place, lambda engine, order, also: delete_order(engine, order.id, also=also)),
}


class RefusesError(Exception):
    """What the test's hook raises."""


@pytest.mark.parametrize("change", CHANGES)
def test_what_else_belongs_to_a_change_is_stored_with_it(engine: Engine, change: str) -> None:
    prepare, do = CHANGES[change]
    told: list[Any] = []

    def also(connection: Connection, value: Any) -> None:
        told.append(value)
        connection.execute(sa.update(users).where(users.c.id == "2").values(name="also"))

    returned = do(engine, prepare(engine), also)
    assert told == [returned]
    with engine.connect() as connection:
        assert connection.scalar(sa.select(users.c.name).where(users.c.id == "2")) == "also"


@pytest.mark.parametrize("change", CHANGES)
def test_what_fails_beside_a_change_undoes_it(engine: Engine, change: str) -> None:
    prepare, do = CHANGES[change]
    needed = prepare(engine)
    before = stored(engine)

    def also(connection: Connection, _value: Any) -> None:
        connection.execute(sa.update(users).where(users.c.id == "2").values(name="also"))
        raise RefusesError

    with pytest.raises(RefusesError):
        do(engine, needed, also)
    assert stored(engine) == before
    with engine.connect() as connection:
        assert connection.scalar(sa.select(users.c.name).where(users.c.id == "2")) == "User 2"
