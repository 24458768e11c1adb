"""Reading the ClickHouse views as the reading user, in threads of their own and within a deadline."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from services.api.problems import unavailable_now
from services.api.workers import Workers
from services.clients import named_sql
from services.clients.types import CENT
from services.observability.logging import get_logger
from services.settings import AnalyticsReaderSettings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Row = dict[str, Any]
Parameters = Mapping[str, date | int]

_CONNECT_SECONDS, _READ_SECONDS, _DEADLINE_SECONDS = 2, 4, 5
_THREADS = 4
_ERROR_SHOWN = 500
_LOUD = ("clickhouse_connect", "urllib3.connectionpool")  # they log each failure, which is raised as well

log = get_logger()


class Reader(Protocol):
    """Runs the named statements of analytics.sql."""

    async def rows(self, statement: str, parameters: Parameters) -> list[Row]:
        """The rows by column name. Raises a 503 problem when ClickHouse does not answer in time."""

    def close(self) -> None:
        """Ends its threads."""


class ClickHouseReader:
    """The Reader of a real ClickHouse. Connects at the first read, so that the API starts without it."""

    def __init__(self, settings: AnalyticsReaderSettings, zone: ZoneInfo) -> None:
        self._settings, self._zone = settings, zone
        self._statements = named_sql.load("services.api", "analytics.sql")
        self._workers = Workers("analytics database", _THREADS, _DEADLINE_SECONDS, repeatable=True)
        self._connecting = threading.Lock()
        self._client: Client | None = None
        self._away = False

    async def rows(self, statement: str, parameters: Parameters) -> list[Row]:
        """As in Reader."""
        return await self._workers.run(lambda: self._read(statement, parameters))

    def close(self) -> None:
        """As in Reader."""
        self._workers.close()

    def _read(self, statement: str, parameters: Parameters) -> list[Row]:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            result = self._connected().query(self._statements[statement], parameters=dict(parameters))
        except (ClickHouseError, OSError) as error:
            self._say_away(statement, error)
            raise unavailable_now("The analytics database does not answer") from None
        self._away = False
        return [
            {name: self._plain(name, value) for name, value in zip(result.column_names, row, strict=True)}
            for row in result.result_rows
        ]

    def _connected(self) -> "Client":
        with self._connecting:
            if self._client is None:
                from services.clients import clickhouse  # half a second that the API's start should not pay

                for library in _LOUD:
                    logging.getLogger(library).setLevel(logging.CRITICAL)
                user, password = self._settings.reader
                self._client = clickhouse.connect(
                    self._settings.url,
                    user=user,
                    password=password,
                    database=self._settings.clickhouse_database,
                    connect_timeout=_CONNECT_SECONDS,
                    send_receive_timeout=_READ_SECONDS,
                )
            return self._client

    def _say_away(self, statement: str, error: Exception) -> None:
        """Once, not at every poll of every open page."""
        level = log.debug if self._away else log.warning
        level("ClickHouse does not answer the analytics", statement=statement, error=str(error)[:_ERROR_SHOWN])
        self._away = True

    def _plain(self, column: str, value: object) -> object:
        """Money with two places, an hour as an instant with the business zone's offset, an empty sum as zero."""
        if column == "order_hour" and isinstance(value, int):
            return datetime.fromtimestamp(value, UTC).astimezone(self._zone)
        return value.quantize(CENT) if isinstance(value, Decimal) else 0 if value is None else value
