"""Compares raw rows with every cube, and cubes with views, inside ClickHouse."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from string import Template
from typing import Any, Literal, NamedTuple

from services.reconciler.orders import BEHIND_SECONDS, LIMIT
from services.reconciler.report import Difference, Kind, Report
from services.reconciler.sources import Sources

SECOND_LOOK_SECONDS = 0.5
_SCOPES = 1_000
_SCOPES_AT_ONCE = 150  # the server binds them: they must fit into a URL


@dataclass(frozen=True)
class Check:
    """Two statements X_expected and X_found of queries.sql that must have the same rows.

    ``scope`` says what their first column is; ``keys`` are the columns that, with a day, name a row.
    """

    name: str
    kind: Kind
    scope: Literal["order_date", "bucket", ""]
    keys: tuple[str, ...] = ()


CUBES = (
    Check("cube_hour", Kind.WRONG_CUBE, "order_date", ("order_hour", "status")),
    Check("cube_product", Kind.WRONG_CUBE, "order_date", ("product_id", "product_name")),
    Check("cube_day", Kind.WRONG_CUBE, "order_date"),
    Check("orders_by_user", Kind.WRONG_COPY, "bucket", ("user_id", "order_id")),
    Check("cube_user", Kind.WRONG_CUBE, "bucket", ("user_id",)),
    Check("cube_bucket", Kind.WRONG_CUBE, "bucket"),
)
VIEWS = (
    Check("daily_sales_mv", Kind.WRONG_VIEW, "order_date"),
    Check("hourly_sales_mv", Kind.WRONG_VIEW, "order_date", ("order_hour",)),
    Check("order_status_mv", Kind.WRONG_VIEW, "order_date", ("status",)),
    Check("product_ranking_mv", Kind.WRONG_VIEW, "order_date", ("product_id", "product_name")),
    Check("user_analytics_mv", Kind.WRONG_VIEW, "bucket", ("user_id",)),
    Check("all_time_stats", Kind.WRONG_VIEW, ""),
    Check("today_stats", Kind.WRONG_VIEW, ""),
)


class Mark(NamedTuple):
    """The aggregator's bookkeeping of one day or bucket; times are seconds since 1970 by ClickHouse's clock."""

    rows: int
    last_at: float
    covered: int
    began: float


Marks = dict[tuple[str, str], Mark]
"""By "order_date" or "bucket", and the day or the bucket."""


def compare_cubes(sources: Sources, report: Report, pause: Callable[[float], object]) -> None:
    """Adds the cells that differ, and how many are in flight, to the report.

    A cell that differs is looked at a second time. It is in flight when it changed in between, or when its day or
    bucket has rows that the sums do not cover, or got one in the last seconds. Rows that wait for too long are named.
    """
    first = {check: _differing(sources, check, report) for check in (*CUBES, *VIEWS)}
    if not any(first.values()):
        return
    pause(SECOND_LOOK_SECONDS)
    before = _bookkeeping(sources)
    second = {check: _differing(sources, check, report) for check, found in first.items() if found}
    after = _bookkeeping(sources)
    now = float(sources.ask("clock")[0][0])
    moving: set[tuple[str, str]] = set()
    for check, differences in second.items():
        for difference in differences:
            place = (check.scope, difference.scope)
            if check in CUBES and _moves(before.get(place), after.get(place), now, sources.in_flight_seconds):
                moving.add(place)
                report.in_flight_cells.add(difference.subject)
            elif difference in first[check]:
                report.differences.append(difference)
            else:
                report.in_flight_cells.add(difference.subject)
    report.differences.extend(_behind(sources, moving, after, now))


def _moves(before: Mark | None, after: Mark | None, now: float, in_flight_seconds: float) -> bool:
    if after is None or before != after:
        return before != after
    uncovered = after.rows not in (0, after.covered)  # 0: a mark made by hand, of which the aggregator never hears
    return uncovered or abs(now - after.last_at) < in_flight_seconds


def _differing(sources: Sources, check: Check, report: Report) -> list[Difference]:
    """The cells of a check that differ; marks the report as truncated where there are too many to look into."""
    sides = {side: sources.queries[f"{check.name}_{side}"] for side in ("expected", "found")}
    scopes = [str(row[0]) for row in sources.ask_sql(Template(sources.queries["differing_scopes"]).substitute(sides))]
    if not scopes:
        return []
    sql = Template(sources.queries["differing_rows"]).substitute(sides)
    rows: list[tuple[Any, ...]] = []
    for start in range(0, min(len(scopes), _SCOPES), _SCOPES_AT_ONCE):
        chunk = scopes[start : start + _SCOPES_AT_ONCE]
        rows += sources.ask_sql(sql, scopes=chunk, limit=LIMIT)
        if len(rows) >= LIMIT:
            break
    report.truncated |= len(scopes) > _SCOPES or len(rows) >= LIMIT
    return _paired(check, [(json.loads(line, parse_float=str), bool(only_expected)) for line, only_expected in rows])


def _paired(check: Check, rows: list[tuple[dict[str, Any], bool]]) -> list[Difference]:
    """The rows of both sides, those of one cell together."""
    cells: dict[tuple[str, ...], dict[bool, dict[str, Any]]] = {}
    for row, only_expected in rows:
        cell = tuple(str(row[column]) for column in ("scope", *check.keys))
        numbers = {name: value for name, value in row.items() if name not in ("scope", *check.keys)}
        cells.setdefault(cell, {})[only_expected] = numbers
    return [
        Difference(
            kind=check.kind,
            where=check.name,
            key=dict(zip((check.scope, *check.keys), cell, strict=True)) if check.scope else {},
            expected=sides.get(True),
            found=sides.get(False),
            scope=cell[0],
        )
        for cell, sides in cells.items()
    ]


def _bookkeeping(sources: Sources) -> Marks:
    return {
        (scope, str(row[0])): Mark(int(row[1]), float(row[2]), int(row[3]), float(row[4]))
        for scope, name in (("order_date", "marks_by_day"), ("bucket", "marks_by_bucket"))
        for row in sources.ask(name)
    }


def _behind(sources: Sources, moving: set[tuple[str, str]], marks: Marks, now: float) -> Iterator[Difference]:
    """The days and buckets whose rows no working aggregator would have left for so long."""
    uncovered = {place for place in moving if marks[place].rows != marks[place].covered}
    waiting = {place: marks[place].last_at for place in uncovered}
    days = sorted(scope for kind, scope in uncovered if kind == "order_date")
    if days:  # more rows may have come in since: the oldest one tells
        found = sources.ask("oldest_uncovered_by_day", scopes=days[:_SCOPES_AT_ONCE])
        waiting |= {("order_date", str(day)): float(oldest) for day, oldest in found}
    late = {place: now - since for place, since in waiting.items() if now - since > BEHIND_SECONDS}
    if late:
        yield Difference(
            kind=Kind.AGGREGATOR_BEHIND,
            where="cubes",
            key={},
            expected=None,
            found={
                "days": sum(kind == "order_date" for kind, _ in late),
                "buckets": sum(kind == "bucket" for kind, _ in late),
                "seconds": round(max(late.values())),
                "advice": "is the aggregator running? `millrace aggregator`; its log says why not",
            },
        )
