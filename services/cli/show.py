"""Commands that show things: the settings, and ClickHouse's answers."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.console import err, one_line_errors, out

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def register(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    app.command("settings", rich_help_panel="Operate")(settings)
    app.command("sql", rich_help_panel="Operate")(sql)


def settings(json_output: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """List every setting with its value, where that comes from, its default and what it means."""
    import simplejson
    from rich.table import Table

    from services.settings import describe

    rows = describe()
    if json_output:
        print(simplejson.dumps([vars(row) for row in rows]))
        return
    table = Table("setting", "value", "from", "default", "meaning", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.name, row.value, row.source, row.default, row.meaning)
    out.print(table)


def sql(
    query: Annotated[
        str | None, typer.Argument(help="one statement; none opens a shell, or reads standard input")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="as the writing user; the reading one is the default")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="answer with one JSON object a line")] = False,
) -> None:
    """Ask ClickHouse. Times are the shop's: the session's zone is the business zone.

    Example: millrace sql "SELECT * FROM daily_sales_mv ORDER BY order_date DESC LIMIT 5"
    """
    with one_line_errors():
        client = _client(write)
        form = "JSONEachRow" if json_output else "PrettyCompactMonoBlock"
        if query is None and sys.stdin.isatty():
            _shell(client, form)
            return
        _answer(client, query if query is not None else sys.stdin.read(), form)


def _client(write: bool) -> "Client":
    from services.clients import clickhouse
    from services.settings import AnalyticsReaderSettings, BusinessSettings, load

    known = load(AnalyticsReaderSettings)
    user, password = (known.clickhouse_user, known.clickhouse_password.get_secret_value()) if write else known.reader
    return clickhouse.connect(
        known.url,
        user=user,
        password=password,
        database=known.clickhouse_database,
        session_timezone=load(BusinessSettings).business_timezone,
    )


def _answer(client: "Client", query: str, form: str) -> None:
    text = query.strip().rstrip(";")
    if text:
        print(client.raw_query(text, fmt=form).decode().rstrip("\n"))


def _shell(client: "Client", form: str) -> None:
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession("analytics> ")
    out.print("ClickHouse, one statement a line; Ctrl-D leaves. SHOW TABLES lists what there is.")
    while True:
        try:
            _answer(client, session.prompt(), form)
        except ClickHouseError as refused:
            err.print(str(refused).splitlines()[0], markup=False)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
