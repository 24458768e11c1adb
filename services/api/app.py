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

from services.api.admin import Admin
from services.api.admins import Admins
from services.api.analytics import Analytics
from services.api.analytics_reader import Reader
from services.api.boundary import REQUEST_ID, Boundary
from services.api.catalogue import catalogue_routes
from services.api.inventory import Stock
from services.api.operations import Operations
from services.api.orders import Orders
from services.api.pages import Pages
from services.api.payments import Payments
from services.api.problems import from_exception
from services.api.rates import KnownTokens, RateLimit, Rates
from services.api.reference import Reference
from services.api.shop import Shop
from services.api.workers import Workers
from services.payments.desk import open_provider
from services.payments.provider import Provider
from services.settings import DEFAULT_WRITES_PER_SECOND, ApiSettings, PaymentSettings

_PROBE_SECONDS = 2
_ANSWER_SECONDS = 1  # for a provider that keeps to its deadline to say that it had no answer


def create_app(
    engine: Engine,
    business_timezone: str,
    reader: Reader,
    settings: ApiSettings,
    payments: PaymentSettings | None = None,
    provider: Provider | None = None,
) -> Starlette:
    """The application on this database, analytics reader and payment provider, which it closes when it ends.

    Without ``payments`` their defaults are in force, without a ``provider`` the one that they name.
    """
    payments = payments or PaymentSettings.model_validate({})
    provider = provider or open_provider(payments)
    zone = ZoneInfo(business_timezone)
    workers = Workers("database", settings.api_threads, settings.api_request_seconds, settings.api_queue_seconds)
    probe = Workers("database", 1, _PROBE_SECONDS, repeatable=True)
    asking = Workers("payment provider", payments.payment_threads, payments.payment_timeout + _ANSWER_SECONDS)
    shop = Shop(engine, zone, workers, settings.api_max_body_bytes)
    token, known = settings.millrace_admin_token, KnownTokens()
    admins = Admins(shop, token.get_secret_value() if token else None, known.remember)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        for each in (provider, workers, probe, asking, reader):
            each.close()
        engine.dispose()

    routes: list[BaseRoute] = [
        *Orders(shop).routes(),
        *Admin(shop, admins).routes(),
        *Payments(shop, admins, provider, asking, payments.payment_timeout).routes(),
        *Stock(shop, admins).routes(),
        *catalogue_routes(shop),
        *Analytics(reader, zone).routes(),
        *Operations(shop, probe).routes(),
        *Pages(business_timezone).routes(),
    ]
    routes += Reference(routes).routes()
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Boundary, body_seconds=settings.api_body_seconds), *_rate_limit(settings, known)],
        exception_handlers={HTTPException: _http_problem},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # one resource, one path
    return app


def _rate_limit(settings: ApiSettings, known: KnownTokens) -> list[Middleware]:
    """Where nothing was said, clients on this machine write as often as they like."""
    per_second = settings.api_writes_per_second
    if per_second == 0:
        return []
    rates = Rates(per_second or DEFAULT_WRITES_PER_SECOND, settings.api_write_burst)
    return [Middleware(RateLimit, rates=rates, tokens=known, loopback=per_second is not None)]


async def _http_problem(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses, unknown paths above all; every other exception passes to the boundary."""
    return from_exception(error).response(request.scope[REQUEST_ID])
