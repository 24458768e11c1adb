"""The page at / and its files: dashboards/web, and the chart library out of its package."""

import gzip
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from services.api.problems import method_not_allowed, not_found
from services.api.routing import ROUTE, resource
from services.settings import PROJECT_ROOT

WEB = PROJECT_ROOT / "dashboards" / "web"
_ZONE_PLACEHOLDER = "{{ business_timezone }}"
_A_WEEK = "public, max-age=604800"
_ASK_AGAIN = "no-cache"


class Pages:
    """The resource."""

    def __init__(self, business_timezone: str, folder: Path = WEB) -> None:
        """``folder`` holds index.html and what it loads from /static; it knows the business zone's name."""
        self._zone, self._folder = business_timezone, folder
        self._charts = ChartLibrary()

    def routes(self) -> list[BaseRoute]:
        """Its paths."""
        return [
            resource("/", get=self.index),
            resource("/static/vendor/plotly.min.js", get=self.charts),
            Mount("/static", _Files(directory=self._folder)),
        ]

    async def index(self, _request: Request) -> Response:
        """The HTML dashboard."""
        page = self._folder / "index.html"
        text = await run_in_threadpool(page.read_text, "utf-8")
        html = text.replace(_ZONE_PLACEHOLDER, self._zone)
        return Response(html, media_type="text/html", headers={"Cache-Control": _ASK_AGAIN})

    async def charts(self, request: Request) -> Response:
        """plotly.min.js, compressed where the client takes gzip; cached for a week."""
        headers = {"Cache-Control": _A_WEEK, "ETag": self._charts.etag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == self._charts.etag:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            content = await run_in_threadpool(self._charts.path.read_bytes)
        else:
            content = await run_in_threadpool(self._charts.compressed)
            headers["Content-Encoding"] = "gzip"
        return Response(content, media_type="text/javascript", headers=headers)


class ChartLibrary:
    """The script that the plotly package brings along, found without importing the package (which is slow)."""

    def __init__(self) -> None:
        self._lock = Lock()

    @cached_property
    def path(self) -> Path:
        """Where the script is."""
        package = find_spec("plotly")
        if package is None or package.origin is None:
            raise not_found("The chart library is not installed.")
        return Path(package.origin).parent / "package_data" / "plotly.min.js"

    @cached_property
    def etag(self) -> str:
        """The package's version: the script changes with it."""
        return f'W/"plotly-{version("plotly")}"'

    @cached_property
    def _gzip(self) -> bytes:
        return gzip.compress(self.path.read_bytes(), compresslevel=6, mtime=0)

    def compressed(self) -> bytes:
        """The script in gzip, compressed once."""
        with self._lock:
            return self._gzip


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
