"""/healthz, /readyz and /metrics: for supervisors and Prometheus."""

import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.answer_models import Liveness, Readiness
from services.api.answers import json_response
from services.api.described import Answers, describe
from services.api.routing import resource
from services.api.shop import Shop
from services.api.workers import Workers


class Operations:
    """The resource. ``probe`` has a thread of its own, so that a queue of orders does not make the API unready."""

    def __init__(self, shop: Shop, probe: Workers) -> None:
        self._shop, self._probe = shop, probe

    def routes(self) -> list[Route]:
        """Its paths."""
        return [
            resource("/healthz", get=self.health),
            resource("/readyz", get=self.ready),
            resource("/metrics", get=self.metrics),
        ]

    @describe("Alive?", tag="operation", answers={200: Answers("The process answers", Liveness)})
    async def health(self, _request: Request) -> Response:
        """200 while the process answers."""
        return json_response({"status": "ok"})

    @describe("Ready?", tag="operation", answers={200: Answers("Orders can be taken", Readiness)})
    async def ready(self, _request: Request) -> Response:
        """200 when orders can be taken, which the relational database alone decides; else a 503 problem."""
        await self._probe.run(self._ask)
        return json_response({"status": "ready"})

    def _ask(self) -> None:
        with self._shop.engine.connect() as connection:
            connection.execute(sa.select(1))

    @describe("Metrics", tag="operation", answers={200: Answers("Prometheus's text format", media="text/plain")})
    async def metrics(self, _request: Request) -> Response:
        """Every metric of the process in Prometheus's text format."""
        return Response(generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})
