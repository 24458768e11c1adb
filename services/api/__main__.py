"""`python -m services.api`: the HTTP API as a process."""

import os
import sys
from math import ceil
from threading import Thread, Timer
from zoneinfo import ZoneInfo

from services.api.analytics_reader import ClickHouseReader
from services.api.app import create_app
from services.api.server import listen, serve
from services.clients.database import connect
from services.clients.relational_schema import wait_until_current
from services.domain.admin_tokens import list_tokens
from services.observability.logging import get_logger
from services.observability.metrics import UP
from services.observability.process import EXIT_OK, CannotStart, StopSignal, run
from services.payments.desk import Measured, open_provider
from services.payments.sweep import Sweep
from services.settings import (
    AnalyticsReaderSettings,
    ApiSettings,
    BusinessSettings,
    DatabaseSettings,
    PaymentSettings,
    load,
)

_LAST_SECONDS = 1
_CONNECTIONS_BESIDE = 2  # for /readyz and for the sweep of payments


def main() -> int:
    """Runs the API until it is told to stop. Exit codes as of services.observability.process.run."""
    return run("api", _work)


def _work(stop: StopSignal) -> None:
    settings = load(ApiSettings)
    zone = load(BusinessSettings).business_timezone
    database = _with_a_connection_a_thread(load(DatabaseSettings), settings.api_threads)
    reader = ClickHouseReader(load(AnalyticsReaderSettings), ZoneInfo(zone))
    # a statement need not be waited for when nobody waits for its request any more
    engine = connect(database, ceil(settings.api_request_seconds))
    if not wait_until_current(engine, zone, stop):
        return
    if settings.millrace_admin_token is None and not any(t.state == "active" for t in list_tokens(engine)):
        get_logger().warning("no admin can act: run `millrace admin create NAME`, or set MILLRACE_ADMIN_TOKEN")
    payments = load(PaymentSettings)
    provider = _provider(payments)
    app = create_app(engine, zone, reader, settings, payments, provider)
    listener = listen(settings.api_host, settings.port)
    sweep = Sweep(engine, provider, payments)
    Thread(target=sweep.run, args=(stop,), name="payment sweep", daemon=True).start()
    UP.labels("api").set(1)
    serve(app, listener, settings, stop)
    _leave_what_hangs()


def _with_a_connection_a_thread(settings: DatabaseSettings, threads: int) -> DatabaseSettings:
    """Raises CannotStart where threads would wait for one another's connections, and readiness for all of them."""
    needed = threads + _CONNECTIONS_BESIDE
    if settings.database_pool_size < needed:
        raise CannotStart(
            f"API_THREADS is {threads} and DATABASE_POOL_SIZE {settings.database_pool_size}: every thread needs a "
            f"connection, /readyz and the payment sweep one each; set DATABASE_POOL_SIZE to {needed} or more"
        )
    return settings


def _provider(settings: PaymentSettings) -> Measured:
    """Raises CannotStart where the provider cannot be had as it is set up."""
    try:
        return open_provider(settings)
    except OSError as unusable:
        raise CannotStart(f"{unusable}: set PAYMENT_SANDBOX_FILE to a file that can be written") from None


def _leave_what_hangs() -> None:
    """A thread that still waits for a lock must not keep the process: its transaction is rolled back."""
    last = Timer(_LAST_SECONDS, os._exit, [EXIT_OK])
    last.daemon = True
    last.start()


if __name__ == "__main__":
    sys.exit(main())
