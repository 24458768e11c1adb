"""Users as a ClickHouse server declares them: the files of users.d, as far as the front can hold to them.

What it cannot hold to is refused at the start rather than passed over. Grants are the engine's to hold (`rights`);
besides, the front takes for a reader whoever's profile says `readonly`.

In ClickHouse's documentation: users and roles settings, settings profiles, constraints on settings.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# The files come from whoever runs the server.
from xml.etree import ElementTree

from services.embedded.clickhouse.rights import EVERYTHING, role_of
from services.embedded.clickhouse.users import Limit, User, Users, digest_of
from services.embedded.lifetime import StartError

_PASSED_OVER: Final = {"quota", "access_management", "named_collection_control"}
_EVERYBODY: Final = {"::/0", "0.0.0.0/0"}
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}\Z")
_DEFAULT: Final = "default"

Elements = dict[str, ElementTree.Element]


@dataclass
class _Profile:
    readonly: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    limits: dict[str, Limit] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class ServerUsers:
    """The users, and their GRANTs by name, without TO."""

    users: Users
    grants: Mapping[str, Sequence[str]]


def read_server_users(folder: Path) -> ServerUsers:
    """Read every *.xml of a folder, in the order of names.

    Raises:
        StartError: a file is not of that form, declares what the front cannot hold to, or no user is declared.
    """
    profiles: Elements = {}
    users: Elements = {}
    for path in sorted(folder.glob("*.xml")):
        try:
            _collect(_root(path), profiles, users)
        except _Wrong as error:
            raise StartError(f"{path}: {error}") from error
    if not users:
        raise StartError(f"{folder}: no *.xml there declares a user")
    try:
        return ServerUsers(
            Users({name: _user(element, profiles) for name, element in users.items()}),
            {name: _grants(element) for name, element in users.items()},
        )
    except _Wrong as error:
        raise StartError(f"{folder}: {error}") from error


class _Wrong(Exception):
    """What is wrong, without the place."""


def _root(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314
    except OSError as error:
        raise _Wrong(f"cannot be read: {error.strerror}") from error
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise _Wrong(f"is not XML: {error}") from error
    if root.tag != "clickhouse":
        raise _Wrong(f"begins with <{root.tag}> instead of <clickhouse>")
    return root


def _collect(root: ElementTree.Element, profiles: Elements, users: Elements) -> None:
    sections = {"profiles": profiles, "users": users, "quotas": {}}
    for section in root:
        if section.tag not in sections:
            raise _Wrong(f"<{section.tag}> is not known; known are {', '.join(sections)}")
        known = sections[section.tag]
        for element in section:
            if "remove" in element.attrib:
                known.pop(element.tag, None)
            elif known.setdefault(element.tag, element) is not element:
                raise _Wrong(f"<{element.tag}> of {section.tag} is declared twice")


def _user(element: ElementTree.Element, profiles: Mapping[str, ElementTree.Element]) -> User:
    where = f"user {element.tag}"
    profile = _Profile()
    digest: bytes | None = None
    for part in element:
        match part.tag:
            case "password_sha256_hex":
                digest = _digest(where, _text(part))
            case "password":
                digest = digest_of(_text(part))
            case "profile":
                profile = _profile(_text(part), profiles)
            case "networks":
                _check_networks(where, part)
            case name if name not in _PASSED_OVER | {"grants"}:
                raise _Wrong(f"{where}: <{name}> is more than this front can do")
    if digest is None:
        raise _Wrong(f"{where}: password_sha256_hex is required")
    return User(
        element.tag,
        digest,
        profile.readonly > 0,
        profile.settings,
        profile.limits,
        frozenset(profile.fixed),
        # 1 forbids changing settings as well, 2 allows it
        adjusts=profile.readonly != 1,
        role=role_of(element.tag),
    )


def _grants(user: ElementTree.Element) -> list[str]:
    declared = user.find("grants")
    return [EVERYTHING] if declared is None else [_text(query) for query in declared.findall("query")]


def _digest(where: str, text: str) -> bytes:
    if not _SHA256.match(text):
        raise _Wrong(f"{where}: password_sha256_hex is not 64 hexadecimal digits")
    return bytes.fromhex(text)


def _check_networks(where: str, networks: ElementTree.Element) -> None:
    if any(network.tag != "ip" or _text(network) not in _EVERYBODY for network in networks):
        raise _Wrong(f"{where}: this front cannot restrict networks: allow ::/0 and publish its port to whom you mean")


def _profile(name: str, profiles: Mapping[str, ElementTree.Element], seen: tuple[str, ...] = ()) -> _Profile:
    element = profiles.get(name)
    if element is None:
        # A server has this one without being told.
        if name == _DEFAULT:
            return _Profile()
        raise _Wrong(f"profile {name} is not declared")
    if name in seen:
        raise _Wrong(f"profile {name} inherits from itself")
    profile = _Profile()
    for inherited in element.findall("profile"):
        profile = _profile(_text(inherited), profiles, (*seen, name))
    for part in element:
        if part.tag == "constraints":
            for constraint in part:
                _constrain(name, profile, constraint)
        elif part.tag == "readonly":
            profile.readonly = _whole(f"profile {name}: readonly", _text(part), most=2)
        elif part.tag != "profile":
            profile.settings[part.tag] = _setting(name, part)
    return profile


def _setting(profile: str, element: ElementTree.Element) -> str:
    value = _text(element)
    if not element.tag.isidentifier() or len(element):
        raise _Wrong(f"profile {profile}: <{element.tag}> is not a setting")
    if element.tag == "session_timezone" and value not in zoneinfo.available_timezones():
        raise _Wrong(f"profile {profile}: {value} is not a time zone such as Europe/Berlin")
    return value


def _constrain(profile: str, into: _Profile, element: ElementTree.Element) -> None:
    where = f"profile {profile}, constraint on {element.tag}"
    bounds: dict[str, int] = {}
    for part in element:
        if part.tag in ("min", "max"):
            bounds[part.tag] = _whole(f"{where}: {part.tag}", _text(part))
        elif part.tag in ("const", "readonly"):
            into.fixed.add(element.tag)
        else:
            raise _Wrong(f"{where}: <{part.tag}> is not known; known are min, max, const")
    if not element.tag.isidentifier():
        raise _Wrong(f"{where}: that is not the name of a setting")
    if bounds:
        into.limits[element.tag] = Limit(bounds.get("min"), bounds.get("max"))


def _whole(where: str, text: str, most: int | None = None) -> int:
    if not (text.isascii() and text.isdigit()) or (most is not None and int(text) > most):
        raise _Wrong(f"{where} is {text or 'empty'}, not a whole number{f' up to {most}' if most is not None else ''}")
    return int(text)


def _text(element: ElementTree.Element) -> str:
    return (element.text or "").strip()
