"""`python -m services.api`: the HTTP API as a process."""

import os
import sys
from threading import Timer
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.api.analytics_reader import ClickHouseReader
from services.api.app import create_app
from services.api.server import listen, serve
from services.clients.database import connect, unavailable
from services.clients.relational_schema import require_current
from services.observability.logging import get_logger
from services.observability.metrics import UP
from services.observability.process import EXIT_OK, CannotStart, StopSignal, run
from services.settings import AnalyticsReaderSettings, ApiSettings, BusinessSettings, DatabaseSettings, load

_LAST_SECONDS = 1


def main() -> int:
    """Runs the API until it is told to stop. Exit codes as of services.observability.process.run."""
    return run("api", _work)


def _work(stop: StopSignal) -> None:
    settings = load(ApiSettings)
    zone = load(BusinessSettings).business_timezone
    reader = ClickHouseReader(load(AnalyticsReaderSettings), ZoneInfo(zone))
    engine = connect(load(DatabaseSettings))
    _require_schema(engine, zone)
    if settings.millrace_admin_token is None:
        get_logger().warning("no admin can act: MILLRACE_ADMIN_TOKEN is not set")
    UP.labels("api").set(1)
    serve(create_app(engine, zone, reader, settings), listen(settings.api_host, settings.port), stop)
    _leave_what_hangs()


def _require_schema(engine: Engine, zone: str) -> None:
    try:
        require_current(engine, zone)
    except SQLAlchemyError as error:
        if unavailable(error):
            where = engine.url.render_as_string(hide_password=True)
            raise CannotStart(
                f"the database {where} does not answer: start it, or correct DATABASE_URL or MYSQL_*"
            ) from None
        raise


def _leave_what_hangs() -> None:
    """A thread that still waits for a lock must not keep the process: its transaction is rolled back."""
    last = Timer(_LAST_SECONDS, os._exit, [EXIT_OK])
    last.daemon = True
    last.start()


if __name__ == "__main__":
    sys.exit(main())
