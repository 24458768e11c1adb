"""What each service asks of the relational database, by its own code, and what it must not be able to ask.

Every kind of work is repeatable: it makes what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from services.clients.lease import Lease
from services.clients.relational_schema import require_current
from services.domain import idempotency, queries, stock
from services.domain.admin_actions import Actor, AdminAction, append_action, record_action
from services.domain.admin_tokens import find_token, list_tokens
from services.domain.idempotency import Answer, Claim
from services.domain.model import NewItem, NewOrder, Order
from services.domain.orders import cancel_order, delete_order, expire_order
from services.domain.payments import begin_payment, refund_order
from services.domain.repair import restate_order
from services.domain.settling import settle_accepted
from services.payments.provider import Accepted, Refused
from services.payments.sweep import Sweep
from services.reconciler import relational
from services.relay.binlog import Binlog
from services.relay.outbox import Outbox, Refusal
from services.settings import PaymentSettings
from tests.support.payments import ScriptedProvider, pay
from tests.support.shop import create_order

UTC_ZONE: Final = ZoneInfo("UTC")
# access denied to a database, a table, a column; the statement needs a privilege of the server
_DENIED: Final = {1044, 1142, 1143, 1227}


def denied(error: DBAPIError) -> bool:
    """Whether MySQL refused for want of a right."""
    return error.orig is not None and error.orig.args[0] in _DENIED


def is_refused(engine: Engine, statement: str) -> bool:
    """Whether MySQL refuses the statement for want of a right; what it does not refuse is rolled back if it can be."""
    with engine.connect() as connection:
        try:
            connection.execute(sa.text(statement))
        except DBAPIError as error:
            return denied(error)
        finally:
            connection.rollback()
    return False


def new_order(engine: Engine) -> Order:
    """An order of one machine."""
    return create_order(engine, UTC_ZONE, NewOrder("1", (NewItem("101", 1),)))


def api(engine: Engine) -> None:
    """Every transition of an order, stock by hand, a key from its claim to its end, and everything that is read."""
    require_current(engine, "UTC")
    order = new_order(engine)
    pay(engine, order.id, accepted=False)
    pay(engine, order.id)
    payments_through_a_provider(engine)
    refund_order(engine, order.id, restock=True)
    cancel_order(engine, new_order(engine).id)
    actor = Actor("bootstrap", "bootstrap", "somebody", "request")
    deleted = AdminAction(actor, "order.delete", order.id, "done", {"why": "a test"})
    delete_order(engine, order.id, also=lambda connection, _deleted: append_action(connection, deleted))
    record_action(engine, deleted)
    find_token(engine, "mr_unknown")
    list_tokens(engine)
    stock.adjust_quantity(engine, "101", 1)
    _keys(engine)
    queries.find_order(engine, order.id)
    queries.orders_of_user(engine, "1", 10)
    queries.list_users(engine, 10)
    queries.list_products(engine, 10)
    queries.find_inventory(engine, "101")


def _keys(engine: Engine) -> None:
    scope, answer = uuid4().hex, Answer(200, (), "")
    idempotency.claim(engine, scope, "", 0)
    claim = idempotency.claim(engine, scope, "", 60)  # takes it over
    assert isinstance(claim, Claim)
    idempotency.release(engine, claim)
    claim = idempotency.claim(engine, scope, "", 60)
    assert isinstance(claim, Claim)
    idempotency.settle(engine, claim, answer)
    idempotency.release(engine, claim)
    assert idempotency.claim(engine, scope, "", 60) == answer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idempotency, "KEPT_SECONDS", -1)
        idempotency.claim(engine, uuid4().hex, "", 0)
    assert idempotency.purge(engine, 1) == 1


def payments_through_a_provider(engine: Engine) -> None:
    """Settled by the request, by the sweep, and too late; given back; expired."""
    for known in (Accepted("charge"), Refused("no"), None):
        begin_payment(engine, new_order(engine).id, "CARD", "scripted", -1)
        Sweep(engine, ScriptedProvider(known=known), PaymentSettings(order_expiry=3600)).round()
    payment = begin_payment(engine, new_order(engine).id, "CARD", "scripted", -1)
    cancel_order(engine, payment.order_id)
    settle_accepted(engine, payment, "late")
    Sweep(engine, ScriptedProvider(refund_answer=Refused("not yet")), PaymentSettings()).round()
    queries.payments_of_order(engine, payment.order_id, 10)
    expire_order(engine, new_order(engine).id, datetime.now(UTC) + timedelta(days=1))


def relay(engine: Engine) -> None:
    """Takes over a lease, delivers, puts off, follows Debezium, measures, purges."""
    require_current(engine, "UTC")
    lease = _held(engine)
    box = Outbox(engine, lease)
    waiting = box.waiting(10)
    box.record(waiting[:1], [Refusal(waiting[1], "no", 0.0)])
    (unmarked, *_) = box.unmarked(10)
    box.explain({unmarked.id: "too large"})
    box.insert_again([unmarked.id])
    box.mark([row.id for row in box.unmarked(1)])
    box.backlog()
    box.purge(-1)
    log = Binlog(engine)
    log.end()
    log.oldest()
    lease.release()


def aggregator(engine: Engine) -> None:
    """Takes over a lease and gives it back."""
    _held(engine).release()


def _held(engine: Engine) -> Lease:
    """A lease of its own name, taken twice: made by the first, taken over by the second."""
    name = uuid4().hex
    assert Lease(engine, name, "one", 0).acquire() == 1
    lease = Lease(engine, name, "another", 60)
    assert lease.acquire() == 2
    assert lease.renew()
    return lease


def reconciler(engine: Engine) -> None:
    """Digests, details, what is in flight; and an order said anew."""
    require_current(engine, "UTC")
    now = datetime.now(UTC)
    with engine.connect() as connection:
        days = list(relational.day_digests(connection))
        ids = [order_id for _, order_id, _ in relational.order_digests(connection, days)]
        relational.find_orders(connection, ids)
        relational.in_flight(connection, ids, now - timedelta(days=1))
        relational.waiting_since(connection, now)
    restate_order(engine, ids[0], 7)


def debezium(engine: Engine) -> None:
    """A snapshot under a lock, and the binary log: its end, and what is in it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (
            "FLUSH TABLES WITH READ LOCK",
            "SHOW BINARY LOG STATUS",
            "SHOW CREATE TABLE outbox",
            "SELECT * FROM outbox",
            "UNLOCK TABLES",
            "SHOW BINLOG EVENTS LIMIT 1",
        ):
            connection.execute(sa.text(statement))


