"""What commands print: rich on a terminal, plain text elsewhere, errors in one line on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

EXIT_DIFFERENT, EXIT_UNUSABLE = 1, 2


def refuse(message: str, code: int = EXIT_UNUSABLE) -> typer.Exit:
    """Prints the one line and returns the exit to raise."""
    err.print(f"[red]millrace:[/red] {_escaped(message)}", soft_wrap=True)
    return typer.Exit(code)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns what a person can mend (settings, schemas, neighbours away) into one line and exit code 2."""
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from sqlalchemy.exc import DBAPIError

    from services.clients.clickhouse_schema import ClickHouseSchemaError
    from services.clients.database import OutcomeUnknown, refused
    from services.clients.relational_schema import SchemaError
    from services.settings import SettingsError

    try:
        yield
    except (SettingsError, SchemaError, ClickHouseSchemaError) as unusable:
        raise refuse(str(unusable)) from None
    except DBAPIError as away:
        how = "refuses" if refused(away) else "does not answer"
        raise refuse(f"the relational database {how}: {str(away.orig).splitlines()[0]}") from None
    except OutcomeUnknown as unknown:
        raise refuse(f"{unknown}; what was under way is stored as a whole or not at all: run it again") from None
    except ClickHouseError as away:
        raise refuse(f"ClickHouse does not answer: {str(away).splitlines()[0][:200]}") from None
