"""The freshness of a probe: an order's next version followed from its commit into the views.

The newest order is told anew: the same content with a higher version, so no figure of the shop changes. Where there is
no order at all, one is placed through the API and deleted again.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from services.doctor.check import CannotLook
from services.doctor.findings import Finding, failing, ok
from services.doctor.place import Place
from services.doctor.shop import ProbeLeft, Shop, Told
from services.doctor.warehouse import Connecting, Progress, Warehouse, WarehouseAway, asking

PATIENCE_SECONDS: Final = 15.0
PROMISED_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.02


@dataclass
class Arrival:
    """Whether a version is in the views, from one look at ClickHouse after the other.

    The sums cover it when their mark has reached what had come in by the time the row was there: counted in a look
    after one that saw the row, because row and count do not appear in one instant.
    """

    told: Told
    row_seen: bool = False
    rows_to_cover: int | None = None

    def includes(self, now: Progress) -> bool:
        """Takes the next look into account."""
        counted = self.row_seen and now.newest >= self.told.occurred
        if self.rows_to_cover is None and counted:
            self.rows_to_cover = now.inserted
        self.row_seen = self.row_seen or now.version >= self.told.version
        covered = self.rows_to_cover is not None and now.covered >= self.rows_to_cover
        return covered and (self.told.deleted or now.listed > 0)


class Probe:
    """The check. It adds an event and a row for an order that is there already, or two for one of its own."""

    name = "probe"
    needs = ("database", "clickhouse")

    def __init__(
        self,
        shop: Shop,
        connect: Connecting,
        place: Place,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """``patience``: seconds after which the version counts as not arriving."""
        self._shop, self._connect, self._place, self._patience = shop, connect, place, patience
        self._clock, self._pause = clock, pause
        self.seconds = 2 * patience + 15

    def look(self) -> Iterable[Finding]:
        """One line: how long it took, or where it was last seen. Raises CannotLook."""
        try:
            with asking(self._connect) as client:
                warehouse = Warehouse(client)
                order = self._shop.newest()
                if order is None:
                    yield from self._own(warehouse)
                    return
                known = warehouse.progress(order.order_id, order.day, order.status).version
                told = self._shop.restate(order, known)
                yield self._follow(warehouse, told, f"order {told.order_id} told anew")
        except WarehouseAway as away:
            raise CannotLook(f"ClickHouse {away}") from None

    def _own(self, warehouse: Warehouse) -> Iterable[Finding]:
        placed = self._shop.place()
        shown = self._follow(warehouse, placed, "an order of its own")
        try:
            deleted = self._shop.delete(placed)
        except ProbeLeft as left:
            yield shown
            remedy = f"DELETE /admin/orders/{placed.order_id} with the admin token and X-Admin-Id"
            yield failing("probe order", str(left), remedy)
            return
        gone = self._follow(warehouse, deleted, "its deletion")
        yield next((finding for finding in (shown, gone) if finding.remedy), shown)

    def _follow(self, warehouse: Warehouse, told: Told, what: str) -> Finding:
        arrival, began = Arrival(told), self._clock()
        while True:
            now = warehouse.progress(told.order_id, told.day, told.status)
            took = self._clock() - began
            if arrival.includes(now):
                slow = f", slower than the {PROMISED_SECONDS:g} s promised" if took > PROMISED_SECONDS else ""
                return ok("freshness", f"{what} showed {took:.2f} s after its commit{slow}")
            if took > self._patience:
                return self._lost(arrival, what)
            self._pause(_PAUSE_SECONDS)

    def _lost(self, arrival: Arrival, what: str) -> Finding:
        late = f"{what} did not show within {self._patience:g} s: "
        if arrival.row_seen:
            detail, remedy = "its row is in ClickHouse, not in the sums", self._place.restart("aggregator")
        elif self._shop.relayed(arrival.told):
            detail = "it went to Kafka, its row is not in ClickHouse"
            remedy = f"see the lines on lag and connectors; without any, {self._place.restart('transformer')}"
        else:
            detail, remedy = "it waits in the outbox", self._place.restart("relay")
        return failing("freshness", late + detail, remedy)
