"""The shop as the probe uses it: an order told anew, or one placed for the purpose and deleted again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import sqlalchemy as sa
import urllib3
from sqlalchemy.engine import Connection, Engine

from services.clients.database import refused, unavailable
from services.doctor.check import CannotLook, one_line
from services.domain.errors import DomainError
from services.domain.repair import restate_order
from services.domain.tables import order_items, orders, outbox

_LOOKED_AT: Final = 50
_TIMEOUT: Final = 10.0
_ORDER_AGGREGATES: Final = ("Order", "Payment")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """A version of an order that is now on its way. ``occurred``: microseconds since 1970."""

    order_id: str
    day: date
    status: str
    deleted: bool
    version: int
    occurred: int


class ProbeLeft(Exception):
    """The probe order could not be deleted again; the message is one line that names it."""


class Shop:
    """The database and the API. Every method raises CannotLook."""

    def __init__(self, engine: Engine, api: str, token: str | None) -> None:
        """``api``: the API's URL; ``token``: its admin token, needed only where there is no order yet."""
        self._engine, self._api, self._token = engine, api.rstrip("/"), token
        self._http = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)

    def newest(self) -> Told | None:
        """The order that changed last and can be told to others, as it stands; None when there is none."""
        with self._asking() as connection:
            recent = connection.scalars(
                sa.select(outbox.c.aggregate_id)
                .where(outbox.c.aggregate_type.in_(_ORDER_AGGREGATES))
                .order_by(outbox.c.id.desc())
                .limit(_LOOKED_AT)
            ).all()
            rows = {row.id: row for row in connection.execute(_tellable.where(orders.c.id.in_(set(recent))))}
            row = next((rows[order_id] for order_id in recent if order_id in rows), None)
            if row is None:  # the outbox forgets after a week
                row = connection.execute(_tellable.order_by(orders.c.created_at.desc()).limit(1)).first()
        return None if row is None else _told(row)

    def restate(self, order: Told, at_least_version: int) -> Told:
        """Tells the order's state anew with a higher version; nothing in the shop changes but that number."""
        try:
            restate_order(self._engine, order.order_id, at_least_version)
        except DomainError as gone:
            raise CannotLook(f"order {order.order_id} cannot be told anew: {one_line(gone)}") from None
        except sa.exc.SQLAlchemyError as error:
            raise CannotLook(
                f"the database does not take it: {one_line(getattr(error, 'orig', None) or error)}"
            ) from None
        return self._read(order.order_id)

    def place(self) -> Told:
        """Places an order of one piece through the API."""
        if self._token is None:
            raise CannotLook("there is no order yet, and to delete a probe order MILLRACE_ADMIN_TOKEN is needed")
        users, products = self._ids("users"), self._ids("products")
        if not users or not products:
            raise CannotLook("there is no order yet, nor a catalogue to order from: `millrace migrate --demo-data`")
        why = ""
        for product in products:
            body = {"userId": users[0], "items": [{"productId": product, "quantity": 1}]}
            status, answer = self._call("POST", "/api/orders", body)
            if status == HTTPStatus.CREATED:
                return self._read(str(answer["id"]))
            why = f"{status} {answer.get('title', '')}"
        raise CannotLook(f"the API takes no probe order: {one_line(why)}")

    def delete(self, order: Told) -> Told:
        """Deletes a placed order again. Raises ProbeLeft when that fails."""
        headers = {"Authorization": f"Bearer {self._token}", "X-Admin-Id": "millrace-doctor"}
        try:
            status, answer = self._call("DELETE", f"/admin/orders/{order.order_id}", headers=headers)
        except CannotLook as away:
            raise ProbeLeft(f"order {order.order_id} is still there: {away}") from None
        if status != HTTPStatus.NO_CONTENT:
            why = f"{status} {answer.get('title', '')}"
            raise ProbeLeft(f"order {order.order_id} is still there: the API answers {one_line(why)}")
        return self._read(order.order_id)

    def relayed(self, order: Told) -> bool:
        """Whether nothing of the order waits in the outbox any more."""
        with self._asking() as connection:
            waiting = connection.scalar(
                sa.select(sa.func.count())
                .select_from(outbox)
                .where(outbox.c.aggregate_id == order.order_id, outbox.c.aggregate_type.in_(_ORDER_AGGREGATES))
                .where(outbox.c.processed == sa.false(), outbox.c.dead_at.is_(None))
            )
        return not waiting

    def _read(self, order_id: str) -> Told:
        with self._asking() as connection:
            return _told(connection.execute(sa.select(*_COLUMNS).where(orders.c.id == order_id)).one())

    def _ids(self, what: str) -> list[str]:
        status, answer = self._call("GET", f"/api/{what}?limit=20")
        if status != HTTPStatus.OK:
            raise CannotLook(f"{self._api}/api/{what} answers {status}")
        return [str(entry["id"]) for entry in answer["items"]]

    def _call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        try:
            answer = self._http.request(method, self._api + path, json=body, headers=headers)
            return answer.status, answer.json() if answer.data else {}
        except (urllib3.exceptions.HTTPError, ValueError) as away:
            raise CannotLook(f"the API at {self._api} does not answer: {one_line(away)}") from None

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            if not (unavailable(error) or refused(error)):
                raise
            raise CannotLook(
                f"the database does not answer: {one_line(getattr(error, 'orig', None) or error)}"
            ) from None


_COLUMNS = (
    orders.c.id,
    orders.c.order_date,
    orders.c.status,
    orders.c.deleted_at,
    orders.c.version,
    orders.c.updated_at,
)
# an order made by hand may have no lines; it cannot be told to others
_tellable = sa.select(*_COLUMNS).where(sa.exists().where(order_items.c.order_id == orders.c.id))


def _told(row: Any) -> Told:
    occurred = (row.updated_at - _EPOCH) // timedelta(microseconds=1)
    return Told(row.id, row.order_date, row.status, row.deleted_at is not None, row.version, occurred)
