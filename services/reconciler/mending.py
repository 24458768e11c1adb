"""Mends what a comparison named. The database is right: its orders are told again, and what contradicts it is removed.

Safe beside traffic. An order is told by ``restate_order``, under its lock and with a version above all that ClickHouse
has, so it wins against whatever is on its way. A row is removed only when the database, asked at that moment, does not
know the order or has it under another day, which never changes; and cubes are recomputed by the aggregator.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from services.clients.recompute import request_buckets, request_days, request_users
from services.domain.errors import DomainError, NotFound
from services.domain.repair import restate_order
from services.reconciler import relational
from services.reconciler.report import Difference, Kind
from services.reconciler.sources import Sources
from services.reconciler.state import OrderState

T = TypeVar("T")

HIGHEST_VERSION = 2**63 - 2
"""What orders.version holds, less one for the next; a higher one in ClickHouse is not an order's but a hand's."""
_AT_ONCE = 2_000  # 60 bytes each, in a statement of at most 256 KiB
_IN_A_URL = 50
_RESTATED = (Kind.MISSING, Kind.STALE, Kind.ALTERED, Kind.NEWER, Kind.WRONG_DAY)


@dataclass
class Plan:
    """What to do about a list of differences."""

    restate: dict[str, int] = field(default_factory=dict)
    """Order id to the highest version ClickHouse has of it."""
    remove: list[Difference] = field(default_factory=list)
    """Raw rows that must not be."""
    copy: list[Difference] = field(default_factory=list)
    """Rows of the copy in user order that are not as the raw rows."""
    recompute: list[Difference] = field(default_factory=list)
    """Cells that are not what the raw rows add up to."""
    unblock: bool = False
    """Whether generations that none can follow may be what keeps the aggregator from finishing."""


def plan(differences: Iterable[Difference]) -> Plan:
    """Sorts differences by what mends them. Those that only time or a person mends are left out."""
    made = Plan()
    copies: list[Difference] = []
    for difference in differences:
        version = int(difference.found["version"]) if difference.found and "version" in difference.found else 0
        if difference.kind in _RESTATED:
            known = made.restate.get(difference.subject, 0)
            made.restate[difference.subject] = max(known, version if version <= HIGHEST_VERSION else 0)
        if difference.kind in (Kind.GHOST, Kind.WRONG_DAY) or (
            difference.kind is Kind.NEWER and version > HIGHEST_VERSION
        ):
            made.remove.append(difference)
        elif difference.kind is Kind.WRONG_COPY:
            copies.append(difference)
        elif difference.kind is Kind.WRONG_CUBE:
            made.recompute.append(difference)
        elif difference.kind is Kind.AGGREGATOR_BEHIND:
            made.unblock = True
    mended_first = made.restate.keys() | {difference.subject for difference in made.remove}
    made.copy = [copy for copy in copies if copy.key["order_id"] not in mended_first]
    return made


def mend(sources: Sources, differences: Sequence[Difference]) -> dict[str, str]:
    """Mends what it can; returns why not, by subject, for orders that cannot be told."""
    todo = plan(differences)
    refused: dict[str, str] = {}
    for chunk in _chunks(todo.remove, _AT_ONCE):
        _remove(sources, chunk)
    for order_id, version in todo.restate.items():
        try:
            restate_order(sources.engine, order_id, version)
        except NotFound:
            continue  # deleted by hand since: the next comparison calls it a ghost
        except (DomainError, ValueError) as unfit:
            refused[order_id] = " ".join(str(unfit).split())
    for chunk in _chunks(todo.copy, _AT_ONCE):
        _copy(sources, chunk)
    if todo.recompute or todo.unblock:
        for (cube,) in sources.ask("unbeatable"):
            sources.run(f"delete_unbeatable_{cube}")
    _recompute(sources, todo.recompute)
    return refused


def _remove(sources: Sources, rows: Sequence[Difference]) -> None:
    """Removes rows from both raw tables and has their sums made anew, if the database still contradicts them."""
    with sources.database() as connection:
        known = relational.find_orders(connection, [row.subject for row in rows])
    wrong = [row for row in rows if row.kind is Kind.NEWER or _contradicted(row, known)]
    if not wrong:
        return
    days = [date.fromisoformat(row.scope) for row in wrong]
    ids = [row.subject for row in wrong]
    users = [str(row.found["user_id"]) for row in wrong if row.found]
    sources.run("delete_orders", rows=tuple(zip(days, ids, strict=True)))
    _recopy(sources, users, ids)
    _request(sources, days, (), users)


def _contradicted(row: Difference, known: dict[str, OrderState]) -> bool:
    order = known.get(row.subject)
    return order is None or order.order_date.isoformat() != row.scope


def _copy(sources: Sources, rows: Sequence[Difference]) -> None:
    """Makes the copies in user order anew from the raw rows."""
    users, ids = [row.key["user_id"] for row in rows], [row.key["order_id"] for row in rows]
    _recopy(sources, users, ids)
    _request(sources, (), (int(row.scope) for row in rows), ())


def _recopy(sources: Sources, users: list[str], ids: list[str]) -> None:
    sources.run("delete_copies", rows=tuple(zip(users, ids, strict=True)), users=users)
    sources.run("copy_orders", ids=tuple(ids))


def _recompute(sources: Sources, cells: Sequence[Difference]) -> None:
    """Asks the aggregator for the days and buckets of these cells."""
    days = [date.fromisoformat(cell.scope) for cell in cells if "order_date" in cell.key]
    _request(sources, days, (int(cell.scope) for cell in cells if "bucket" in cell.key), ())


def _request(sources: Sources, days: Iterable[date], buckets: Iterable[int], users: Iterable[str]) -> None:
    """Has the sums of these days, buckets and users made anew."""
    for some_days in _chunks(sorted(set(days)), _IN_A_URL):
        request_days(sources.clickhouse, some_days)
    for some_buckets in _chunks(sorted(set(buckets)), _IN_A_URL):
        request_buckets(sources.clickhouse, some_buckets)
    for some_users in _chunks(sorted(set(users)), _IN_A_URL):
        request_users(sources.clickhouse, some_users)


def _chunks(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (things[start : start + size] for start in range(0, len(things), size))
