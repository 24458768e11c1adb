"""A path and its methods: HEAD follows GET, OPTIONS tells what is there, anything else is a 405 problem with Allow."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.api.problems import method_not_allowed

Handler = Callable[[Request], Awaitable[Response]]
ROUTE = "millrace.route"


class PostHandler(ABC):
    """What answers POST: services.api.posting.Posting alone, so that no route forgets what a POST has to honour."""

    @abstractmethod
    async def __call__(self, request: Request) -> Response:
        """Answers the request. Raises problems."""


class Resource:
    """What answers at one path, by method, as an ASGI application."""

    def __init__(self, template: str, handlers: dict[str, Handler]) -> None:
        self.template, self.described = template, dict(handlers)
        """Without what follows from them: HEAD and OPTIONS."""
        self.handlers = dict(handlers)
        if "GET" in handlers:
            self.handlers["HEAD"] = handlers["GET"]
        self._allow = ", ".join(sorted({*self.handlers, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self.template
        method = scope["method"]
        if method == "OPTIONS":
            response = Response(status_code=204, headers={"Allow": self._allow})
        elif method in self.handlers:
            response = await self.handlers[method](Request(scope, receive, send))
        else:
            raise method_not_allowed(self._allow)
        await response(scope, receive, send)


def resource(
    template: str,
    *,
    get: Handler | None = None,
    post: PostHandler | None = None,
    patch: Handler | None = None,
    delete: Handler | None = None,
) -> Route:
    """The route of a path template (``/api/orders/{id}``)."""
    handlers: dict[str, Handler | None] = {"GET": get, "POST": post, "PATCH": patch, "DELETE": delete}
    return Route(template, Resource(template, {method: each for method, each in handlers.items() if each}))
