"""Who may connect, and what they may do; and the credentials file of the embedded mode that says so."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from services.embedded.clickhouse.errors import Code, QueryError
from services.embedded.lifetime import StartError

_KEYS: Final = {"password", "readonly", "settings", "limits"}
# What a reader may run is decided on the SQL text, so its statements are always in ClickHouse's own dialect.
_FIXED_FOR_READERS: Final = {"readonly", "dialect"}


# What an unknown name's password is compared with, so that it takes as long as a known one's.
_NOBODY: Final = bytes(hashlib.sha256().digest_size)


class Limit(NamedTuple):
    """What a request may give a setting; None for no bound. Zero means unlimited to ClickHouse."""

    least: int | None
    most: int | None


@dataclass(frozen=True)
class User:
    """One user: `settings` hold unless a request overrides them, within `limits` and not those that are `fixed`.

    `digest` is the SHA-256 of the password. `adjusts` says whether requests may override settings at all. A limited
    setting without a value of its own has the upper bound of its limit. `role`: what the engine calls its rights; ""
    where the front knows writers and readers only.
    """

    name: str
    digest: bytes = field(repr=False)
    readonly: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    fixed: Set[str] = frozenset()
    adjusts: bool = True
    role: str = ""

    def initial_settings(self) -> dict[str, str]:
        """The settings that a connection of this user begins with."""
        limits = {name: str(limit.most) for name, limit in self.limits.items() if limit.most is not None}
        return limits | dict(self.settings)

    def check_setting(self, name: str, value: str) -> None:
        """Raises QueryError when a request of this user may not give setting `name` this value."""
        if self.readonly and name in _FIXED_FOR_READERS:
            raise QueryError(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode. (READONLY)")
        if value == self.settings.get(name):
            return
        if not self.adjusts:
            raise QueryError(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode. (READONLY)")
        if name in self.fixed:
            raise _violated(f"Setting {name} should not be changed")
        if name in self.limits:
            _check_limit(name, value, self.limits[name])


def digest_of(password: str) -> bytes:
    """What a user's password is compared by."""
    return hashlib.sha256(password.encode("utf-8", "surrogateescape")).digest()


def _check_limit(name: str, value: str, limit: Limit) -> None:
    number = int(value) if value.isascii() and value.isdigit() else None
    if limit.most is not None and (number is None or number > limit.most):
        raise _violated(f"Setting {name} shouldn't be greater than {limit.most}")
    if limit.least is not None and (number is None or number < limit.least):
        raise _violated(f"Setting {name} shouldn't be less than {limit.least}")


def _violated(what: str) -> QueryError:
    return QueryError(Code.SETTING_CONSTRAINT_VIOLATION, f"{what}. (SETTING_CONSTRAINT_VIOLATION)")


class Users:
    """The users of one front."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = dict(users)

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    def authenticate(self, name: str, password: str) -> User:
        """The user of these credentials; raises QueryError 516, which does not say which of the two was wrong."""
        user = self._users.get(name)
        matches = hmac.compare_digest(user.digest if user else _NOBODY, digest_of(password))
        if user is None or not matches:
            raise QueryError(
                Code.AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name. "
                "(AUTHENTICATION_FAILED)",
            )
        return user


def read_users(path: Path) -> Users:
    """Read the credentials file.

    JSON: `{"NAME": {"password": "…", "readonly": false, "settings": {"max_threads": 2}, "limits": {"max_result_rows":
    100000}}}`; only the password is required.

    Raises:
        StartError: the file is missing, not JSON, or an entry does not have that form.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"the users file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"the users file {path} is not JSON: {error}") from error
    if not isinstance(document, dict) or not document:
        raise StartError(f"the users file {path} names no user")
    return Users({name: _read_user(path, name, entry) for name, entry in document.items()})


def _read_user(path: Path, name: str, entry: object) -> User:
    where = f"the users file {path}, user {name}"
    if not isinstance(entry, dict) or not isinstance(entry.get("password"), str):
        raise StartError(f"{where}: a password is required")
    unknown = set(entry) - _KEYS
    if unknown:
        raise StartError(f"{where}: {', '.join(sorted(unknown))} is not known; known are {', '.join(sorted(_KEYS))}")
    readonly, settings, limits = entry.get("readonly", False), entry.get("settings", {}), entry.get("limits", {})
    if not isinstance(readonly, bool) or not isinstance(settings, dict) or not isinstance(limits, dict):
        raise StartError(f"{where}: readonly is true or false, settings and limits are objects")
    for setting in (*settings, *limits):
        if not setting.isidentifier():
            raise StartError(f"{where}: {setting} is not the name of a setting")
    if not all(type(value) is int and value > 0 for value in limits.values()):
        raise StartError(f"{where}: limits are whole numbers above zero")
    return User(
        name,
        digest_of(entry["password"]),
        readonly,
        {key: str(value) for key, value in settings.items()},
        {key: Limit(1, value) for key, value in limits.items()},
    )
