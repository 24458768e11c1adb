"""Commands that make, fill, compare and mend data: migrate, replay, verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.console import EXIT_DIFFERENT, err, one_line_errors, out, refuse

if TYPE_CHECKING:
    from rich.progress import Progress

    from services.replay import DamagedLine

_SHOWN_DAMAGE = 20


def register(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    app.command("replay", rich_help_panel="Try it")(replay)
    app.command("migrate", rich_help_panel="Operate")(migrate)
    app.command("verify", rich_help_panel="Operate")(verify)


def migrate(
    demo_data: Annotated[bool, typer.Option("--demo-data", help="add the demo's users and products")] = False,
) -> None:
    """Bring the relational and the ClickHouse schema to their newest revision; doing it twice changes nothing."""
    with one_line_errors():
        from services.clients import clickhouse, clickhouse_schema, database, relational_schema
        from services.domain.catalogue import load_catalogue
        from services.settings import BusinessSettings, ClickHouseSettings, DatabaseSettings, load

        zone = load(BusinessSettings).business_timezone
        engine = database.connect(load(DatabaseSettings))
        revision = relational_schema.migrate(engine, zone)
        out.print(f"relational schema: at revision {revision}")
        if demo_data:
            out.print(f"catalogue: {load_catalogue(engine)} users and products added")
        settings = load(ClickHouseSettings)
        client = clickhouse.connect(
            settings.url,
            user=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            database=settings.clickhouse_database,
        )
        applied = clickhouse_schema.migrate_clickhouse(client, zone)
        out.print(f"ClickHouse schema: {', '.join(applied) if applied else 'nothing to apply'}")


def replay(
    file: Annotated[Path, typer.Argument(help="purchase log: customer YYYYMMDD count dollars; plain or .gz")],
    json_output: Annotated[bool, typer.Option("--json", help="print the outcome as JSON")] = False,
) -> None:
    """Import a purchase log as paid orders of their day; replaying it again changes nothing.

    A damaged line is named, the rest is imported, and the exit code is 1.

    Example: millrace replay data/cdnow_master.txt.gz
    """
    with one_line_errors():
        from zoneinfo import ZoneInfo

        import simplejson

        from services.clients import database, relational_schema
        from services.replay import LogError, RelayStalled, open_log
        from services.replay import replay as replay_log
        from services.settings import BusinessSettings, DatabaseSettings, load

        zone = load(BusinessSettings).business_timezone
        engine = database.connect(load(DatabaseSettings))
        relational_schema.require_current(engine, zone)
        try:
            log = open_log(file)
        except LogError as unreadable:
            raise refuse(str(unreadable)) from None
        with _bar(json_output) as bar:
            task = bar.add_task("importing", total=len(log.lines), note="")
            try:
                outcome = replay_log(
                    engine,
                    ZoneInfo(zone),
                    log,
                    progress=lambda lines: bar.update(task, advance=lines, note=""),
                    held_back=lambda pending: bar.update(task, note=f"waiting for the relay ({pending:,} events)"),
                )
            except RelayStalled as stalled:
                raise refuse(str(stalled)) from None
            bar.update(task, completed=len(log.lines), note="")
        _tell(outcome.damaged[:_SHOWN_DAMAGE], len(outcome.damaged))
        rate = outcome.stored / outcome.seconds if outcome.seconds else 0.0
        if json_output:
            figures = {
                "stored": outcome.stored,
                "known": outcome.known,
                "damaged": [{"line": line.number, "why": line.why} for line in outcome.damaged],
                "seconds": round(outcome.seconds, 2),
                "orders_per_second": round(rate, 1),
            }
            print(simplejson.dumps(figures))
        else:
            out.print(
                f"{outcome.stored:,} orders imported in {outcome.seconds:.1f} s ({rate:,.0f} a second), "
                f"{outcome.known:,} were there already, {len(outcome.damaged):,} lines damaged"
            )
    if outcome.damaged:
        raise typer.Exit(EXIT_DIFFERENT)


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="mend what differs; the database is always right")] = False,
    wait: Annotated[float, typer.Option(help="with --repair: seconds to wait for the outcome", min=0)] = 60.0,
    json_output: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Compare database, ClickHouse rows, cubes and views; orders that are on their way are not differences.

    Exit code 0: the same; 1: differences, each named; 2: it cannot tell.

    Example: millrace verify --repair
    """
    with one_line_errors():
        from services import reconciler

        report = reconciler.verify(mend=repair, wait_seconds=wait)
        if json_output:
            print(report.to_json())
        else:
            reconciler.render(report, out, repairing=repair)
    raise typer.Exit(report.exit_code)


def _bar(quiet: bool) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=err,
        disable=quiet,
        transient=True,
    )


def _tell(damaged: "list[DamagedLine]", count: int) -> None:
    for line in damaged:
        err.print(f"line {line.number}: {line.why}", markup=False, soft_wrap=True)
    if count > len(damaged):
        err.print(f"and {count - len(damaged)} more damaged lines")
