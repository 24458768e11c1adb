"""Who may do what only administrators may, and the record of what they did or tried.

A route that only administrators may use does its work within ``Admins.acting``:

    async with self._admins.acting(request, "order.delete", order_id) as acting:
        await self._shop.do(lambda: delete_order(engine, order_id, traceparent, also=acting.also()))

The credential is looked up for every request, so a revocation counts from the next one on. What was done is recorded in
the transaction that does it; what was refused, in one of its own, before the refusal is answered.
"""

import hmac
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy.engine import Connection
from starlette.requests import Request

from services.api.boundary import ACTED, REQUEST_ID
from services.api.problems import FieldError, Problem, from_exception
from services.api.requests import is_identifier
from services.api.shop import Shop
from services.domain.admin_actions import Actor, AdminAction, Outcome, append_action, record_action
from services.domain.admin_tokens import BOOTSTRAP, State, digest_of, find_token
from services.domain.also import Also
from services.domain.errors import DomainError

T = TypeVar("T")

Remember = Callable[[str, str], None]
"""Told the digest and the id of every token that was let in."""

_ADMIN_ID = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?")
_NO_ID = "(no id)"


def _done(_value: object) -> Outcome:
    return "done"


def _nothing(_value: object) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True)
class Acting:
    """An administrator at work: ``actor`` does ``action`` to ``target``."""

    actor: Actor
    action: str
    target: str
    said: dict[str, str]
    """What the access log says of it."""

    def also(
        self,
        outcome: Callable[[T], Outcome] = _done,
        details: Callable[[T], Mapping[str, object]] = _nothing,
    ) -> Also[T]:
        """What records the action with the change: given to the domain's function as ``also``.

        ``outcome`` and ``details`` are asked with what that function returns.
        """

        def add(connection: Connection, value: T) -> None:
            self.said["outcome"] = outcome(value)
            append_action(connection, self._row(outcome(value), details(value)))

        return add

    def refused(self, problem: Problem) -> AdminAction:
        """The row about a refusal."""
        self.said["outcome"] = "refused"
        return self._row("refused", {"status": problem.status, "problem": problem.slug, "detail": problem.detail})

    def _row(self, outcome: Outcome, details: Mapping[str, object]) -> AdminAction:
        return AdminAction(self.actor, self.action, self.target, outcome, details)


class Admins:
    """The credentials: those in the database, and the one that is a setting."""

    def __init__(self, shop: Shop, bootstrap: str | None, remember: Remember = lambda _digest, _token: None) -> None:
        """``bootstrap`` None: only tokens of the database are let in."""
        self._shop, self._remember = shop, remember
        self._bootstrap = digest_of(bootstrap) if bootstrap else None

    @asynccontextmanager
    async def acting(self, request: Request, action: str, target: str) -> AsyncIterator[Acting]:
        """The administrator of this request, for the block that does the work; refusals out of it are recorded.

        Raises a problem: 401 without a valid token, 400 without X-Admin-Id.
        """
        target = target if is_identifier(target) else _NO_ID
        said = {"action": action, "target": target, "outcome": "refused", "client": _address(request)}
        request.scope[ACTED] = said
        token_id, token_name, state, digest = await self._token(request)
        said["token"] = token_name
        acting = Acting(Actor(token_id, token_name, "", request.scope[REQUEST_ID]), action, target, said)
        try:
            if state != "active":
                raise unauthorized(f"This token {'has expired' if state == 'expired' else 'was revoked'}.")
            self._remember(digest, token_id)
            admin_id = said["admin_id"] = _admin_id(request)
            acting = replace(acting, actor=replace(acting.actor, admin_id=admin_id))
            said["outcome"] = ""
            yield acting
        except (Problem, DomainError) as error:
            problem = from_exception(error)
            if problem.status < 500:
                row = acting.refused(problem)
                await self._shop.do(lambda: record_action(self._shop.engine, row))
            raise

    async def _token(self, request: Request) -> tuple[str, str, State, str]:
        """Id, name, state and digest of the token that the request bears. Raises a 401 problem for any other."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise unauthorized()
        digest = digest_of(secret)
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            return BOOTSTRAP, BOOTSTRAP, "active", digest
        token = await self._shop.do(lambda: find_token(self._shop.engine, secret))
        if token is None:
            raise unauthorized("This token is not known.")
        return token.id, token.name, token.state, digest


def unauthorized(what: str | None = None) -> Problem:
    """No credential was sent, or one that is worth nothing (``what``)."""
    challenge = 'Bearer realm="millrace"' + (', error="invalid_token"' if what else "")
    detail = f"{what} " if what else ""
    detail += "Send the header Authorization: Bearer TOKEN with an admin token."
    return Problem(401, "unauthorized", "Unauthorized", detail, headers={"WWW-Authenticate": challenge})


def _admin_id(request: Request) -> str:
    admin_id: str = request.headers.get("x-admin-id", "")
    if not _ADMIN_ID.fullmatch(admin_id):
        detail = "Send the header X-Admin-Id with the acting person's id: 1 to 128 printable characters."
        error = FieldError("X-Admin-Id", "is required" if not admin_id else "must be 1 to 128 printable characters")
        raise Problem(400, "admin-id-missing", "Who acts is not named", detail, (error,))
    return admin_id


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
