"""A report for people: one line a difference, twenty at most, and what to do next."""

from typing import Any

from rich.console import Console
from rich.markup import escape

from services.reconciler.report import Difference, Report
from services.reconciler.state import amount

SHOWN = 20
_IN_THE_KEY = ("order_id", "order_date")


def render(report: Report, console: Console, repairing: bool = False) -> None:
    """Prints the report. ``repairing``: this was a repair, so it is not offered as the next step."""
    if report.unknown is not None:
        console.print(f"[yellow]cannot tell:[/yellow] {escape(report.unknown)}", soft_wrap=True)
        return
    _list(console, "mended", report.mended)
    _list(console, "different", report.differences)
    for subject, why in list(report.refused.items())[:SHOWN]:
        console.print(f"  cannot mend {escape(subject)}: {escape(why)}", soft_wrap=True)
    compared = f"{report.orders:,} orders, {amount(report.cents)}, {report.days:,} days, in {report.seconds:.1f} s"
    if report.differences:
        more = " (more were not looked into)" if report.truncated else ""
        console.print(f"[red]{len(report.differences):,} differences{more}[/red]; {compared}")
        if not repairing:
            console.print("`millrace verify --repair` mends them; the relational database is taken to be right")
    else:
        console.print(f"[green]the same[/green]: {compared}")
    if report.in_flight_orders or report.in_flight_cells:
        orders, sums = len(report.in_flight_orders), len(report.in_flight_cells)
        console.print(f"on their way, so not judged: {orders:,} orders, {sums:,} sums")


def _list(console: Console, heading: str, differences: list[Difference]) -> None:
    if differences:
        console.print(f"{heading}:")
    for difference in differences[:SHOWN]:
        console.print(f"  {escape(describe(difference))}", soft_wrap=True)
    if len(differences) > SHOWN:
        console.print(f"  and {len(differences) - SHOWN:,} more (--json names all)")


def describe(difference: Difference) -> str:
    """One line: kind, where, key, and of both sides what is not equal."""
    key = ", ".join(f"{name} {value}" for name, value in difference.key.items())
    heading = (
        f"{difference.kind.value} in {difference.where}: {key}"
        if key
        else f"{difference.kind.value} in {difference.where}"
    )
    expected, found = difference.expected, difference.found
    if expected is None and found is None:
        return heading
    if expected is None or found is None:
        told = _facts(expected or found or {})
        return f"{heading}; {'must not be' if expected is None else 'is not there'}: {told}"
    names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    return f"{heading}; is {_facts(found, names)}; must be {_facts(expected, names)}"


def _facts(facts: dict[str, Any], names: list[str] | None = None) -> str:
    wanted = [name for name in facts if name not in _IN_THE_KEY] if names is None else names
    return ", ".join(f"{name} {_short(facts.get(name))}" for name in wanted)


def _short(value: Any) -> str:
    text = "none" if value in ("", None) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
