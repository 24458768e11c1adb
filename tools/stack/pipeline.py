"""An order followed through the pipeline, step by step, and its deletion: for people who want to see it happen.

Works against whatever `millrace` on this machine works against: the running demo, or the stack.
"""

import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
import urllib3
from sqlalchemy.engine import Engine

from services.clients import clickhouse, database
from services.doctor.check import CannotLook
from services.doctor.probe import Arrival
from services.doctor.shop import ProbeLeft, Shop, Told
from services.doctor.warehouse import Warehouse, WarehouseAway, asking
from services.domain.tables import outbox
from services.settings import (
    AnalyticsReaderSettings,
    ApiSettings,
    BusinessSettings,
    ClickHouseSettings,
    DatabaseSettings,
    load,
)
from tools.stack.refusal import Failed, Refusal

_PATIENCE: Final = 60.0
_PAUSE: Final = 0.02
_DELETED_ROW: Final = """
SELECT argMax(is_deleted, version) FROM orders_analytics WHERE order_date = {day:Date} AND order_id = {id:String}"""


class Walk:
    """One order's way. Every step prints a line, or ends the walk with one that says where it stopped."""

    def __init__(self, engine: Engine, shop: Shop, client: clickhouse.Client, api: str, patience: float) -> None:
        self._engine, self._shop, self._client, self._api = engine, shop, client, api
        self._warehouse, self._patience = Warehouse(client), patience
        self._began = time.monotonic()

    def place(self) -> Told:
        """From the API to the views."""
        self._began = time.monotonic()
        told = self._shop.place()
        self._say("API", f"201: order {told.order_id} of {told.day}")
        with self._engine.connect() as connection:
            events = connection.scalars(
                sa.select(outbox.c.event_type).where(outbox.c.aggregate_id == told.order_id).order_by(outbox.c.id)
            ).all()
        self._say("database", f"the order, and in the same transaction its event: {', '.join(events)}")
        self._follow(told)
        return told

    def delete(self, order: Told) -> Told:
        """From the admin route out of the views."""
        self._began = time.monotonic()
        status = self._bare_delete(order)
        if status != 401:
            raise Failed(f"DELETE with X-Admin-Id alone answered {status}, not 401: who acts must not be enough")
        self._say("API", "401 without the admin token")
        told = self._shop.delete(order)
        self._say("API", "204 with it")
        self._shop.delete(order)
        self._say("API", "204 once more: deleting twice is one deletion")
        with self._engine.connect() as connection:
            count = connection.scalar(
                sa.select(sa.func.count())
                .select_from(outbox)
                .where(outbox.c.aggregate_id == order.order_id, outbox.c.event_type == "OrderDeleted")
            )
        if count != 1:
            raise Failed(f"{count} events OrderDeleted stand in the outbox, not one")
        self._say("database", "one event: OrderDeleted")
        self._follow(told)
        rows = self._client.query(_DELETED_ROW, parameters={"day": order.day.isoformat(), "id": order.order_id})
        if rows.result_rows[0][0] != 1:
            raise Failed("the newest row in ClickHouse is not marked as deleted")
        self._say("ClickHouse", "the newest row says is_deleted = 1")
        return told

    def _follow(self, told: Told) -> None:
        arrival, sent, row = Arrival(told), False, False

        def arrived() -> bool:
            nonlocal sent, row
            if not sent and self._shop.relayed(told):
                sent = True
                self._say("relay", "every event is in Kafka and marked as processed")
            includes = arrival.includes(self._warehouse.progress(told.order_id, told.day, told.status))
            if arrival.row_seen and not row:
                row = True
                self._say("ClickHouse", f"its row, version {told.version}, came through transformer and sink")
            return includes and sent

        if not _wait(arrived, self._patience):
            where = (
                "in the outbox"
                if not sent
                else "in Kafka, before transformer or sink"
                if not row
                else "before the sums"
            )
            raise Failed(f"after {self._patience:g} s it is still {where}: `make doctor` says what to do")
        self._say("views", "the day's figures are without it" if told.deleted else "the day's figures include it")

    def _bare_delete(self, order: Told) -> int:
        url = f"{self._api}/admin/orders/{order.order_id}"
        return urllib3.request("DELETE", url, headers={"X-Admin-Id": "somebody"}, timeout=10, retries=False).status

    def _say(self, part: str, what: str) -> None:
        print(f"{time.monotonic() - self._began:6.2f} s  {part:<10}  {what}", flush=True)


def run(deletion: bool, patience: float = _PATIENCE) -> int:
    """Places an order and follows it; with ``deletion`` deletes it too and follows that. Raises Refusal, Failed."""
    api, database_settings, known = load(ApiSettings), load(DatabaseSettings), load(ClickHouseSettings)
    zone = load(BusinessSettings).business_timezone
    load(AnalyticsReaderSettings)
    if api.millrace_admin_token is None:
        raise Refusal("MILLRACE_ADMIN_TOKEN is not set: `make up` and `make demo` set it for their own installation")
    url = api.link
    engine = database.connect(database_settings)

    def connect() -> clickhouse.Client:
        return clickhouse.connect(
            known.url,
            user=known.clickhouse_user,
            password=known.clickhouse_password.get_secret_value(),
            database=known.clickhouse_database,
            session_timezone=zone,
        )

    try:
        with asking(connect) as client:
            walk = Walk(engine, Shop(engine, url, api.millrace_admin_token.get_secret_value()), client, url, patience)
            placed = walk.place()
            if deletion:
                walk.delete(placed)
    except (CannotLook, ProbeLeft) as stopped:
        raise Failed(str(stopped)) from None
    except WarehouseAway as away:
        raise Failed(f"ClickHouse {away}") from None
    finally:
        engine.dispose()
    return 0


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
