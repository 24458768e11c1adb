"""docs/security.md, held to the accounts, the settings and the program it speaks of."""

from __future__ import annotations

import re
from collections import defaultdict
from xml.etree import ElementTree

import pytest

from infra.accounts import SECRETS
from infra.components.files import read
from infra.components.grafana import GrafanaArgs
from infra.components.passwords import LENGTH
from infra.versions import UPSTREAM
from services.provision.rights import ACCOUNTS
from tests.infra.variants import captured
from tests.support.databases import open_database
from tests.support.process import PROJECT

PAGE = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
SETTINGS = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^#{2,3} ([^\n]+)\n(.*?)(?=^#{2,3} |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def table(section: str) -> list[list[str]]:
    """The cells of the first table of a section, without its heading's underline."""
    rows = re.findall(r"^\|(.+)\|$", SECTIONS[section], re.MULTILINE)
    return [[cell.strip().strip("`") for cell in row.split("|")] for row in rows if not set(row) <= set("|- ")]


def test_the_rights_in_mysql_are_those_of_the_accounts() -> None:
    heading, *rows = table("MySQL")
    assert heading[1:] == [account.name for account in ACCOUNTS]
    told = {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows}
    made: dict[str, dict[str, str]] = {}
    for account in ACCOUNTS:
        letters: dict[str, set[str]] = defaultdict(set)
        for right in account.rights:
            for action in right.actions:
                letter = action[0].lower() if right.columns else action[0]
                letters[right.table or "the server"].add(letter if right.table else action)
        for name, found in letters.items():
            words = ", ".join(sorted(found)) if name == "the server" else " ".join(sorted(found, key="SIDUsidu".index))
            made.setdefault(name, dict.fromkeys(heading[1:], ""))[account.name] = words
    assert {name: {who: in_order(name, cell) for who, cell in row.items()} for name, row in told.items()} == made


def in_order(name: str, cell: str) -> str:
    """A cell with its letters in one order."""
    return cell if name == "the server" else " ".join(sorted(cell.split(), key="SIDUsidu".index))


def test_the_users_of_clickhouse_are_those_declared() -> None:
    users = ElementTree.fromstring(read("templates/clickhouse-users.xml")).find("users")  # noqa: S314 - our own file
    assert users is not None
    told = [row[0] for row in table("ClickHouse")[1:]]
    assert sorted(told) == sorted(user.tag for user in users if user.tag != "default")
    (default,) = (user for user in users if user.tag == "default")
    assert default.get("remove") == "remove"
    may = {row[0]: row[2] for row in table("ClickHouse")[1:]}
    for user in may.keys() - {"admin", "aggregator", "api", "connect"}:
        granted = [query.text or "" for query in users.findall(f"{user}/grants/query")]
        everywhere = "GRANT SELECT ON $database.*" in granted
        assert everywhere is may[user].startswith("SELECT on `analytics`"), user
        named = {one for one in re.findall(r"`(?:system[.])?(\w+)`", may[user]) if one != "analytics"}
        assert named <= set(re.findall(r" ON [$\w]+[.](\w+)", " ".join(granted))), user


def test_secrets_are_counted_right() -> None:
    assert f"{len(SECRETS)} of them, generated, {LENGTH} characters" in PAGE


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b(?:KAFKA|CLICKHOUSE|MYSQL|OUTBOX)_[A-Z_]+\b", PAGE))))
def test_settings_named_exist(name: str) -> None:
    assert f"`{name}`" in SETTINGS or name in {"MYSQL_ROOT_PASSWORD", "MYSQL_PWD"}  # MySQL's own


def test_the_way_to_a_mysql_with_tls_is_one_that_works() -> None:
    (url,) = re.findall(r"mysql://\S+?ssl_check_hostname=true", PAGE)
    engine = open_database(url)
    _, arguments = engine.dialect.create_connect_args(engine.url)
    assert arguments["ssl"] == {"ca": "/etc/ssl/db.pem", "check_hostname": True}
    engine.dispose()


def test_what_it_says_of_grafanas_visitors_is_so() -> None:
    envs = captured().containers["grafana"].inputs["envs"]
    assert ("GF_AUTH_ANONYMOUS_ENABLED=true" in envs) == ("Anonymous viewing is on" in PAGE)
    assert "GF_AUTH_ANONYMOUS_ORG_ROLE=Viewer" in envs
    assert "settings" in GrafanaArgs.__dataclass_fields__


def test_images_are_pinned() -> None:
    for reference in UPSTREAM.values():
        assert re.fullmatch(r"[\w./-]+:v?\d+(\.\d+)+@sha256:[0-9a-f]{64}", reference), reference
