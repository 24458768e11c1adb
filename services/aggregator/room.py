"""How much room ClickHouse has on its disks, as it tells itself."""

from typing import Final

from services.clients.clickhouse import ClickHouseError, Client
from services.clients.named_sql import load
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import StopSignal

_EVERY_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 120.0

log = get_logger()


def keep_measuring(client: Client, stop: StopSignal) -> None:
    """Measures every 30 s until told to stop."""
    while not stop.stopped:
        beat("room", rest=_EVERY_SECONDS, within=_LOOK_SECONDS)
        measure(client)
        stop.wait(_EVERY_SECONDS)


def measure(client: Client) -> None:
    """Sets the metrics of each disk; without an answer there are none, rather than old ones."""
    metrics.CLICKHOUSE_DISK_FREE.clear()
    metrics.CLICKHOUSE_DISK_SIZE.clear()
    try:
        rows = client.query(load("services.aggregator", "queries.sql")["disks"]).result_rows
    except (ClickHouseError, ConnectionError, TimeoutError) as error:
        log.warning("ClickHouse does not tell its free space", error=" ".join(str(error).split())[:500])
        return
    for name, free, size in rows:
        metrics.CLICKHOUSE_DISK_FREE.labels(name).set(free)
        metrics.CLICKHOUSE_DISK_SIZE.labels(name).set(size)
