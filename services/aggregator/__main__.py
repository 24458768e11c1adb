"""`python -m services.aggregator`: the aggregator as a process."""

import os
import socket
import sys

from services.aggregator.core import Aggregator
from services.aggregator.leadership import LEASE, Leadership
from services.aggregator.loop import Cadence
from services.aggregator.loop import run as keep_aggregating
from services.aggregator.room import keep_measuring
from services.clients.backoff import Backoff
from services.clients.clickhouse import ClickHouseError, Client, Failure, classify, connect
from services.clients.clickhouse_schema import ClickHouseSchemaError, require_current_clickhouse
from services.clients.database import ANSWER_SECONDS
from services.clients.database import connect as connect_database
from services.clients.lease import Lease
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import CannotStart, StopSignal, run
from services.settings import AggregatorSettings, BusinessSettings, ClickHouseSettings, DatabaseSettings, load

PROCESS = "aggregator"


def body(stop: StopSignal) -> None:
    """Puts the aggregator together and lets it work."""
    settings, zone = load(AggregatorSettings), load(BusinessSettings).business_timezone
    engine = connect_database(load(DatabaseSettings), ANSWER_SECONDS)
    client = _clickhouse(zone, stop)
    if client is None:
        return
    lease = Lease(engine, LEASE, f"{socket.gethostname()}:{os.getpid()}", settings.aggregator_lease_seconds)
    aggregator = Aggregator(client, zone, allowed=lambda: leadership.held())
    leadership = Leadership(lease, settings.aggregator_lease_seconds, taken=aggregator.raise_fence)
    keep_aggregating(
        aggregator,
        Cadence(settings.aggregator_interval, settings.aggregator_users_interval),
        leadership,
        stop,
        beside={"room": lambda: keep_measuring(client, stop)},
    )


def _clickhouse(zone: str, stop: StopSignal) -> Client | None:
    """Waits for ClickHouse; None when told to stop first. Raises CannotStart when its schema is not this project's."""
    settings = load(ClickHouseSettings)
    backoff = Backoff()
    while not stop.stopped:
        beat()
        try:
            client = connect(
                settings.url,
                user=settings.clickhouse_user,
                password=settings.clickhouse_password.get_secret_value(),
                database=settings.clickhouse_database,
            )
            require_current_clickhouse(client, zone)
        except ClickHouseSchemaError as unusable:
            raise CannotStart(str(unusable)) from None
        except ClickHouseError as error:
            if classify(error) is not Failure.RETRY:
                raise CannotStart(" ".join(str(error).split())[:500]) from None
            get_logger().warning("ClickHouse does not answer", error=" ".join(str(error).split())[:500])
            stop.wait(backoff.failed())
        else:
            return client
    return None


def main() -> int:
    """Runs the aggregator; returns its exit code."""
    return run(PROCESS, body, lambda: load(AggregatorSettings).aggregator_metrics_port)


if __name__ == "__main__":
    sys.exit(main())
