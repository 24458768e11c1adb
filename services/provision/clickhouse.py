"""ClickHouse: its schema, and whether its users can do what they should and nothing else.

The users themselves are declared in the server's configuration; this only looks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.clients.clickhouse import ClickHouseError, Client, Failure, classify, connect
from services.clients.clickhouse_schema import ClickHouseSchemaError, migrate_clickhouse
from services.clients.named_sql import load
from services.provision.report import Done, ProvisionError, Tell
from services.provision.waiting import answered
from services.settings import ClickHouseSettings

_SQL: Final = load("services.provision", "clickhouse.sql")
# ACCESS_DENIED, READONLY
_NOT_ALLOWED: Final = frozenset({497, 164})
_AUTHENTICATION_FAILED: Final = 516


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who works with ClickHouse; ``password`` None: it is not known here. ``setting`` names it."""

    name: str
    password: str | None
    setting: str
    writes: bool = False


def provision_clickhouse(
    settings: ClickHouseSettings, zone: str, users: Iterable[User], tell: Tell, seconds: float
) -> None:
    """Waits for ClickHouse, makes database and schema, and looks at each user's rights.

    Raises ProvisionError. When it dies in it, it is run again.
    """
    try:
        _provision(settings, zone, users, tell, seconds)
    except ClickHouseSchemaError as unusable:
        raise ProvisionError(str(unusable)) from None
    except ClickHouseError as error:
        raise ProvisionError(f"ClickHouse refused, or went away: {_words(error)}") from None


def _provision(settings: ClickHouseSettings, zone: str, users: Iterable[User], tell: Tell, seconds: float) -> None:
    admin = User(
        settings.clickhouse_user, settings.clickhouse_password.get_secret_value(), "CLICKHOUSE_USER and _PASSWORD"
    )
    client = _reach(settings, admin, seconds)
    try:
        applied = migrate_clickhouse(client, zone)
    finally:
        client.close()
    tell(
        Done("ClickHouse schema", "altered", ", ".join(applied)) if applied else Done("ClickHouse schema", "unchanged")
    )
    for user in users:
        tell(_looked_at(settings, user, zone, seconds))


def _looked_at(settings: ClickHouseSettings, user: User, zone: str, seconds: float) -> Done:
    what = f"ClickHouse user {user.name}"
    if user.password is None:
        return Done(what, "not checked", f"{user.setting} is not set")
    client = _reach(settings, user, seconds)
    try:
        known_as, zone_of_user = _session(client)
        may = {right: _may(client, right) for right in ("read", "write", "change_schema")}
    finally:
        client.close()
    if zone_of_user != zone:
        raise _wrong(user, f"has the session time zone {zone_of_user}, and the shop's day begins in {zone}")
    if not may["read"]:
        raise _wrong(user, "cannot read the analytics")
    if may["write"] is not user.writes:
        raise _wrong(user, "cannot write the analytics" if user.writes else "can write, although it is to read only")
    # an engine without users of its own, behind a front that knows readers from writers, can refuse no more than that
    if may["change_schema"] and (known_as == user.name or not user.writes):
        raise _wrong(user, "can drop tables, which only the schema's owner is to")
    return Done(what, "checked", _in_words(user, may["change_schema"]))


def _in_words(user: User, changes_schema: bool) -> str:
    does = "reads and writes" if user.writes else "reads, cannot write"
    return f"{does}; this server cannot keep it from changing the schema" if changes_schema else does


def _wrong(user: User, what: str) -> ProvisionError:
    return ProvisionError(
        f"ClickHouse user {user.name} {what}: correct its profile and grants in the server's users.d/millrace.xml"
    )


def _session(client: Client) -> tuple[str, str]:
    """The name the server itself has for this user, and its session's time zone."""
    name, zone = client.query(_SQL["session"]).result_rows[0]
    return str(name), str(zone)


def _may(client: Client, right: str) -> bool:
    try:
        client.command(_SQL[right])
    except ClickHouseError as error:
        if getattr(error, "code", None) in _NOT_ALLOWED:
            return False
        raise
    return True


def _reach(settings: ClickHouseSettings, user: User, seconds: float) -> Client:
    """A client, once the server answers."""
    try:
        return answered(
            lambda: connect(
                settings.url, user=user.name, password=user.password or "", database=settings.clickhouse_database
            ),
            lambda error: classify(error) is Failure.RETRY,
            seconds,
        )
    except ClickHouseError as error:
        if getattr(error, "code", None) == _AUTHENTICATION_FAILED:
            raise ProvisionError(
                f"ClickHouse at {settings.url} refuses the user {user.name}: see {user.setting}"
            ) from None
        if classify(error) is not Failure.RETRY:
            raise
        raise ProvisionError(
            f"ClickHouse at {settings.url} does not answer after {seconds:g} s ({_words(error)}): see CLICKHOUSE_HOST"
        ) from None


def _words(error: ClickHouseError) -> str:
    return " ".join(str(error).split())[:300]
