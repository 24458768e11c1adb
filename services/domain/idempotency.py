"""Answers kept under the clients' idempotency keys, so that a request that is sent again is not done again.

A request claims its key for a while in a transaction of its own. Its answer is written by the transaction that does
what was asked, and only while the claim is its own: a claim that ran out may have been taken over, and the late one
must then change nothing (a fencing token, as in services.clients.lease). All times are the database's.
"""

import json
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from uuid_utils import uuid7

from services.clients.database import OutcomeUnknown, database_now, write
from services.clients.types import utc_after, utc_now
from services.domain.tables import idempotency_keys as keys

KEPT_SECONDS: Final = 24 * 3600
"""How long an answer is repeated, from the claim of its key on."""
_LOOKS: Final = 5


@dataclass(frozen=True)
class Answer:
    """What was answered: an HTTP status, headers in their order, and a body of text."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True)
class Claim:
    """The right to do what the key was sent for; ``token`` is another one after every change of hands."""

    scope: str
    token: str


class OtherRequest(Exception):
    """The key was used for another request."""


class StillRunning(Exception):
    """Another request has the key's claim."""


class TakenOver(Exception):
    """The claim ran out, and another request has it now: nothing of this one may be stored."""


def claim(engine: Engine, scope: str, digest: str, seconds: int) -> Claim | Answer:
    """The answer that is kept under the key, or its claim for so many seconds.

    ``scope``: whose key it is, 64 characters. ``digest``: what is asked for, 64 characters. Raises OtherRequest when
    the key stands for something else, StillRunning while another request has it.
    """
    token = str(uuid7())
    for _ in range(_LOOKS):
        if _first(engine, scope, digest, token, seconds):
            return Claim(scope, token)
        found = _look(engine, scope, digest, token)
        if isinstance(found, Answer | Claim):
            return found
        if found is not None and write(engine, lambda connection: _take(connection, scope, digest, token, seconds)):
            return Claim(scope, token)
        # purged, released, answered or taken over since: what is there now?
    raise StillRunning


def _first(engine: Engine, scope: str, digest: str, token: str, seconds: int) -> bool:
    """Inserts before looking: a key is new nearly always, and on MySQL a look that locks could only deadlock."""

    def insert(connection: Connection) -> None:
        connection.execute(
            sa.insert(keys).values(
                scope=scope,
                request_digest=digest,
                claim=token,
                claimed_until=utc_after(seconds),
                created_at=utc_now(),
                expires_at=utc_after(KEPT_SECONDS),
            )
        )

    try:
        write(engine, insert)
    except (sa.exc.IntegrityError, OutcomeUnknown):  # a look tells whose the row is
        return False
    return True


def _look(engine: Engine, scope: str, digest: str, token: str) -> Answer | Claim | bool | None:
    """True for a row that may be taken over, None where there is none. Raises as ``claim``."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(keys, utc_now().label("now")).where(keys.c.scope == scope)).first()
    if row is None:
        return None
    if row.claim == token:
        return Claim(scope, token)
    running = row.claimed_until > row.now
    if row.expires_at <= row.now and not running:
        return True
    if row.request_digest != digest:
        raise OtherRequest
    if running:
        raise StillRunning
    if row.status is not None:
        return Answer(row.status, tuple((name, value) for name, value in json.loads(row.headers)), row.body)
    return True


def _take(connection: Connection, scope: str, digest: str, token: str, seconds: int) -> bool:
    """The look took no lock: whether the row still may be taken over is asked again, of the row as it is now."""
    unanswered = sa.or_(keys.c.status.is_(None), keys.c.expires_at <= utc_now())
    taken = connection.execute(
        sa.update(keys)
        .where(keys.c.scope == scope, keys.c.claimed_until <= utc_now(), unanswered)
        .values(
            request_digest=digest,
            claim=token,
            claimed_until=utc_after(seconds),
            status=None,
            headers=None,
            body=None,
            expires_at=utc_after(KEPT_SECONDS),
        )
    )
    return taken.rowcount == 1


def keep(connection: Connection, claim: Claim, answer: Answer, final: bool = True) -> None:
    """Writes the answer in the transaction that makes it true. Raises TakenOver, which has to undo that transaction.

    ``final`` ends the claim. Without it the claim goes on, and the answer is repeated only once it has run out.
    """
    values: dict[str, object] = {
        "status": answer.status,
        "headers": json.dumps(answer.headers),
        "body": answer.body,
    }
    if final:
        values["claimed_until"] = keys.c.created_at
    kept = connection.execute(sa.update(keys).where(_own(claim)).values(values))
    if kept.rowcount != 1:
        raise TakenOver


def settle(engine: Engine, claim: Claim, answer: Answer) -> None:
    """Keeps the answer of a request that changed nothing. Raises TakenOver."""
    write(engine, lambda connection: keep(connection, claim, answer))


def release(engine: Engine, claim: Claim) -> None:
    """Ends the claim of a request that did nothing, or no more than what its kept answer says."""

    def end(connection: Connection) -> None:
        forgotten = connection.execute(sa.delete(keys).where(_own(claim), keys.c.status.is_(None)))
        if forgotten.rowcount == 0:
            connection.execute(sa.update(keys).where(_own(claim)).values(claimed_until=keys.c.created_at))

    write(engine, end)


def _own(claim: Claim) -> sa.ColumnElement[bool]:
    return sa.and_(keys.c.scope == claim.scope, keys.c.claim == claim.token)


def purge(engine: Engine, most: int) -> int:
    """Forgets at most so many keys whose time is over; returns how many. Reads along the index, locks by the key."""
    with engine.connect() as connection:
        now = database_now(connection)
        due = sa.select(keys.c.scope).where(keys.c.expires_at <= now).order_by(keys.c.expires_at).limit(most)
        scopes = sorted(connection.scalars(due))
    if not scopes:
        return 0
    # one that was taken over meanwhile has a later end
    forget = sa.delete(keys).where(keys.c.scope.in_(scopes), keys.c.expires_at <= now)
    return write(engine, lambda connection: connection.execute(forget).rowcount)
