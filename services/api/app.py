"""The API put together: every resource, in one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.api.admin import Admin, Credential
from services.api.analytics import Analytics
from services.api.analytics_reader import Reader
from services.api.boundary import REQUEST_ID, Boundary
from services.api.catalogue import catalogue_routes
from services.api.operations import Operations
from services.api.orders import Orders
from services.api.pages import Pages
from services.api.problems import from_exception
from services.api.reference import Reference
from services.api.shop import Shop
from services.api.workers import Workers
from services.settings import ApiSettings

_DATABASE_SECONDS = 30
_PROBE_SECONDS = 2


def create_app(engine: Engine, business_timezone: str, reader: Reader, settings: ApiSettings) -> Starlette:
    """The application on this database and this analytics reader, both of which it closes when it ends."""
    zone = ZoneInfo(business_timezone)
    workers = Workers("database", settings.api_threads, _DATABASE_SECONDS)
    probe = Workers("database", 1, _PROBE_SECONDS)
    shop = Shop(engine, zone, workers, settings.api_max_body_bytes)
    token = settings.millrace_admin_token

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        for each in (workers, probe, reader):
            each.close()
        engine.dispose()

    routes: list[BaseRoute] = [
        *Orders(shop).routes(),
        *Admin(shop, Credential(token.get_secret_value() if token else None)).routes(),
        *catalogue_routes(shop),
        *Analytics(reader, zone).routes(),
        *Operations(shop, probe).routes(),
        *Pages(business_timezone).routes(),
    ]
    routes += Reference(routes).routes()
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Boundary)],
        exception_handlers={HTTPException: _http_problem},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # one resource, one path
    return app


async def _http_problem(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses, unknown paths above all; every other exception passes to the boundary."""
    return from_exception(error).response(request.scope[REQUEST_ID])
