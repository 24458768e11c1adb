"""The property must notice what it is there for: every bug below, put in on purpose, turns it red."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.events import AnalyticsRow
from tests.property.analytics import Variant
from tests.property.laboratory import ViewsDiffer, laboratory
from tests.property.traps import TRAPS
from tests.support.action_shop import ActionShop
from tests.support.clickhouse import Front

_WATERMARK = Variant(
    queries={
        "dirty_days": (
            "WHERE i.inserted != c.covered\n",
            "WHERE i.last_ms > (SELECT toUnixTimestamp64Milli(max(began)) FROM cube_day)\n",
        )
    },
    recheck_after=(),
)


def _always_first(row: AnalyticsRow) -> AnalyticsRow:
    return row.model_copy(update={"version": 1})


BUGS = {
    "the table ignores the version": (
        "the old state arrives last",
        Variant(schema={"ReplacingMergeTree(version)": "ReplacingMergeTree"}),
    ),
    "every row says version 1": ("a deletion arrives before its order", Variant(row=_always_first)),
    "one global watermark": ("killed when one day was done", _WATERMARK),
    "one global watermark, within a millisecond": ("a row comes in within the millisecond of a recompute", _WATERMARK),
    "no rechecks of new rows": ("rows seen after their count", Variant(recheck_after=())),
    "no rechecks of changes": ("a change seen after its count", Variant(recheck_after=())),
    "vanished hours stay": (
        "all that a day had is gone",
        Variant(queries={"append_hours": ("HAVING (count_now", "HAVING count_now > 0 AND (count_now")}),
    ),
    "vanished products stay": (
        "a cancelled order leaves its hour, its product and its user",
        Variant(queries={"append_products": ("HAVING (quantity_now", "HAVING quantity_now > 0 AND (quantity_now")}),
    ),
    "vanished users stay": (
        "a cancelled order leaves its hour, its product and its user",
        Variant(queries={"append_users": ("HAVING (count_now", "HAVING count_now > 0 AND (count_now")}),
    ),
    "generations by the clock alone": (
        "the clock is set back",
        Variant(queries={"append_days": ("greatest({began:UInt64}, max(old_gen) + 1)", "{began:UInt64}")}),
    ),
    "lines counted as orders": (
        "the same product in two lines",
        Variant(queries={"append_products": ("countIf(nth_line = 1)", "count()")}),
    ),
    "averages truncated": (
        "averages with half a cent",
        Variant(schema={"avg_half_up": "avg_cut_off", "toInt128(total * 100) + toInt128(n)": "toInt128(total * 100)"}),
    ),
    "hours of the zone's other offset": (
        "both hours of the long night",
        Variant(
            queries={"append_hours": ("AS order_hour, status,", "+ if(toHour(t) = 2, 3600, 0) AS order_hour, status,")}
        ),
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_deliberate_bug_is_caught_by_its_trap(bug: str, front: Front, shop: ActionShop, tmp_path: Path) -> None:
    trap, variant = BUGS[bug]
    with laboratory(front, shop, tmp_path, variant) as broken, pytest.raises(ViewsDiffer):
        broken.check(TRAPS[trap])
