"""ClickHouse's users: each can do what its programs do, and no more."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from services.clients.named_sql import load
from services.embedded.clickhouse.errors import QueryError
from services.embedded.clickhouse.server_users import read_server_users
from tests.infra.variants import DEFAULT, captured

USERS = ("admin", "writer", "reader", "grafana")
FILE = "/etc/clickhouse-server/users.d/millrace.xml"
# What a statement does, by its first word. WITH begins a SELECT in all of them, which the test sees to.
RIGHTS = {
    "SELECT": {"SELECT"},
    "WITH": {"SELECT"},
    "INSERT": {"INSERT", "SELECT"},
    "DELETE": {"ALTER DELETE", "SELECT"},
}
_CHANGES = re.compile(r"^\s*(INSERT|DELETE|ALTER|CREATE|DROP|TRUNCATE)\b", re.MULTILINE | re.IGNORECASE)


@pytest.fixture(scope="module")
def text() -> str:
    """The file as the server gets it."""
    uploads = captured(DEFAULT, timezone="Asia/Seoul").containers["clickhouse"].inputs["uploads"]
    (found,) = (one["content"] for one in uploads if one["file"] == FILE)
    return str(found)


@pytest.fixture(scope="module")
def users(text: str) -> dict[str, ElementTree.Element]:
    """Declared users by name."""
    declared = ElementTree.fromstring(text).find("users")  # noqa: S314 - our own
    assert declared is not None
    return {user.tag: user for user in declared}


@pytest.fixture(scope="module")
def profiles(text: str) -> dict[str, ElementTree.Element]:
    """Declared profiles by name."""
    declared = ElementTree.fromstring(text).find("profiles")  # noqa: S314 - our own
    assert declared is not None
    return {profile.tag: profile for profile in declared}


def grants(user: ElementTree.Element) -> dict[str, set[str]]:
    """Rights by what they are on."""
    found: dict[str, set[str]] = {}
    for query in user.findall("grants/query"):
        match = re.fullmatch(r"GRANT ([A-Z, ]+) ON (\S+)( WITH GRANT OPTION)?", query.text or "")
        assert match, query.text
        found[match[2]] = set(match[1].split(", "))
    return found


def test_the_stack_has_these_users_and_no_default_one(users: dict[str, ElementTree.Element]) -> None:
    assert set(users) == {*USERS, "default"}
    assert users["default"].get("remove") == "remove"
    for user in USERS:
        assert re.fullmatch("[0-9a-f]{64}", users[user].findtext("password_sha256_hex") or "")
        assert users[user].find("password") is None


def test_grants(users: dict[str, ElementTree.Element]) -> None:
    assert {user: grants(users[user]) for user in USERS} == {
        "admin": {"*.*": {"ALL"}},
        "writer": {"analytics.*": {"SELECT", "INSERT", "ALTER DELETE"}},
        "reader": {"analytics.*": {"SELECT"}},
        "grafana": {"analytics.*": {"SELECT"}, "system.query_log": {"SELECT"}, "system.parts": {"SELECT"}},
    }


@pytest.mark.parametrize(
    ("user", "package", "file"),
    [
        ("writer", "services.aggregator", "queries.sql"),
        ("writer", "services.clients", "recompute.sql"),
        ("writer", "services.reconciler", "queries.sql"),
        ("reader", "services.api", "analytics.sql"),
    ],
)
def test_grants_cover_what_the_services_run(
    users: dict[str, ElementTree.Element], user: str, package: str, file: str
) -> None:
    statements = load(package, file)
    allowed = grants(users[user])["analytics.*"]
    for name in statements:
        words = statements[name].split(maxsplit=1)
        assert RIGHTS[words[0].upper()] <= allowed, f"{user} runs {name}"
        if words[0].upper() == "WITH":
            assert not re.search(
                r"^\s*(INSERT|DELETE|ALTER|CREATE|DROP|TRUNCATE)\b", statements[name], re.MULTILINE | re.IGNORECASE
            )


def test_the_business_day_is_every_users_day(
    users: dict[str, ElementTree.Element], profiles: dict[str, ElementTree.Element]
) -> None:
    for user in USERS:
        profile = profiles[users[user].findtext("profile") or ""]
        assert profile.findtext("session_timezone") == "Asia/Seoul"


def test_readers_only_read_and_within_limits(
    users: dict[str, ElementTree.Element], profiles: dict[str, ElementTree.Element]
) -> None:
    for user in ("reader", "grafana"):
        profile = profiles[users[user].findtext("profile") or ""]
        assert profile.findtext("readonly") == "2"
        for setting in ("max_execution_time", "max_result_rows", "max_memory_usage"):
            value, bounds = profile.findtext(setting), profile.find(f"constraints/{setting}")
            assert bounds is not None
            # 0 means unlimited to ClickHouse and is below every maximum
            assert (bounds.findtext("min"), bounds.findtext("max")) == ("1", value), setting
    assert profiles[users["writer"].findtext("profile") or ""].find("readonly") is None


def test_the_local_images_front_takes_the_same_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "millrace.xml").write_text(text)
    found = {user.name: user for user in read_server_users(tmp_path)}
    assert set(found) == set(USERS)
    assert {name for name, user in found.items() if user.readonly} == {"reader", "grafana"}
    with pytest.raises(QueryError):
        found["reader"].check_setting("max_execution_time", "0")
    found["reader"].check_setting("max_execution_time", "30")
    assert found["writer"].settings["max_partitions_per_insert_block"] == "1000"


def test_every_user_has_its_own_password(text: str, users: dict[str, ElementTree.Element]) -> None:
    program = captured(DEFAULT, timezone="Asia/Seoul")
    for user in USERS:
        digest = hashlib.sha256(program.generated[f"clickhouse-{user}"].encode()).hexdigest()
        assert users[user].findtext("password_sha256_hex") == digest
