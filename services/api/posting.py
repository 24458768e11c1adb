"""The one way a POST goes, so that none can leave something out: credential, key, body, model, then the action once.

A route gives its body's model and a function that runs in a thread. Whatever that function changes, it changes within
``Post.once`` (or ``Post.in_steps``), which honours the client's Idempotency-Key.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from services.api.body import parse_object, read_body, read_json
from services.api.boundary import REQUEST_ID, TRACEPARENT
from services.api.idempotency import Keep, Key, key_of, once, sent_key
from services.api.requests import validated
from services.api.routing import ROUTE, PostHandler
from services.api.shop import Shop
from services.domain.also import Also
from services.domain.idempotency import purge

B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")

_BEYOND_DEADLINE_SECONDS: Final = 10
_PURGE_EVERY: Final = 50
_PURGE_MOST: Final = 200

Guard = Callable[[Request], Awaitable[Any]]
"""Says who asks, or raises a problem (401, 403, 400); before anything of the request is looked at."""


class Post(Generic[B]):
    """One POST: ``body`` is valid, ``actor`` is what the route's guard returned."""

    def __init__(self, request: Request, body: B, actor: Any, key: Key | None, shop: Shop) -> None:
        self.body, self.actor = body, actor
        self.path_params: dict[str, str] = request.path_params
        self.traceparent: str = request.scope[TRACEPARENT]
        self.request_id: str = request.scope[REQUEST_ID]
        self._key, self._shop = key, shop
        self._seconds = int(shop.workers.seconds) + _BEYOND_DEADLINE_SECONDS
        self.honoured = key is None

    def once(self, change: Callable[[Also[T] | None], T], answer: Callable[[T], Response]) -> Response:
        """The answer to one domain function: ``post.once(lambda also: cancel_order(…, also=also), answer)``."""

        def work(keep: Keep) -> Response:
            return answer(change(keep.also(answer)))

        return self.in_steps(work)

    def in_steps(self, work: Callable[[Keep], Response]) -> Response:
        """The answer to several transactions: each stores its own by ``keep.also``, all but the last not as final."""
        self.honoured = True
        return once(self._shop.engine, self._key, self._seconds, self.request_id, work)


class Posting(PostHandler, Generic[B]):
    """The handler of a POST route, and what is known of it: the body's model, and who may ask."""

    def __init__(
        self,
        shop: Shop,
        model: type[B],
        work: Callable[[Post[B]], Response],
        *,
        guard: Guard | None = None,
        body_optional: bool = False,
    ) -> None:
        """``body_optional``: no body at all means ``{}``."""
        self.model, self.guard, self.body_optional = model, guard, body_optional
        self._shop, self._work = shop, work
        self._claims = 0

    async def __call__(self, request: Request) -> Response:
        """Answers the request. Raises problems."""
        actor = None if self.guard is None else await self.guard(request)
        sent = sent_key(request)
        limit = self._shop.max_body_bytes
        body = await (read_body if self.body_optional else read_json)(request, limit)
        key = None if sent is None else key_of(sent, request.scope[ROUTE], request, body)
        return await self._shop.do(lambda: self._answer(request, body, actor, key))

    def _answer(self, request: Request, body: bytes, actor: Any, key: Key | None) -> Response:
        valid = validated(self.model, {} if self.body_optional and not body else parse_object(body))
        post = Post(request, valid, actor, key, self._shop)
        if key is not None:
            self._purge()
        response = self._work(post)
        if not post.honoured:
            raise RuntimeError("a POST ignores the Idempotency-Key: answer within Post.once")
        return response

    def _purge(self) -> None:
        """Keys go as they come, four for one; who sends none pays nothing. Before the claim: its failure costs none."""
        self._claims += 1  # threads may lose one to another: it is about how often, not about how many
        if self._claims % _PURGE_EVERY == 0:
            purge(self._shop.engine, _PURGE_MOST)
