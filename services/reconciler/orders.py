"""Compares the relational orders with ClickHouse's raw rows: by day, then by order in the days that differ."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice

from services.clients.database import database_now
from services.reconciler import relational
from services.reconciler.report import ORDERS, Difference, Kind, Report
from services.reconciler.sources import Sources
from services.reconciler.state import NOTHING, Digest, OrderState

LIMIT = 10_000
"""So many differing orders are looked into in one comparison; a repair goes on with the rest in its next one."""
BEHIND_SECONDS = 60.0
"""An event that the relay, or a row that the aggregator, has not taken for so long is not merely on its way."""
_ORDERS_A_CHUNK = 50_000
_DETAILS_A_CHUNK = 500


def compare_orders(sources: Sources, report: Report) -> None:
    """Adds the totals, the differing orders and those in flight to the report."""
    with sources.database() as connection:
        started = database_now(connection)
    theirs = sources.day_digests()
    with sources.database() as connection:
        ours = relational.day_digests(connection)
        waiting = relational.waiting_since(connection, started - timedelta(seconds=BEHIND_SECONDS))
    report.orders, report.cents, report.days = _total(ours)
    if waiting is not None:
        report.differences.append(_relay_behind(*waiting))
    differing = sorted(day for day in ours.keys() | theirs.keys() if ours.get(day) != theirs.get(day))
    candidates: set[str] = set()
    for days in _chunks(differing, ours, theirs):
        candidates |= _differing_orders(sources, days)
        if len(candidates) > LIMIT:
            report.truncated = True
            break
    _look_into(sources, sorted(candidates)[:LIMIT], differing, started, report)


def _total(digests: dict[date, Digest]) -> tuple[int, int, int]:
    return sum(d.orders for d in digests.values()), sum(d.cents for d in digests.values()), len(digests)


def _chunks(days: list[date], *sides: dict[date, Digest]) -> Iterator[list[date]]:
    """The days in groups of about _ORDERS_A_CHUNK orders, so that memory stays bounded."""
    chunk: list[date] = []
    orders = 0
    for day in days:
        chunk.append(day)
        orders += max(side.get(day, NOTHING).orders for side in sides)
        if orders >= _ORDERS_A_CHUNK:
            yield chunk
            chunk, orders = [], 0
    if chunk:
        yield chunk


def _differing_orders(sources: Sources, days: Sequence[date]) -> set[str]:
    """Ids of the orders of these days whose digests differ."""
    theirs = sources.order_digests(days)
    differing: set[str] = set()
    with sources.database() as connection:
        for day, order_id, digest in relational.order_digests(connection, days):
            if theirs.pop((day, order_id), None) != digest:
                differing.add(order_id)
    return differing | {order_id for _, order_id in theirs}


def _look_into(
    sources: Sources, order_ids: Sequence[str], days: Sequence[date], started: datetime, report: Report
) -> None:
    """Reads the orders anew on both sides, and names in what they differ unless they are on their way."""
    since = started - timedelta(seconds=sources.in_flight_seconds)
    remaining = iter(order_ids)
    while chunk := list(islice(remaining, _DETAILS_A_CHUNK)):
        theirs = sources.find_orders(chunk, days)
        with sources.database() as connection:
            ours = relational.find_orders(connection, chunk)
            moving = relational.in_flight(connection, chunk, since)
        for order_id in chunk:
            found = classify(ours.get(order_id), theirs.get(order_id, []))
            if found and order_id in moving:
                report.in_flight_orders.add(order_id)
            else:
                report.differences.extend(found)


def classify(ours: OrderState | None, theirs: Sequence[OrderState]) -> list[Difference]:
    """In what ClickHouse's rows of one order, at most one a day, differ from the database's order (None: unknown)."""
    if ours is None:
        return [_difference(Kind.GHOST, None, row) for row in theirs if not row.deleted]
    elsewhere = [row for row in theirs if row.order_date != ours.order_date and not row.deleted]
    differences = [_difference(Kind.WRONG_DAY, ours, row) for row in elsewhere]
    here = next((row for row in theirs if row.order_date == ours.order_date), None)
    kind = _kind(ours, here)
    if kind is Kind.MISSING and elsewhere:
        return differences  # it is not missing, it is in the wrong place
    return differences + ([_difference(kind, ours, here)] if kind else [])


def _kind(ours: OrderState, here: OrderState | None) -> Kind | None:
    if ours.deleted and (here is None or here.deleted):
        return None
    if here is None:
        return Kind.MISSING
    if here == ours:
        return None
    if here.version != ours.version:
        return Kind.NEWER if here.version > ours.version else Kind.STALE
    return Kind.ALTERED


def _difference(kind: Kind, ours: OrderState | None, theirs: OrderState | None) -> Difference:
    known = theirs or ours
    if known is None:
        raise ValueError("a difference needs at least one side")
    day = known.order_date.isoformat()
    return Difference(
        kind=kind,
        where=ORDERS,
        key={"order_id": known.order_id, "order_date": day},
        expected=None if ours is None else ours.facts(),
        found=None if theirs is None else theirs.facts(),
        scope=day,
    )


def _relay_behind(events: int, oldest: datetime) -> Difference:
    return Difference(
        kind=Kind.RELAY_BEHIND,
        where="outbox",
        key={},
        expected=None,
        found={
            "events": events,
            "oldest": oldest.isoformat(),
            "advice": "is the relay running? `millrace relay`; its log says why not",
        },
    )
