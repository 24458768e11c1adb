"""The relational database: its schema, the services' accounts, the demo's catalogue."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from services.clients.database import connect, database_url, unavailable
from services.clients.relational_schema import SchemaError, migrate
from services.domain.catalogue import load_catalogue
from services.provision.accounts import keep_account, remove_account
from services.provision.report import Done, ProvisionError, Tell
from services.provision.rights import ACCOUNTS
from services.provision.waiting import answered
from services.settings import DatabaseSettings

_NO_SUCH_DATABASE: Final = 1049
# access denied to the server or to a database; the account is locked; its password has expired
_DENIED: Final = frozenset({1044, 1045, 1698, 1820, 1862, 3118})


def provision_database(
    settings: DatabaseSettings, zone: str, passwords: Mapping[str, str], seed: bool, tell: Tell, seconds: float
) -> None:
    """Waits for MySQL, brings schema and accounts up to date, and with ``seed`` adds the catalogue.

    ``passwords`` by account name; an account without one is removed. Raises ProvisionError. When it dies in it, it is
    run again.
    """
    if database_url(settings).get_backend_name() != "mysql":
        raise ProvisionError(
            "DATABASE_URL is not of MySQL, which alone has accounts: `millrace migrate` makes the schema"
        )
    engine = connect(settings)
    try:
        _reach(engine, settings, seconds)
        before = _revision(engine)
        after = migrate(engine, zone)
        tell(_migrated(before, after))
        for account in ACCOUNTS:
            if account.name in passwords:
                tell(keep_account(engine, account, passwords[account.name]))
            else:
                tell(remove_account(engine, account))
        if seed:
            tell(_seeded(engine))
    except SchemaError as unusable:
        raise ProvisionError(str(unusable)) from None
    except DBAPIError as error:
        raise ProvisionError(f"MySQL refused, or went away: {_words(error)}") from None
    finally:
        engine.dispose()


def _migrated(before: str | None, after: str) -> Done:
    what, detail = "relational schema", f"revision {after}"
    if before is None:
        return Done(what, "created", detail)
    return Done(what, "unchanged" if before == after else "altered", detail)


def _seeded(engine: Engine) -> Done:
    added = load_catalogue(engine)
    return (
        Done("catalogue", "altered", f"{added} users and products added") if added else Done("catalogue", "unchanged")
    )


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return revision


def _reach(engine: Engine, settings: DatabaseSettings, seconds: float) -> None:
    """Returns when the database answers; makes it where the server has none of that name."""
    where = engine.url.render_as_string(hide_password=True)
    try:
        answered(lambda: engine.connect().close(), _still_starting, seconds)
    except DBAPIError as error:
        code = _code(error)
        if code == _NO_SUCH_DATABASE:
            _create(engine, settings)
        elif code in _DENIED:
            raise ProvisionError(f"{where} refuses ({_words(error)}): see MYSQL_USER and MYSQL_PASSWORD") from None
        else:
            raise ProvisionError(
                f"{where} does not answer after {seconds:g} s ({_words(error)}): see MYSQL_HOST and MYSQL_PORT"
            ) from None


def _create(engine: Engine, settings: DatabaseSettings) -> None:
    name = engine.url.database or ""
    server = connect(
        settings.model_copy(update={"database_url": engine.url.set(database="").render_as_string(hide_password=False)})
    )
    try:
        with server.connect() as connection:
            connection.execute(CreateSchema(name, if_not_exists=True))
    finally:
        server.dispose()


def _still_starting(error: BaseException) -> bool:
    return unavailable(error) and _code(error) not in _DENIED | {_NO_SUCH_DATABASE}


def _code(error: BaseException) -> int | None:
    original = error.orig if isinstance(error, DBAPIError) else None
    return original.args[0] if original is not None and original.args else None


def _words(error: DBAPIError) -> str:
    return str(error.orig.args[-1] if error.orig and error.orig.args else error)
