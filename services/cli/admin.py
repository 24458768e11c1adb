"""`millrace admin`: the tokens that let somebody delete orders, refund and set stock, and what was done with them."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.console import one_line_errors, out, refuse

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy.engine import Engine

    from services.domain.admin_actions import AdminAction, Recorded
    from services.domain.admin_tokens import AdminToken, Issued

app = typer.Typer(
    help="Make, list, revoke and replace admin tokens; list what was done with them.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Expires = Annotated[str | None, typer.Option("--expires", metavar="90d", help="for how long it is good")]


def register(parent: typer.Typer) -> None:
    """Adds the group to the app."""
    parent.add_typer(app, name="admin", rich_help_panel="Operate")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="who or what has it, as the record of admin actions will say")],
    expires: Expires = None,
    json_output: Json = False,
) -> None:
    """Make a token. It is shown once: the database keeps its digest alone.

    Example: millrace admin create alice --expires 90d
    """
    with _database() as engine:
        from services.domain.admin_actions import append_action
        from services.domain.admin_tokens import create_token

        issued = create_token(
            engine,
            name,
            _length("--expires", expires) if expires else None,
            also=lambda connection, made: append_action(connection, _by_hand("token.create", made.token)),
        )
    _show(issued, json_output)


@app.command("list")
def list_all(json_output: Json = False) -> None:
    """List the tokens there are and were, without what would let anybody in."""
    with _database() as engine:
        from services.domain.admin_tokens import list_tokens

        tokens = list_tokens(engine)
    if json_output:
        _print_json([_plain(token) for token in tokens])
        return
    from rich.table import Table

    table = Table("name", "state", "created", "expires", "revoked", "id", box=None, pad_edge=False)
    for token in tokens:
        times = (_time(moment) for moment in (token.created_at, token.expires_at, token.revoked_at))
        table.add_row(token.name, token.state, *times, token.id)
    out.print(table)
    if _bootstrap_is_set():
        out.print("and bootstrap, the setting MILLRACE_ADMIN_TOKEN")


@app.command()
def revoke(
    name_or_id: Annotated[
        str, typer.Argument(metavar="NAME|ID", help="all active tokens of a name, or the one of an id")
    ],
    json_output: Json = False,
) -> None:
    """End a token. The API refuses it from its next request on.

    Example: millrace admin revoke alice
    """
    with _database() as engine:
        from services.domain.admin_actions import append_action
        from services.domain.admin_tokens import revoke_token

        def record(connection: Any, tokens: "list[AdminToken]") -> None:
            for token in tokens:
                append_action(connection, _by_hand("token.revoke", token))

        revoked = revoke_token(engine, name_or_id, also=record)
    if json_output:
        _print_json([_plain(token) for token in revoked])
        return
    for token in revoked:
        out.print(f"revoked: {token.name} ({token.id})", markup=False, soft_wrap=True)


@app.command()
def rotate(
    name: Annotated[str, typer.Argument(help="of the token to replace")],
    overlap: Annotated[
        str, typer.Option(metavar="1h", help="for how long the one before still works; 0s: ends now")
    ] = "1h",
    expires: Expires = None,
    json_output: Json = False,
) -> None:
    """Make a new token of the same name, and let the one before it run out.

    Example: millrace admin rotate alice --overlap 10m
    """
    with _database() as engine:
        from services.domain.admin_actions import append_action
        from services.domain.admin_tokens import rotate_token

        issued = rotate_token(
            engine,
            name,
            _length("--overlap", overlap, may_be_zero=True),
            _length("--expires", expires) if expires else None,
            also=lambda connection, made: append_action(connection, _by_hand("token.rotate", made.token)),
        )
    _show(issued, json_output)


@app.command()
def actions(
    since: Annotated[str | None, typer.Option(metavar="2h", help="from a moment (2026-11-21) or so long ago")] = None,
    limit: Annotated[int, typer.Option(help="the newest so many", min=1, max=100_000)] = 100,
    json_output: Json = False,
) -> None:
    """List what was done, or refused, with admin tokens, the newest last.

    Example: millrace admin actions --since 2h
    """
    with _database() as engine:
        from services.domain.admin_actions import list_actions

        found = list_actions(engine, _moment(engine, since) if since else None, limit)
    if json_output:
        _print_json([_row(recorded) for recorded in found])
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("at (UTC)", "token", "admin", "action", "target", "outcome", "request", box=None, pad_edge=False)
    for recorded in found:
        action, actor = recorded.action, recorded.action.actor
        why = action.details.get("problem")
        outcome = f"{action.outcome}: {why}" if why else action.outcome
        cells = (actor.token_name, actor.admin_id, action.action, action.target, outcome, actor.request_id)
        table.add_row(_time(recorded.at), *(Text(_visible(cell)) for cell in cells))
    out.print(table)


@contextmanager
def _database() -> "Iterator[Engine]":
    """The database of the settings, at the newest schema; refusals become one line."""
    with one_line_errors():
        from services.clients import database, relational_schema
        from services.domain.errors import DomainError, Invalid
        from services.settings import BusinessSettings, DatabaseSettings, load

        engine = database.connect(load(DatabaseSettings))
        try:
            relational_schema.require_current(engine, load(BusinessSettings).business_timezone)
            yield engine
        except Invalid as refused:
            raise refuse(f"{refused.field} {refused}") from None
        except DomainError as refused:
            raise refuse(str(refused)) from None
        finally:
            engine.dispose()


def _by_hand(action: str, token: "AdminToken") -> "AdminAction":
    """The row about what this command does: no token let it in, the database's password did."""
    from uuid_utils import uuid7

    from services.domain.admin_actions import Actor, AdminAction

    expires = token.expires_at.isoformat() if token.expires_at else None
    details = {"name": token.name, "expiresAt": expires}
    return AdminAction(Actor("cli", "millrace admin", _who(), str(uuid7())), action, token.id, "done", details)


