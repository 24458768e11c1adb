"""What a comparison found, for people, for programs (``to_json``) and for the repair."""

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.reconciler.state import amount

ORDERS = "orders_analytics"
EXIT_SAME, EXIT_DIFFERENT, EXIT_UNKNOWN = 0, 1, 2


class Kind(StrEnum):
    """In what way two sides differ."""

    MISSING = "missing"
    """ClickHouse lacks an order of the database."""
    STALE = "stale"
    """ClickHouse has an older version of the order."""
    ALTERED = "altered"
    """ClickHouse has the order's version with other content."""
    NEWER = "newer_in_clickhouse"
    """ClickHouse has a version that the database never had, or no longer has since it was restored."""
    GHOST = "ghost"
    """ClickHouse has an order that the database does not know."""
    WRONG_DAY = "wrong_day"
    """ClickHouse has the order under a day that is not its order_date."""
    WRONG_COPY = "wrong_copy"
    """orders_by_user is not what orders_analytics has."""
    WRONG_CUBE = "wrong_cube"
    """A cell of a cube is not the sum of the raw rows."""
    WRONG_VIEW = "wrong_view"
    """A view does not show what its cube has."""
    RELAY_BEHIND = "relay_behind"
    """Events have waited in the outbox for longer than a working relay lets them."""
    AGGREGATOR_BEHIND = "aggregator_behind"
    """Rows have waited for their cubes for longer than a working aggregator lets them."""


@dataclass(frozen=True)
class Difference:
    """One difference. ``where`` is the table or view that is wrong, ``key`` names its row or cell.

    ``expected`` is what the side that is right has, ``found`` what is there instead; None: no such row.
    """

    kind: Kind
    where: str
    key: dict[str, Any]
    expected: dict[str, Any] | None
    found: dict[str, Any] | None
    scope: str = ""
    """Day or bucket of users to recompute; "" where there is none."""

    @property
    def subject(self) -> str:
        """The order or the cell, whatever is wrong with it."""
        if "order_id" in self.key and self.where == ORDERS:
            return str(self.key["order_id"])
        return json.dumps([self.where, self.key], sort_keys=True)


@dataclass
class Report:
    """The outcome of a comparison, or of a repair with the comparisons that followed it."""

    differences: list[Difference] = field(default_factory=list)
    truncated: bool = False
    """There are more differences than were looked into; repair goes on with them."""
    in_flight_orders: set[str] = field(default_factory=set)
    """Orders that differ but are on their way."""
    in_flight_cells: set[str] = field(default_factory=set)
    """Cells that differ but whose rows are on their way; as ``Difference.subject``."""
    orders: int = 0
    """Orders of the database that are not deleted, and the cents and days they amount to."""
    cents: int = 0
    days: int = 0
    seconds: float = 0.0
    mended: list[Difference] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Orders that cannot be mended, and why."""
    unknown: str | None = None
    """Why nothing can be told; None when it can."""

    @property
    def exit_code(self) -> int:
        """0: the same, perhaps but for what is in flight; 1: there are differences; 2: cannot tell."""
        if self.unknown is not None:
            return EXIT_UNKNOWN
        return EXIT_DIFFERENT if self.differences else EXIT_SAME

    @property
    def verdict(self) -> str:
        """same, different or unknown."""
        return ("same", "different", "unknown")[self.exit_code]

    @property
    def by_kind(self) -> dict[str, int]:
        """How many differences of each kind there are."""
        return dict(Counter(difference.kind.value for difference in self.differences))

    def to_json(self) -> str:
        """One object; fields may be added, never renamed or dropped.

        ``verdict`` same | different | unknown, ``exit_code``, ``reason`` (of unknown, else null), ``differences`` and
        ``mended``: lists of {kind, where, key, expected, found}, ``refused`` {order id: why it cannot be mended},
        ``truncated``: there are more than were looked into, ``in_flight`` {orders, cells},
        ``compared`` {orders, amount, days}, ``seconds``. Amounts are strings with two places.
        """
        told = {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "reason": self.unknown,
            "differences": [_told(difference) for difference in self.differences],
            "mended": [_told(difference) for difference in self.mended],
            "refused": self.refused,
            "truncated": self.truncated,
            "in_flight": {"orders": len(self.in_flight_orders), "cells": len(self.in_flight_cells)},
            "compared": {"orders": self.orders, "amount": amount(self.cents), "days": self.days},
            "seconds": round(self.seconds, 3),
        }
        return json.dumps(told, ensure_ascii=False, indent=2)


def _told(difference: Difference) -> dict[str, Any]:
    return {
        "kind": difference.kind.value,
        "where": difference.where,
        "key": difference.key,
        "expected": difference.expected,
        "found": difference.found,
    }
