"""/openapi.json, the page at /docs that shows it, and an explanation of every problem at its URL."""

from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.api.answers import json_response
from services.api.described import JSON, Answers, describe
from services.api.packaged import WEB, PackagedFile
from services.api.problem_types import PROBLEM_TYPES, ProblemType
from services.api.problems import not_found
from services.api.routing import resource

_ASK_AGAIN = "no-cache"
_SWAGGER = "static/drf_spectacular_sidecar/swagger-ui-dist"


class Reference:
    """The resource. Nothing of it is made before it is asked for: the API starts without it."""

    def __init__(self, routes: Sequence[BaseRoute], folder: Path = WEB) -> None:
        """``routes``: the whole table, which may still grow; ``folder`` holds the pages."""
        self._routes, self._folder = routes, folder
        self._script = _swagger_ui("swagger-ui-bundle.js", "text/javascript")
        self._style = _swagger_ui("swagger-ui.css", "text/css")
        self._lock = Lock()
        self._document: bytes | None = None

    def routes(self) -> list[BaseRoute]:
        """Its paths."""
        return [
            resource("/openapi.json", get=self.document),
            resource("/docs", get=self.page),
            resource("/docs/swagger-ui.js", get=self.script),
            resource("/docs/swagger-ui.css", get=self.style),
            resource("/problems", get=self.problems),
            resource("/problems/{slug}", get=self.problem),
        ]

    @describe(
        "The description",
        tag="description",
        answers={
            200: Answers("This document, in OpenAPI 3.1", media=JSON),
            304: Answers("It is the one that If-None-Match names"),
        },
        text="Made of the routes and models that answer.",
    )
    async def document(self, request: Request) -> Response:
        """OpenAPI 3.1 as JSON."""
        body = await run_in_threadpool(self._made)
        headers = {"Cache-Control": _ASK_AGAIN, "ETag": f'"{sha256(body).hexdigest()[:16]}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=JSON)

    @describe(
        "The page of the description",
        tag="description",
        answers={200: Answers("A page for people", media="text/html")},
        text="Shows this description, and sends requests from the browser.",
    )
    async def page(self, _request: Request) -> Response:
        """Swagger UI; it asks nothing of other hosts."""
        text = await run_in_threadpool((self._folder / "docs.html").read_text, "utf-8")
        return Response(text, media_type="text/html", headers={"Cache-Control": _ASK_AGAIN})

    @describe("Swagger UI", tag="description", answers={200: Answers("Its script")}, hidden=True)
    async def script(self, request: Request) -> Response:
        """Its script."""
        return await self._script.answer(request)

    @describe("Swagger UI", tag="description", answers={200: Answers("Its style")}, hidden=True)
    async def style(self, request: Request) -> Response:
        """Its style."""
        return await self._style.answer(request)

    @describe(
        "Every type of problem",
        tag="description",
        answers={200: Answers("A page for people", media="text/html")},
        text="What can go wrong, what it means, and what to do.",
    )
    async def problems(self, _request: Request) -> Response:
        """All types on one page."""
        return await self._explain(list(PROBLEM_TYPES.values()))

    @describe(
        "A type of problem",
        tag="description",
        answers={200: Answers("A page for people", media="text/html")},
        problems=("not-found",),
        text="What a problem's type leads to: what it means, and what to do.",
    )
    async def problem(self, request: Request) -> Response:
        """One type."""
        found = PROBLEM_TYPES.get(request.path_params["slug"])
        if found is None:
            raise not_found("There is no such type of problem; /problems has them all.")
        return await self._explain([found])

    async def _explain(self, types: list[ProblemType]) -> Response:
        html = await run_in_threadpool(self._rendered, types)
        return Response(html, media_type="text/html", headers={"Cache-Control": _ASK_AGAIN})

    def _rendered(self, types: list[ProblemType]) -> str:
        from jinja2 import Environment, StrictUndefined

        environment = Environment(autoescape=True, undefined=StrictUndefined)
        page = environment.from_string((self._folder / "problems.html").read_text("utf-8"))
        return page.render(types=types, single=len(types) == 1)

    def _made(self) -> bytes:
        with self._lock:
            if self._document is None:
                from services.api.openapi import description  # a fifth of a second that starting should not cost

                self._document = bytes(json_response(description(self._routes, version("millrace"))).body)
            return self._document


def _swagger_ui(name: str, media_type: str) -> PackagedFile:
    return PackagedFile("drf_spectacular_sidecar", f"{_SWAGGER}/{name}", media_type, "drf-spectacular-sidecar")
