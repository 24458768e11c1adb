"""verify as the command line calls it: both sides from the settings."""

from services.clients import clickhouse, database
from services.reconciler.comparison import CannotTell, cannot_tell, compare
from services.reconciler.repair import WAIT_SECONDS, repair
from services.reconciler.report import Report
from services.reconciler.sources import Sources
from services.settings import BusinessSettings, ClickHouseSettings, DatabaseSettings, ReconcilerSettings, load

_LARGEST_SECONDS = 600
"""How long either side is waited for: the largest of the comparisons reads every row."""


def verify(mend: bool = False, wait_seconds: float = WAIT_SECONDS) -> Report:
    """Compares, and with ``mend`` repairs and waits up to ``wait_seconds`` for the outcome.

    The report has the exit code, ``to_json()``, and a form for people (``render``). Raises SettingsError.
    """
    try:
        sources = open_sources()
    except CannotTell as reason:
        return Report(unknown=str(reason))
    try:
        return repair(sources, wait_seconds) if mend else compare(sources)
    finally:
        sources.close()


def open_sources() -> Sources:
    """Both sides of the settings. Raises CannotTell when ClickHouse does not answer, SettingsError."""
    settings = load(ClickHouseSettings)
    zone, in_flight = load(BusinessSettings).business_timezone, load(ReconcilerSettings).verify_in_flight
    engine = database.connect(load(DatabaseSettings), _LARGEST_SECONDS)
    with cannot_tell():
        client = clickhouse.connect(
            settings.url,
            user=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            database=settings.clickhouse_database,
            send_receive_timeout=_LARGEST_SECONDS,
        )
    return Sources(engine, client, zone, in_flight)
