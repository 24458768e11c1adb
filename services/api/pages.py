"""The page at / and its files: dashboards/web, and the chart library out of its package."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from services.api.described import Answers, describe
from services.api.packaged import WEB, PackagedFile
from services.api.problems import method_not_allowed, not_found
from services.api.routing import ROUTE, resource

_ZONE_PLACEHOLDER = "{{ business_timezone }}"
_ASK_AGAIN = "no-cache"


class Pages:
    """The resource."""

    def __init__(self, business_timezone: str, folder: Path = WEB) -> None:
        """``folder`` holds index.html and what it loads from /static; it knows the business zone's name."""
        self._zone, self._folder = business_timezone, folder
        self._charts = PackagedFile("plotly", "package_data/plotly.min.js", "text/javascript")

    def routes(self) -> list[BaseRoute]:
        """Its paths."""
        return [
            resource("/", get=self.index),
            resource("/static/vendor/plotly.min.js", get=self.charts),
            Mount("/static", _Files(directory=self._folder)),
        ]

    @describe(
        "The dashboard",
        tag="description",
        answers={200: Answers("A page for people", media="text/html")},
        text="Sales as they are now.",
    )
    async def index(self, _request: Request) -> Response:
        """The HTML dashboard."""
        page = self._folder / "index.html"
        text = await run_in_threadpool(page.read_text, "utf-8")
        html = text.replace(_ZONE_PLACEHOLDER, self._zone)
        return Response(html, media_type="text/html", headers={"Cache-Control": _ASK_AGAIN})

    @describe("The chart library", tag="description", answers={200: Answers("plotly.min.js")}, hidden=True)
    async def charts(self, request: Request) -> Response:
        """plotly.min.js, compressed where the client takes gzip; cached for a week."""
        return await self._charts.answer(request)


class _Files(StaticFiles):
    """Static files that browsers ask about again (304 where unchanged), since their names carry no version."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = "/static"
        if scope["method"] not in ("GET", "HEAD"):
            raise method_not_allowed("GET, HEAD")
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if "\0" in path:
            raise not_found("There is nothing at this path.")
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _ASK_AGAIN
        return response