def _who() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        return f"uid {os.getuid()}"


def _length(option: str, text: str, may_be_zero: bool = False) -> "timedelta":
    from services.cli.durations import duration

    try:
        length = duration(text)
    except ValueError as fault:
        raise refuse(f"{option} {fault}") from None
    if not length and not may_be_zero:
        raise refuse(f"{option} is no time at all: {text}")
    return length


def _moment(engine: "Engine", text: str) -> "datetime":
    from services.cli.durations import moment
    from services.clients.database import database_now

    with engine.connect() as connection:
        now = database_now(connection)
    try:
        return moment(text, now)
    except ValueError as fault:
        raise refuse(f"--since {fault}") from None


def _bootstrap_is_set() -> bool:
    from services.settings import ApiSettings, load

    return load(ApiSettings).millrace_admin_token is not None


def _show(issued: "Issued", json_output: bool) -> None:
    if json_output:
        _print_json({**_plain(issued.token), "token": issued.secret})
        return
    token = issued.token
    until = f"until {_time(token.expires_at)} UTC" if token.expires_at else "until it is revoked"
    out.print(f"{token.name} ({token.id}), good {until}. It is not shown again:", markup=False, soft_wrap=True)
    out.print(issued.secret, markup=False, soft_wrap=True)


def _plain(token: "AdminToken") -> dict[str, str | None]:
    times = {"createdAt": token.created_at, "expiresAt": token.expires_at, "revokedAt": token.revoked_at}
    shown = {name: moment.isoformat() if moment else None for name, moment in times.items()}
    return {"id": token.id, "name": token.name, "state": token.state, **shown}


def _row(recorded: "Recorded") -> dict[str, object]:
    action, actor = recorded.action, recorded.action.actor
    return {
        "id": recorded.id,
        "at": recorded.at.isoformat(),
        "tokenId": actor.token_id,
        "tokenName": actor.token_name,
        "adminId": actor.admin_id,
        "action": action.action,
        "target": action.target,
        "outcome": action.outcome,
        "requestId": actor.request_id,
        "details": dict(action.details),
    }


def _print_json(value: object) -> None:
    import simplejson

    print(simplejson.dumps(value, use_decimal=True))


def _time(moment: "datetime | None") -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _visible(text: str) -> str:
    """Text of clients without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)
