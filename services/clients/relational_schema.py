"""Bringing the relational schema to the newest revision, and refusing to work on another one."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from services.clients.backoff import Backoff
from services.clients.database import alone, refused, retryable, unavailable, write
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import CannotStart, StopSignal
from services.settings import PROJECT_ROOT

MIGRATIONS = PROJECT_ROOT / "schemas" / "mysql"
_ZONE = "business_timezone"
_PATIENCE_SECONDS = 60
_ADVICE = "correct DATABASE_URL or MYSQL_*"
_settings = sa.table("schema_settings", sa.column("name"), sa.column("value"))


class SchemaError(CannotStart):
    """The schema is missing, old, or made for another business time zone; the message says what to do."""


def newest_revision(folder: Path = MIGRATIONS) -> str:
    """The revision of the last file; files are named NNNN_what.py in order."""
    return max(file.name for file in (folder / "versions").glob("[0-9]*.py")).split("_", 1)[0]


def migrate(engine: Engine, business_timezone: str) -> str:
    """Applies what is missing and stores the business time zone. Returns the revision.

    Raises SchemaError when the schema was made for another zone: every stored order_date is of that one.
    """
    from alembic import command  # imported here: it costs half a second that only migrations should pay
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    taken = SchemaError("somebody else has been migrating this database for a minute: run it again later")
    with alone(engine, "schema", _PATIENCE_SECONDS, taken):
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        write(engine, lambda connection: _keep_zone(connection, business_timezone))
    return newest_revision()


def _keep_zone(connection: Connection, zone: str) -> None:
    stored = connection.scalar(sa.select(_settings.c.value).where(_settings.c.name == _ZONE))
    if stored is None:
        connection.execute(sa.insert(_settings).values(name=_ZONE, value=zone))
    elif stored != zone:
        raise SchemaError(_other_zone(stored, zone))


def _other_zone(stored: str, zone: str) -> str:
    return (
        f"BUSINESS_TIMEZONE is {zone}, but this database's days were made in {stored}: "
        f"set BUSINESS_TIMEZONE={stored}, or start with an empty database"
    )


def require_current(engine: Engine, business_timezone: str) -> None:
    """Raises SchemaError unless the schema is at the newest revision and of this business time zone."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            raise SchemaError("the database has no schema yet: run `millrace migrate`")
        revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        if revision != newest_revision():
            raise SchemaError(
                f"the database's schema is at revision {revision}, this program needs {newest_revision()}: "
                "run `millrace migrate`"
            )
        stored = connection.scalar(sa.select(_settings.c.value).where(_settings.c.name == _ZONE))
    if stored != business_timezone:
        raise SchemaError(_other_zone(str(stored), business_timezone))


def wait_until_current(engine: Engine, business_timezone: str, stop: StopSignal) -> bool:
    """Waits for the database; False when told to stop first. Raises CannotStart where waiting would not help."""
    where = engine.url.render_as_string(hide_password=True)
    backoff = Backoff()
    while not stop.stopped:
        beat()
        try:
            require_current(engine, business_timezone)
        except sa.exc.SQLAlchemyError as error:
            if not _may_come(engine, error):
                if unavailable(error) or refused(error):
                    raise CannotStart(f"the database {where} refuses ({_said(error)}): {_ADVICE}") from None
                raise
            pause = backoff.failed()
            get_logger().warning(
                "the database does not answer",
                database=where,
                error=_said(error),
                advice=f"start it, or {_ADVICE}",
                again_in=round(pause, 1),
            )
            stop.wait(pause)
        else:
            return True
    return False


def _may_come(engine: Engine, error: sa.exc.SQLAlchemyError) -> bool:
    """A server may be started yet; a file that cannot be opened stays so, unless it is only locked."""
    return unavailable(error) and (engine.dialect.name != "sqlite" or retryable(error))


def _said(error: sa.exc.SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
