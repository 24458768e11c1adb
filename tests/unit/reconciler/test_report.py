"""A report as people and programs read it."""

from __future__ import annotations

import io
import json

from rich.console import Console

from services.reconciler.render import describe, render
from services.reconciler.report import Difference, Kind, Report


def _altered(number: int) -> Difference:
    return Difference(
        kind=Kind.ALTERED,
        where="orders_analytics",
        key={"order_id": f"o{number}", "order_date": "2024-05-06"},
        expected={"status": "PENDING", "total_amount": "1.00"},
        found={"status": "COMPLETED", "total_amount": "1.00"},
        scope="2024-05-06",
    )


def _printed(report: Report) -> str:
    out = io.StringIO()
    render(report, Console(file=out, width=200))
    return out.getvalue()


def test_exit_codes() -> None:
    """0 same, also with something in flight; 1 different; 2 cannot tell, whatever was found before."""
    assert Report(in_flight_orders={"o"}).exit_code == 0
    assert Report(differences=[_altered(1)]).exit_code == 1
    assert Report(differences=[_altered(1)], unknown="ClickHouse does not answer").exit_code == 2


def test_json_form() -> None:
    """What programs rely on."""
    report = Report(differences=[_altered(1)], orders=2, cents=123456, days=1, in_flight_cells={"x"}, seconds=0.12345)
    assert json.loads(report.to_json()) == {
        "verdict": "different",
        "exit_code": 1,
        "reason": None,
        "differences": [
            {
                "kind": "altered",
                "where": "orders_analytics",
                "key": {"order_id": "o1", "order_date": "2024-05-06"},
                "expected": {"status": "PENDING", "total_amount": "1.00"},
                "found": {"status": "COMPLETED", "total_amount": "1.00"},
            }
        ],
        "mended": [],
        "refused": {},
        "truncated": False,
        "in_flight": {"orders": 0, "cells": 1},
        "compared": {"orders": 2, "amount": "1234.56", "days": 1},
        "seconds": 0.123,
    }


def test_only_what_differs_is_told() -> None:
    """One line: is, must be."""
    assert describe(_altered(7)) == (
        "altered in orders_analytics: order_id o7, order_date 2024-05-06; is status COMPLETED; must be status PENDING"
    )


def test_twenty_are_listed_and_the_rest_counted() -> None:
    """A wiped table must not scroll the summary away."""
    text = _printed(Report(differences=[_altered(number) for number in range(1023)]))
    assert text.count("altered in") == 20
    assert "and 1,003 more" in text
    assert "1,023 differences" in text
    assert "--repair" in text


def test_markup_in_ids_is_shown_as_text() -> None:
    """Ids come from people."""
    difference = Difference(Kind.GHOST, "orders_analytics", {"order_id": "[red]x[/red]"}, None, {"version": 1})
    assert "[red]x[/red]" in _printed(Report(differences=[difference]))


def test_cannot_tell_says_why() -> None:
    """In one line."""
    assert _printed(Report(unknown="ClickHouse does not answer")) == "cannot tell: ClickHouse does not answer\n"
