"""Who may connect, and what they may do: read from a credentials file."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.embedded.clickhouse.errors import Code, QueryError
from services.embedded.lifetime import StartError

_KEYS: Final = {"password", "readonly", "settings", "limits"}
# What a reader may run is decided on the SQL text, so its statements are always in ClickHouse's own dialect.
_FIXED_FOR_READERS: Final = {"readonly", "dialect"}


@dataclass(frozen=True)
class User:
    """One user: `settings` hold unless a request overrides them, `limits` may only be lowered by a request."""

    name: str
    password: str = field(repr=False)
    readonly: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)

    def check_setting(self, name: str, value: str) -> None:
        """Raises QueryError when a request of this user may not give setting `name` this value."""
        if self.readonly and name in _FIXED_FOR_READERS:
            raise QueryError(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode. (READONLY)")
        limit = self.limits.get(name)
        if limit is None:
            return
        # Zero means unlimited to ClickHouse.
        if not (value.isascii() and value.isdigit() and 0 < int(value) <= limit):
            raise QueryError(
                Code.SETTING_CONSTRAINT_VIOLATION,
                f"Setting {name} shouldn't be greater than {limit}. (SETTING_CONSTRAINT_VIOLATION)",
            )


class Users:
    """The users of one front."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = dict(users)

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    def authenticate(self, name: str, password: str) -> User:
        """The user of these credentials; raises QueryError 516, which does not say which of the two was wrong."""
        user = self._users.get(name)
        expected = user.password if user else ""
        matches = hmac.compare_digest(expected.encode(), password.encode())
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
    return User(name, entry["password"], readonly, {key: str(value) for key, value in settings.items()}, limits)
