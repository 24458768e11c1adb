"""ClickHouse: answers, schema, and how far a row has come on its way into the views."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from clickhouse_connect.driver.exceptions import Error as ClickHouseFault

from services.clients.clickhouse import Client, Failure, classify
from services.clients.clickhouse_schema import ClickHouseSchemaError, require_current_clickhouse, schema_files
from services.clients.named_sql import load
from services.doctor.check import one_line
from services.doctor.findings import Finding, failing, ok
from services.doctor.place import Place

_QUERIES = load("services.doctor", "queries.sql")

Connecting = Callable[[], Client]
"""Makes a client; raises what ``classify`` sorts when ClickHouse is away."""


class WarehouseAway(Exception):
    """ClickHouse does not answer or refuses; the message is one line."""


@contextmanager
def asking(connect: Connecting) -> Iterator[Client]:
    """A client for a few questions. Raises WarehouseAway."""
    client: Client | None = None
    try:
        client = connect()
        yield client
    except (ClickHouseFault, OSError) as error:
        how = "does not answer" if classify(error) is Failure.RETRY else "refuses"
        raise WarehouseAway(f"{how}: {one_line(error)}") from None
    finally:
        if client is not None:
            client.close()


class WarehouseSchema:
    """The check: ClickHouse answers and has this program's schema and business time zone."""

    name = "clickhouse"
    seconds = 15.0

    def __init__(self, connect: Connecting, place: Place, zone: str) -> None:
        self._connect, self._place, self._zone = connect, place, zone

    def look(self) -> Iterable[Finding]:
        """One line."""
        try:
            with asking(self._connect) as client:
                require_current_clickhouse(client, self._zone)
        except WarehouseAway as away:
            yield failing("ClickHouse", str(away), self._place.restart("clickhouse"))
        except ClickHouseSchemaError as wrong:
            yield failing("schema of ClickHouse", str(wrong), self._place.provision())
        else:
            yield ok("schema of ClickHouse", f"{len(schema_files())} files applied, days of {self._zone}")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order has come.

    ``version``: of its newest row, 0 without one. ``inserted``: rows that ever came in for its day, the newest of an
    event of ``newest`` (microseconds since 1970); ``covered``: those of them that the sums include. ``listed``: orders
    of its day and status that the views count.
    """

    version: int = 0
    inserted: int = 0
    newest: int = 0
    covered: int = 0
    listed: int = 0


class Warehouse:
    """Questions about one order."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def progress(self, order_id: str, day: date, status: str) -> Progress:
        """Where it is now."""
        rows = self._client.query(
            _QUERIES["progress"], parameters={"id": order_id, "day": day.isoformat(), "status": status}
        ).result_rows
        return Progress(*(int(value or 0) for value in rows[0]))
