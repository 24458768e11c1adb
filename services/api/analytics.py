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
from services.api.answer_models import AnalyticsHealth, DailySales, DayOfStatus, Figures, HourlySales, RankedProduct
from services.api.answers import json_response
from services.api.described import Answers, describe
from services.api.parameters import Day, Whole
from services.api.problems import FieldError, Problem, invalid
from services.api.requests import Query
from services.api.routing import resource

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2149, 6, 6)  # what ClickHouse's Date holds
_START = Day("startDate", "the first day; absent: from the first order on")
_END = Day("endDate", "the last day, included; absent: up to now")
_RANGE = (_START, _END)
_HOURS_SHOWN = Whole("limit", 24, 24 * 366, "how many hours at most")
_PRODUCTS_SHOWN = Whole("limit", 10, 1000, "how many products at most")
_DAYS_BACK = Whole("days", 30, 36_500, "how many days back, the current one included")


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

    @describe(
        "Sales by day",
        tag="analytics",
        answers={200: Answers("A day each, newest first", DailySales, many=True)},
        query=_RANGE,
        text="Days without sales are left out. /api/analytics/sales is another name of this.",
    )
    async def daily_sales(self, request: Request) -> Response:
        """``startDate``, ``endDate``, both optional."""
        return await self._rows("daily_sales", _days(Query(request.query_params)))

    @describe(
        "Sales by hour",
        tag="analytics",
        answers={200: Answers("An hour each, newest first", HourlySales, many=True)},
        query=(*_RANGE, _HOURS_SHOWN),
        text="The newest hours that had any.",
    )
    async def hourly_sales(self, request: Request) -> Response:
        """As daily sales, and ``limit`` (24)."""
        query = Query(request.query_params)
        return await self._rows("hourly_sales", {**_days(query), "limit": _HOURS_SHOWN.of(query)})

    @describe(
        "Orders by day and status",
        tag="analytics",
        answers={200: Answers("A day and status each, newest day first", DayOfStatus, many=True)},
        query=_RANGE,
        text="Every order that is not deleted.",
    )
    async def order_status(self, request: Request) -> Response:
        """As daily sales."""
        return await self._rows("order_status", _days(Query(request.query_params)))

    @describe(
        "Best-selling products",
        tag="analytics",
        answers={200: Answers("A product each, the highest revenue first", RankedProduct, many=True)},
        query=(_DAYS_BACK, _PRODUCTS_SHOWN),
        text="Over the last days, the current one included.",
    )
    async def product_ranking(self, request: Request) -> Response:
        """``days`` (30), the current one included, and ``limit`` (10)."""
        query = Query(request.query_params)
        days = _DAYS_BACK.of(query)
        limit = _PRODUCTS_SHOWN.of(query)
        start = datetime.now(self._zone).date() - timedelta(days=days - 1)
        return await self._rows("product_ranking", {"start": max(start, _FIRST_DAY), "limit": limit})

    @describe(
        "Key figures",
        tag="analytics",
        answers={200: Answers("The figures of all time", Figures)},
        query=(),
        text="Of every order that counts as a sale.",
    )
    async def stats(self, _request: Request) -> Response:
        """One object about all time."""
        return json_response((await self._reader.rows("stats", {}))[0])

    @describe(
        "Key figures of today",
        tag="analytics",
        answers={200: Answers("The figures of the shop's day", Figures)},
        query=(),
        text="Of the shop's day, in its time zone.",
    )
    async def today(self, _request: Request) -> Response:
        """One object about the shop's day."""
        return json_response((await self._reader.rows("today", {}))[0])

    @describe(
        "Whether the analytics can be read",
        tag="analytics",
        answers={
            200: Answers("They can", AnalyticsHealth),
            503: Answers("They cannot: ClickHouse is away", AnalyticsHealth, headers={"Retry-After": "seconds"}),
        },
        text="Orders can be placed all the same: readiness is at /readyz.",
    )
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
    start, end = _START.of(query), _END.of(query)
    if start is not None and end is not None and start > end:
        raise invalid((FieldError("startDate", "must not be after endDate"),))
    return {"start": _storable(start or _FIRST_DAY), "end": _storable(end or _LAST_DAY)}


def _storable(day: date) -> date:
    """The nearest day a Date column can hold; a parameter beyond would wrap around."""
    return min(max(day, _FIRST_DAY), _LAST_DAY)
