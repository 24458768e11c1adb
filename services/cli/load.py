"""``millrace load``."""

from typing import Annotated

import typer

from services.cli.console import EXIT_DIFFERENT, err, one_line_errors, out, refuse


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("load", rich_help_panel="Try it")(load_orders)


def load_orders(
    rate: Annotated[float, typer.Option(help="orders a second")] = 50.0,
    count: Annotated[int, typer.Option(help="orders in all")] = 1000,
    users: Annotated[int, typer.Option(help="how many of the shop's users order")] = 10,
    url: Annotated[str | None, typer.Option(help="the API (default: http://localhost:PORT)")] = None,
    patience: Annotated[float, typer.Option(help="seconds to wait for the last order to show")] = 60.0,
    json_output: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Place orders at a steady rate; report POST latency, and freshness by counting what the views include.

    Latency counts from when an order was due, so a stalled API is not hidden. Exit code 1 when an order was
    refused or does not show.

    Example: millrace load --rate 200 --count 5000 --users 20
    """
    with one_line_errors():
        from zoneinfo import ZoneInfo

        import simplejson
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        from services.clients import clickhouse
        from services.load import LoadError, Plan, run_load
        from services.settings import AnalyticsReaderSettings, ApiSettings, BusinessSettings, load

        settings, zone = load(AnalyticsReaderSettings), load(BusinessSettings).business_timezone
        user, password = settings.reader
        views = clickhouse.connect(
            settings.url,
            user=user,
            password=password,
            database=settings.clickhouse_database,
            session_timezone=zone,
        )
        plan = Plan(url or load(ApiSettings).link, rate, count, users, patience)
        columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=err, disable=json_output, transient=True) as bars:
            answered, shown = bars.add_task("answered", total=count), bars.add_task("shown", total=count)

            def progress(answers: int, views_show: int) -> None:
                bars.update(answered, completed=answers)
                bars.update(shown, completed=views_show)

            try:
                report = run_load(plan, ZoneInfo(zone), views, progress)
            except LoadError as cannot:
                raise refuse(str(cannot)) from None
        figures = report.figures()
        if json_output:
            print(simplejson.dumps(figures))
        else:
            _show(figures)
    if not report.complete:
        raise typer.Exit(EXIT_DIFFERENT)


def _show(figures: dict[str, object]) -> None:
    out.print(
        f"{figures['acknowledged']:,} of {figures['sent']:,} orders acknowledged "
        f"({figures['orders_per_second']} a second), {figures['shown']:,} shown"
    )
    for why, times in dict(figures["refused"] or {}).items():  # type: ignore[call-overload]  # plain values
        out.print(f"  refused: {times} x {why}")
    for name, label, unit in (("post_ms", "POST", "ms"), ("freshness_s", "freshness", "s")):
        shares = "  ".join(f"{share} {figures[f'{name}_{share}']} {unit}" for share in ("p50", "p90", "p99", "max"))
        out.print(f"  {label:<9} {shares}")
