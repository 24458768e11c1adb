"""``millrace demo``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from services.cli.console import one_line_errors, out, refuse

if TYPE_CHECKING:
    from services.embedded.demo import Supervisor


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("demo", rich_help_panel="Try it")(demo)


def demo(
    data: Annotated[Path | None, typer.Option(help="folder of the demo's data (default: var/demo)")] = None,
    port: Annotated[int | None, typer.Option(help="port of the dashboard and the API (default: PORT, 3000)")] = None,
    clickhouse_port: Annotated[int | None, typer.Option(help="port of ClickHouse (default: 8123)")] = None,
    timezone: Annotated[str | None, typer.Option(help="business time zone (default: BUSINESS_TIMEZONE, UTC)")] = None,
    metrics: Annotated[bool, typer.Option(help="serve Prometheus metrics (ports 9101 to 9105)")] = True,
) -> None:
    """Run the whole pipeline on this machine; Ctrl-C stops it, the data stays.

    Example: millrace demo --port 3100 --timezone Europe/Berlin
    """
    began = time.monotonic()
    with one_line_errors():
        from services.embedded.demo import DemoError, DemoFolder, DemoOptions, Supervisor
        from services.observability.process import StopSignal, stop_on_signals
        from services.settings import (
            AggregatorSettings,
            ApiSettings,
            BusinessSettings,
            DemoSettings,
            ReconcilerSettings,
            RelaySettings,
            SettingsError,
            SinkSettings,
            TransformerSettings,
            load,
        )
        from services.settings.values import known_zone

        settings = load(DemoSettings)
        try:
            zone = str(known_zone(timezone)) if timezone else load(BusinessSettings).business_timezone
        except ValueError as unknown:
            raise SettingsError(f"--timezone {unknown}") from None
        ports = (
            load(RelaySettings).relay_metrics_port,
            load(TransformerSettings).transformer_metrics_port,
            load(SinkSettings).sink_metrics_port,
            load(AggregatorSettings).aggregator_metrics_port,
            load(ReconcilerSettings).verify_metrics_port,
        )
        options = DemoOptions(
            port=port or load(ApiSettings).port,
            clickhouse_port=clickhouse_port or settings.clickhouse_demo_port,
            business_timezone=zone,
            metrics_ports=ports if metrics else (0, 0, 0, 0, 0),
        )
        stop = StopSignal()
        stop_on_signals(stop)
        folder = DemoFolder(data or settings.demo_data)
        out.print(f"millrace demo: starting (data: {folder.root}, logs: {folder.logs})", soft_wrap=True)
        supervisor = Supervisor(folder, options, lambda line: out.print(f"  {line}", soft_wrap=True, markup=False))
        try:
            supervisor.run(stop, lambda demo: _announce(demo, options.port, began))
        except DemoError as cannot:
            raise refuse(str(cannot)) from None
        out.print("millrace demo: stopped; the data stays for the next one")


def _announce(demo: "Supervisor", port: int, began: float) -> None:
    """In one write: who waits for the ready line has the links and commands with it."""
    items = '[{"productId": 101, "quantity": 2, "price": 25000}]'
    body = f'{{"userId": 1, "status": "PENDING", "totalAmount": 50000, "items": {items}}}'
    place = f"curl -X POST http://localhost:{port}/api/orders -H \"Content-Type: application/json\" -d '{body}'"
    delete = (
        f"curl -X DELETE http://localhost:{port}/admin/orders/ORDER_ID "
        f'-H "X-Admin-Id: admin-user-123" -H "Authorization: Bearer {demo.admin_token}"'
    )
    commands = (
        ("a real log  ", "millrace replay data/cdnow_master.txt.gz"),
        ("some load   ", "millrace load --rate 100 --count 2000"),
        ("all exact?  ", "millrace verify"),
        ("who did it? ", "millrace admin actions"),
    )
    lines = (
        f"[green]ready[/green] after {time.monotonic() - began:.1f} s. Ctrl-C stops everything.\n",
        f"  dashboard   [bold]{demo.link}[/bold]",
        f"  the API     [bold]{demo.link}docs[/bold]\n",
        "  an order:",
        f"{escape(place)}\n",
        "  its deletion, by an administrator (the page takes the token too):",
        f"{escape(delete)}\n",
        *(f"  {what}.venv/bin/{command}" for what, command in commands),
    )
    out.print("\n".join(lines), soft_wrap=True)
