"""The bearer tokens of administrators: made, found, revoked, replaced. Only their digests are stored.

A token is 32 random bytes. Nobody tries 2^256 values, so a plain SHA-256 keeps it; slow, salted hashes are for the
passwords that people choose. Being looked up by digest tells nothing either: how long a comparison takes depends on the
digest of what was tried, and from that no token can be made.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row
from uuid_utils import uuid7

from services.clients.database import alone, database_now, write
from services.clients.types import utc_now
from services.domain.also import Also, together
from services.domain.errors import Conflict, Invalid, NotFound
from services.domain.tables import admin_tokens

PREFIX = "mr_"
"""What a token begins with, so that people and secret scanners know one when they see it."""
BOOTSTRAP = "bootstrap"
"""Name and id of the token that is a setting (MILLRACE_ADMIN_TOKEN) and has no row."""
_RANDOM_BYTES = 32
_PATIENCE_SECONDS = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)

State = Literal["active", "expired", "revoked"]


@dataclass(frozen=True)
class AdminToken:
    """A token as it is stored, without what would let anybody in; ``state`` at the moment it was read."""

    id: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    state: State


@dataclass(frozen=True)
class Issued:
    """A new token; ``secret`` is what its bearer sends, and stands nowhere else."""

    token: AdminToken
    secret: str


def new_secret() -> str:
    """What a bearer sends: 32 random bytes behind the prefix."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(secret: str) -> str:
    """SHA-256 in hexadecimal, as it is stored."""
    return sha256(secret.encode()).hexdigest()


def create_token(
    engine: Engine, name: str, lifetime: timedelta | None = None, also: Also[Issued] | None = None
) -> Issued:
    """A token of this name, for ever or for ``lifetime``.

    Raises Conflict while one of that name is active, Invalid for what is no name.
    """

    def work(connection: Connection) -> Issued:
        if _active(connection, admin_tokens.c.name == name):
            raise Conflict(f"there is a token {name} already: rotate or revoke it, or choose another name")
        return _issue(connection, name, lifetime)

    _require_own_row(name)
    if not _NAME.fullmatch(name):
        raise Invalid("name", f"must be 1 to 64 letters, digits, and . _ @ - after the first: {name[:80]!r} is not")
    taken = Conflict("somebody else has been making admin tokens for some time: look at the list, and try again")
    with alone(engine, "admin_tokens", _PATIENCE_SECONDS, taken):  # a name that is free has no row to lock
        return write(engine, together(work, also))


def rotate_token(
    engine: Engine,
    name: str,
    overlap: timedelta,
    lifetime: timedelta | None = None,
    also: Also[Issued] | None = None,
) -> Issued:
    """A new token of this name; the ones before it work for another ``overlap``, and no longer than they would have.

    Without ``lifetime`` the new one lives as long as the newest before it was meant to, also where that was revoked
    since. Raises NotFound when none of that name is active.
    """

    def work(connection: Connection) -> Issued:
        known = _locked(connection, admin_tokens.c.name == name)
        before = [token for token in known if token.state == "active"]
        if not before:
            raise NotFound("active token", name)
        newest = max(known, key=lambda token: (token.created_at, token.id))  # the ends of older ones were cut
        inherited = newest.expires_at - newest.created_at if newest.expires_at else None
        issued = _issue(connection, name, lifetime or inherited)
        end = database_now(connection) + overlap
        connection.execute(
            sa.update(admin_tokens)
            .where(
                admin_tokens.c.id.in_([each.id for each in before]),
                sa.or_(admin_tokens.c.expires_at.is_(None), admin_tokens.c.expires_at > end),
            )
            .values(expires_at=end)
        )
        return issued

    _require_own_row(name)
    return write(engine, together(work, also))


def revoke_token(engine: Engine, name_or_id: str, also: Also[list[AdminToken]] | None = None) -> list[AdminToken]:
    """Ends the active tokens of this name, or the one of this id, and returns them. Raises NotFound."""

    def work(connection: Connection) -> list[AdminToken]:
        found = _active(connection, sa.or_(admin_tokens.c.name == name_or_id, admin_tokens.c.id == name_or_id))
        if not found:
            raise NotFound("active token", name_or_id)
        now = database_now(connection)
        connection.execute(
            sa.update(admin_tokens).where(admin_tokens.c.id.in_([each.id for each in found])).values(revoked_at=now)
        )
        return found

    _require_own_row(name_or_id)
    return write(engine, together(work, also))


def list_tokens(engine: Engine) -> list[AdminToken]:
    """Every token there ever was, the oldest first."""
    with engine.connect() as connection:
        return [_token(row) for row in connection.execute(_WITH_NOW.order_by(admin_tokens.c.id))]


def find_token(engine: Engine, secret: str) -> AdminToken | None:
    """The token that this is, active or not; None for anything else."""
    digest = digest_of(secret)
    with engine.connect() as connection:
        row = connection.execute(_WITH_NOW.where(admin_tokens.c.digest == digest)).first()
    return _token(row) if row is not None and hmac.compare_digest(row.digest, digest) else None


_WITH_NOW = sa.select(admin_tokens, utc_now().label("now"))


def _locked(connection: Connection, which: sa.ColumnElement[bool]) -> list[AdminToken]:
    """Whatever their state, the oldest first."""
    rows = connection.execute(_WITH_NOW.where(which).order_by(admin_tokens.c.id).with_for_update())
    return [_token(row) for row in rows]


def _active(connection: Connection, which: sa.ColumnElement[bool]) -> list[AdminToken]:
    return [token for token in _locked(connection, which) if token.state == "active"]


def _issue(connection: Connection, name: str, lifetime: timedelta | None) -> Issued:
    secret, now = new_secret(), database_now(connection)
    expires_at = now + lifetime if lifetime is not None else None
    token = AdminToken(str(uuid7()), name, now, expires_at, None, "active")
    connection.execute(
        sa.insert(admin_tokens).values(
            id=token.id, name=name, digest=digest_of(secret), created_at=now, expires_at=expires_at
        )
    )
    return Issued(token, secret)


def _token(row: "Row[tuple[object, ...]]") -> AdminToken:
    expired = row.expires_at is not None and row.expires_at <= row.now
    state: State = "revoked" if row.revoked_at is not None else "expired" if expired else "active"
    return AdminToken(row.id, row.name, row.created_at, row.expires_at, row.revoked_at, state)


def _require_own_row(name: str) -> None:
    if name == BOOTSTRAP:
        raise Conflict(
            f"{BOOTSTRAP} is the setting MILLRACE_ADMIN_TOKEN: change or remove it there and restart the API"
        )
