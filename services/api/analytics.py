"""/api/analytics: the ClickHouse views as JSON, in the original's snake_case.

Days are ISO dates of the business time zone. ``order_hour`` is the instant the hour begins, in ISO 8601 with the
business zone's offset (2026-11-21T14:00:00+01:00), so that its clock time is the shop's. Money is a JSON number with
two places. All ranges include both ends.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.analytics_reader import Parameters, Reader
from services.api.answers import json_response
from services.api.problems import FieldError, Problem, invalid
from services.api.requests import Query
from services.api.routing import resource

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2149, 6, 6)  # what ClickHouse's Date holds
_HOURS, _MOST_HOURS = 24, 24 * 366
_RANKED, _MOST_RANKED = 10, 1000
_RANKING_DAYS, _MOST_RANKING_DAYS = 30, 36_500


class Analytics:
    """The resource."""

    def __init__(self, reader: Reader, zone: ZoneInfo) -> None:
        self._reader, self._zone = reader, zone

    def routes(self) -> list[Route]:
        """Its paths; /sales is the original's other name of /daily-sales."""
        return [
            resource("/api/analytics/daily-sales", get=self.daily_sales),
            resource("/api/analytics/sales", get=self.daily_sales),
            resource("/api/analytics/hourly-sales", get=self.hourly_sales),
            resource("/api/analytics/order-status", get=self.order_status),
            resource("/api/analytics/product-ranking", get=self.product_ranking),
            resource("/api/analytics/stats", get=self.stats),
            resource("/api/analytics/realtime/sales", get=self.today),
            resource("/api/analytics/health", get=self.health),
        ]

    async def daily_sales(self, request: Request) -> Response:
        """``startDate``, ``endDate``, both optional."""
        return await self._rows("daily_sales", _days(Query(request.query_params)))

    async def hourly_sales(self, request: Request) -> Response:
        """As daily sales, and ``limit`` (24)."""
        query = Query(request.query_params)
        return await self._rows("hourly_sales", {**_days(query), "limit": query.whole("limit", _HOURS, _MOST_HOURS)})

    async def order_status(self, request: Request) -> Response:
        """As daily sales."""
        return await self._rows("order_status", _days(Query(request.query_params)))

    async def product_ranking(self, request: Request) -> Response:
        """``days`` (30), the current one included, and ``limit`` (10)."""
        query = Query(request.query_params)
        days = query.whole("days", _RANKING_DAYS, _MOST_RANKING_DAYS)
        limit = query.whole("limit", _RANKED, _MOST_RANKED)
        start = datetime.now(self._zone).date() - timedelta(days=days - 1)
        return await self._rows("product_ranking", {"start": max(start, _FIRST_DAY), "limit": limit})

    async def stats(self, _request: Request) -> Response:
        """One object about all time."""
        return json_response((await self._reader.rows("stats", {}))[0])

    async def today(self, _request: Request) -> Response:
        """One object about the shop's day."""
        return json_response((await self._reader.rows("today", {}))[0])

    async def health(self, _request: Request) -> Response:
        """``{status, clickhouse}``; 503 when the views cannot be read."""
        try:
            await self._reader.rows("health", {})
        except Problem as problem:
            return json_response({"status": "unavailable", "clickhouse": "down"}, problem.status, problem.headers)
        return json_response({"status": "ok", "clickhouse": "up"})

    async def _rows(self, statement: str, parameters: Parameters) -> Response:
        return json_response(await self._reader.rows(statement, parameters))


def _days(query: Query) -> dict[str, date | int]:
    start, end = query.day("startDate"), query.day("endDate")
    if start is not None and end is not None and start > end:
        raise invalid((FieldError("startDate", "must not be after endDate"),))
    return {"start": _storable(start or _FIRST_DAY), "end": _storable(end or _LAST_DAY)}


def _storable(day: date) -> date:
    """The nearest day a Date column can hold; a parameter beyond would wrap around."""
    return min(max(day, _FIRST_DAY), _LAST_DAY)
