"""The one way a POST goes, so that none can leave something out: credential, key, body, model, then the action once.

A route gives its body's model and what does the work: a function that runs in a thread and changes things by
``post.once``, or a coroutine function, where it waits for others in between, that does so by ``post.in_steps``. Both
honour the client's Idempotency-Key.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from inspect import iscoroutinefunction
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from services.api import idempotency
from services.api.body import parse_object, read_body, read_json
from services.api.boundary import REQUEST_ID, TRACEPARENT
from services.api.idempotency import Keep, Key, key_of, sent_key
from services.api.problems import Problem
from services.api.requests import validated
from services.api.routing import ROUTE, PostHandler
from services.api.shop import Shop
from services.domain.also import Also
from services.domain.idempotency import purge
from services.observability.logging import get_logger

B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")

_BEYOND_DEADLINE_SECONDS: Final = 10
_SMALL: Final = 16_384
"""Bytes of a body that is parsed on the event loop: handing it to a thread would cost more than the parsing."""
_PURGE_EVERY: Final = 50
_PURGE_MOST: Final = 200

log = get_logger()

Within = Callable[[Request], AbstractAsyncContextManager[Any]]
"""Says who asks, around all of a request; raises a problem (401, 403, 400) before anything else of it is looked at."""


class Post(Generic[B]):
    """One POST: ``body`` is valid, ``actor`` is what the route's ``within`` yields."""

    def __init__(self, request: Request, body: B, actor: Any, key: Key | None, shop: Shop) -> None:
        self.request, self.body, self.actor = request, body, actor
        self.path_params: dict[str, str] = request.path_params
        self.traceparent: str = request.scope[TRACEPARENT]
        self.request_id: str = request.scope[REQUEST_ID]
        self._key, self._shop = key, shop
        self._seconds = int(shop.workers.seconds) + _BEYOND_DEADLINE_SECONDS
        self.honoured = key is None

    def once(
        self,
        change: Callable[[Also[T] | None], T],
        answer: Callable[[T], Response],
        beside: Also[T] | None = None,
    ) -> Response:
        """The answer to one domain function: ``post.once(lambda also: cancel_order(…, also=also), answer)``. Blocks.

        ``beside``: what else is to be stored with the change.
        """
        self.honoured = True
        engine = self._shop.engine
        keep = Keep(None) if self._key is None else idempotency.begin(engine, self._key, self._seconds)
        if isinstance(keep, Response):
            return keep
        try:
            response = answer(change(keep.also(answer, beside=beside)))
        except Exception as error:
            failed = idempotency.fail(engine, keep, error, self.request_id)
        else:
            return idempotency.end(engine, keep, response)
        raise failed

    async def in_steps(self, work: Callable[[Keep], Awaitable[Response]]) -> Response:
        """The answer to several transactions, each of which stores its own by ``keep.also``: all but the last one
        with ``final=False``, for the case that no later one comes."""
        self.honoured = True
        engine, key = self._shop.engine, self._key
        if key is None:
            return await work(Keep(None))
        keep = await self._shop.do(lambda: idempotency.begin(engine, key, self._seconds))
        if isinstance(keep, Response):
            return keep
        begun = keep
        try:
            response = await work(begun)
        except Exception as error:
            raised = error
            failed: Exception | None = idempotency.unsettled(raised)
            if failed is None:
                failed = await self._in_room(lambda: idempotency.fail(engine, begun, raised, self.request_id), raised)
        else:
            if begun.is_final(response):
                return response
            return await self._in_room(lambda: idempotency.end(engine, begun, response), response)
        raise failed

    async def _in_room(self, work: Callable[[], T], otherwise: T) -> T:
        """What ``work`` on the claim returns; ``otherwise`` when there is no thread for it. What was done is done."""
        try:
            return await self._shop.do(work)
        except Problem as busy:
            log.warning("a key stays claimed until its time is over", error=busy.detail)
            return otherwise


class Posting(PostHandler, Generic[B]):
    """The handler of a POST route, and what is known of it: the body's model, and who may ask."""

    def __init__(
        self,
        shop: Shop,
        model: type[B],
        work: Callable[[Post[B]], Response] | Callable[[Post[B]], Awaitable[Response]],
        *,
        within: Within | None = None,
        body_optional: bool = False,
    ) -> None:
        """``body_optional``: no body at all means ``{}``."""
        self.model, self.body_optional = model, body_optional
        self.work = work
        self._shop, self._within = shop, within
        self._claims = 0

    async def __call__(self, request: Request) -> Response:
        """Answers the request. Raises problems."""
        async with nullcontext() if self._within is None else self._within(request) as actor:
            sent = sent_key(request)
            body = await (read_body if self.body_optional else read_json)(request, self._shop.max_body_bytes)
            key = None if sent is None else key_of(sent, request.scope[ROUTE], request, body)
            try:
                return await self._answer(request, body, actor, key)
            except Exception as error:
                unknown = None if key is None else idempotency.unsettled(error)
                if unknown is None:
                    raise
            raise unknown

    async def _answer(self, request: Request, body: bytes, actor: Any, key: Key | None) -> Response:
        if not iscoroutinefunction(self.work):
            return await self._shop.do(lambda: self._in_thread(request, body, actor, key))
        if key is None and len(body) <= _SMALL:
            post = self._post(request, body, actor, None)
        else:
            post = await self._shop.do(lambda: self._post(request, body, actor, key))
        return self._honoured(post, await self.work(post))

    def _post(self, request: Request, body: bytes, actor: Any, key: Key | None) -> Post[B]:
        valid = validated(self.model, {} if self.body_optional and not body else parse_object(body))
        if key is not None:
            self._purge()
        return Post(request, valid, actor, key, self._shop)

    def _in_thread(self, request: Request, body: bytes, actor: Any, key: Key | None) -> Response:
        work = cast("Callable[[Post[B]], Response]", self.work)
        post = self._post(request, body, actor, key)
        return self._honoured(post, work(post))

    @staticmethod
    def _honoured(post: Post[B], response: Response) -> Response:
        if not post.honoured:
            raise RuntimeError("a POST ignores the Idempotency-Key: answer within Post.once or Post.in_steps")
        return response

    def _purge(self) -> None:
        """Keys go as they come, four for one; who sends none pays nothing. Before the claim: its failure costs none."""
        self._claims += 1  # threads may lose one to another: it is about how often, not about how many
        if self._claims % _PURGE_EVERY == 0:
            purge(self._shop.engine, _PURGE_MOST)
