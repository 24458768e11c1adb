"""ClickHouse: its schema, and whether its users can do what they should and nothing else.

The users themselves are declared in the server's configuration; this only looks.
"""

from collections.abc import Mapping
from typing import Final

from services.clients.clickhouse import ClickHouseError, Client, Failure, classify, connect
from services.clients.clickhouse_schema import ClickHouseSchemaError, migrate_clickhouse
from services.clients.named_sql import load
from services.provision.clickhouse_users import UNDECIDED, USERS, User
from services.provision.report import Done, ProvisionError, Tell
from services.provision.waiting import answered
from services.settings import ClickHouseSettings

_SQL: Final = load("services.provision", "clickhouse.sql")
_PROBES: Final = [name for name in _SQL if name != "session"]
# ACCESS_DENIED, READONLY
_NOT_ALLOWED: Final = frozenset({497, 164})
_AUTHENTICATION_FAILED: Final = 516
# What a mutation ends with that was not refused for want of a right: it names a column that no table has.
_NO_COLUMN: Final = "provision_names_no_column"
_UNKNOWN_IDENTIFIER: Final = 47


def provision_clickhouse(
    settings: ClickHouseSettings, zone: str, passwords: Mapping[str, str], tell: Tell, seconds: float
) -> None:
    """Waits for ClickHouse, makes database and schema, and looks at the rights of each user whose password is known.

    Raises ProvisionError. When it dies in it, it is run again.
    """
    try:
        _provision(settings, zone, passwords, tell, seconds)
    except ClickHouseSchemaError as unusable:
        raise ProvisionError(str(unusable)) from None
    except ClickHouseError as error:
        raise ProvisionError(f"ClickHouse refused, or went away: {_words(error)}") from None


def _provision(
    settings: ClickHouseSettings, zone: str, passwords: Mapping[str, str], tell: Tell, seconds: float
) -> None:
    password = settings.clickhouse_password.get_secret_value()
    client = _reach(settings, settings.clickhouse_user, password, "CLICKHOUSE_USER and _PASSWORD", seconds)
    try:
        applied = migrate_clickhouse(client, zone)
    finally:
        client.close()
    tell(
        Done("ClickHouse schema", "altered", ", ".join(applied)) if applied else Done("ClickHouse schema", "unchanged")
    )
    for user in USERS:
        tell(_looked_at(settings, user, passwords.get(user.name), zone, seconds))


def _looked_at(settings: ClickHouseSettings, user: User, password: str | None, zone: str, seconds: float) -> Done:
    what = f"ClickHouse user {user.name}"
    if password is None:
        return Done(what, "not checked", f"{user.setting} is not set")
    client = _reach(settings, user.name, password, user.setting, seconds)
    try:
        zone_of_user = str(client.query(_SQL["session"]).result_rows[0][0])
        if zone_of_user != zone:
            raise _wrong(user, f"has the session time zone {zone_of_user}, and the shop's day begins in {zone}")
        for probe in _PROBES:
            _probe(client, user, probe)
    finally:
        client.close()
    return Done(what, "checked", f"may {', '.join(map(_in_words, sorted(user.may)))}, and no more")


def _probe(client: Client, user: User, probe: str) -> None:
    """Raises ProvisionError when the server lets the user do what it is not to, or refuses what it has to do."""
    refused = _refusal(client, _SQL[probe])
    if refused and probe in user.may:
        raise _wrong(user, f"cannot {_in_words(probe)} ({_words(refused)})")
    if not refused and probe not in user.may | UNDECIDED:
        raise _wrong(user, f"can {_in_words(probe)}, which it is not to")


def _refusal(client: Client, sql: str) -> ClickHouseError | None:
    """The server's answer where it is that a right is missing."""
    try:
        client.command(sql)
    except ClickHouseError as error:
        code = getattr(error, "code", None)
        if code in _NOT_ALLOWED:
            return error
        if code != _UNKNOWN_IDENTIFIER or _NO_COLUMN not in sql:
            raise
    return None


def _in_words(probe: str) -> str:
    return probe.replace("_", " ")


def _wrong(user: User, what: str) -> ProvisionError:
    return ProvisionError(
        f"ClickHouse user {user.name} {what}: correct its profile and grants in the server's users.d/millrace.xml"
    )


def _reach(settings: ClickHouseSettings, user: str, password: str, setting: str, seconds: float) -> Client:
    """A client, once the server answers. `setting` names what the password is given by."""
    try:
        return answered(
            lambda: connect(settings.url, user=user, password=password, database=settings.clickhouse_database),
            lambda error: classify(error) is Failure.RETRY,
            seconds,
        )
    except ClickHouseError as error:
        if getattr(error, "code", None) == _AUTHENTICATION_FAILED:
            raise ProvisionError(f"ClickHouse at {settings.url} refuses the user {user}: see {setting}") from None
        if classify(error) is not Failure.RETRY:
            raise
        raise ProvisionError(
            f"ClickHouse at {settings.url} does not answer after {seconds:g} s ({_words(error)}): see CLICKHOUSE_HOST"
        ) from None


def _words(error: ClickHouseError) -> str:
    return " ".join(str(error).split())[:500]