WORK: Final[Mapping[str, Callable[[Engine], None]]] = {
    "api": api,
    "relay": relay,
    "aggregator": aggregator,
    "reconciler": reconciler,
    "debezium": debezium,
}

_EVERYBODY: Final = (
    "DROP TABLE orders",
    "ALTER TABLE outbox ADD COLUMN x INT",
    "CREATE TABLE mine (id INT)",
    "CREATE TEMPORARY TABLE mine (id INT)",
    "TRUNCATE TABLE outbox",
    "DELETE FROM orders",
    "DELETE FROM payments",
    "UPDATE orders SET total_amount = 0",
    "UPDATE orders SET order_date = '1999-01-01'",
    "UPDATE products SET price = 0",
    "UPDATE users SET email = ''",
    "UPDATE outbox SET payload = '{}'",
    "UPDATE outbox SET topic = 'x'",
    "UPDATE schema_settings SET value = 'Asia/Seoul'",
    "UPDATE alembic_version SET version_num = '0000'",
    "SELECT * FROM mysql.user",
    "CREATE USER mallory IDENTIFIED BY 'x'",
    "SET GLOBAL general_log = ON",
    "LOCK TABLES outbox WRITE",
)
FORBIDDEN: Final[Mapping[str, tuple[str, ...]]] = {
    "api": (
        *_EVERYBODY,
        "SELECT * FROM outbox",
        "UPDATE outbox SET processed = 1",
        "DELETE FROM outbox",
        "SELECT * FROM leases",
        "INSERT INTO inventory (id, product_id, quantity) VALUES ('x', 'x', 1)",
        "INSERT INTO outbox (dead_at) VALUES (NOW())",
        "SELECT * FROM admin_actions",
        "UPDATE admin_actions SET outcome = 'done'",
        "DELETE FROM admin_actions",
        "INSERT INTO admin_tokens (id, name, digest) VALUES ('x', 'x', 'x')",
        "UPDATE admin_tokens SET revoked_at = NULL",
        "DELETE FROM admin_tokens",
        "SHOW BINARY LOG STATUS",
    ),
    "relay": (
        *_EVERYBODY,
        "SELECT * FROM orders",
        "SELECT * FROM users",
        "SELECT * FROM payments",
        "DELETE FROM leases",
        "FLUSH TABLES WITH READ LOCK",
    ),
    "aggregator": (*_EVERYBODY, "SELECT * FROM orders", "SELECT * FROM outbox", "DELETE FROM leases"),
    "reconciler": (
        *_EVERYBODY,
        "UPDATE orders SET status = 'COMPLETED'",
        "UPDATE orders SET deleted_at = NULL",
        "INSERT INTO orders (id, user_id, total_amount, status) VALUES ('x', 'x', 1, 'PENDING')",
        "UPDATE outbox SET processed = 1",
        "DELETE FROM outbox",
        "SELECT * FROM payments",
        "SELECT * FROM users",
        "SELECT * FROM leases",
    ),
    "debezium": (
        *_EVERYBODY,
        "SELECT * FROM orders",
        "SELECT * FROM users",
        "INSERT INTO outbox (aggregate_id, aggregate_type, event_type, payload) VALUES ('', '', '', '')",
        "UPDATE outbox SET processed = 1",
        "DELETE FROM outbox",
        "RESET BINARY LOGS AND GTIDS",
        "FLUSH LOGS",
    ),
}
