"""A report for people: a line a finding, and below a failing one what to do."""

from rich.console import Console
from rich.markup import escape

from services.doctor.findings import Finding, Report, State

_COLOUR = {State.OK: "green", State.FAILING: "red", State.UNKNOWN: "yellow", State.LEFT_OUT: "dim"}
_MARK = {State.OK: "ok", State.FAILING: "failing", State.UNKNOWN: "cannot tell", State.LEFT_OUT: "left out"}

_MARK_WIDTH = max(map(len, _MARK.values()))


def render(report: Report, console: Console) -> None:
    """Prints the report and one line that sums it up."""
    console.print(f"[bold]{escape(report.examined)}[/bold]", soft_wrap=True)
    findings = list(report.findings())
    width = max((len(finding.subject) for finding in findings), default=0)
    for finding in findings:
        mark = f"[{_COLOUR[finding.state]}]{_MARK[finding.state]:<{_MARK_WIDTH}}[/]"
        console.print(f"{mark}  {escape(f'{finding.subject:<{width}}')}  {escape(finding.detail)}", soft_wrap=True)
        if finding.remedy:
            console.print(f"{'':<{_MARK_WIDTH}}  → {escape(finding.remedy)}", soft_wrap=True)
    console.print(_summary(report), soft_wrap=True)


def _summary(report: Report) -> str:
    counts = {state: sum(finding.state is state for finding in report.findings()) for state in State}
    took = f"in {report.seconds:.1f} s"
    if report.state is State.FAILING:
        return f"[red]{counts[State.FAILING]} failing[/red], {counts[State.OK]} ok, {took}"
    if report.state is State.UNKNOWN:
        return f"[yellow]nothing fails, but {counts[State.UNKNOWN]} cannot be told[/yellow], {took}"
    return f"[green]all is well[/green]: {counts[State.OK]} ok, {took}"


def amiss(report: Report) -> list[Finding]:
    """What keeps the report from being well, for a line while waiting."""
    return [finding for finding in report.findings() if finding.state in (State.FAILING, State.UNKNOWN)]
