"""ClickHouse's users: each can do what its programs do, and no more."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from infra.accounts import CLICKHOUSE as USERS
from services.clients.named_sql import load
from services.embedded.clickhouse.errors import QueryError
from services.embedded.clickhouse.server_users import read_server_users
from tests.infra.variants import DEFAULT, captured
from tests.support.process import PROJECT

FILE = "/etc/clickhouse-server/users.d/millrace.xml"
READERS = {"api", "reader", "grafana"}


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


def grants(user: ElementTree.Element) -> set[str]:
    """Its grants as they stand."""
    return {query.text or "" for query in user.findall("grants/query")}


def test_the_stack_has_these_users_and_no_default_one(users: dict[str, ElementTree.Element]) -> None:
    assert set(users) == {*USERS, "default"}
    assert users["default"].get("remove") == "remove"
    for user in USERS:
        assert re.fullmatch("[0-9a-f]{64}", users[user].findtext("password_sha256_hex") or "")
        assert users[user].find("password") is None


def test_only_the_owner_may_everything(users: dict[str, ElementTree.Element]) -> None:
    """What the others may is tried on the front: tests/integration/provision, reconciler, aggregator, pipeline, api."""
    assert grants(users["admin"]) == {"GRANT ALL ON *.* WITH GRANT OPTION"}
    for user in USERS[1:]:
        for grant in grants(users[user]):
            match = re.fullmatch(r"GRANT ([A-Z_a-z, ()]+) ON ((?:analytics|system)\.(\w+|\*))", grant)
            assert match, grant
            assert set(re.sub(r"\(.*?\)", "", match[1]).split(", ")) <= {
                "SELECT",
                "INSERT",
                "ALTER DELETE",
                "ALTER UPDATE",
            }
            # a server refuses the file for a column's right on what a wildcard names
            assert "(" not in match[1] or match[3] != "*", grant


def test_a_column_that_inserting_reads_is_granted_and_looked_at(users: dict[str, ElementTree.Element]) -> None:
    """The views on new rows read as whoever inserts: both sinks have their columns, and the job asks for the same."""
    schema = (PROJECT / "schemas" / "clickhouse" / "001_raw.sql").read_text(encoding="utf-8")
    views = re.findall(r"^CREATE MATERIALIZED VIEW .*?;", schema, re.MULTILINE | re.DOTALL)
    assert len(views) == 3
    columns = re.findall(
        r"^    (\w+) ", schema.split("orders_analytics\n(", 1)[1].split("CONSTRAINT", 1)[0], re.MULTILINE
    )
    read = {column for column in columns for view in views if re.search(rf"\b{column}\b", view)}
    for user in ("sink", "connect"):
        (granted,) = (match[1] for grant in grants(users[user]) if (match := re.search(r"SELECT\((.*)\)", grant)))
        assert set(granted.split(", ")) == read
    probe = load("services.provision", "clickhouse.sql")["read_columns"]
    assert set(probe.removeprefix("SELECT").split("FROM")[0].replace(" ", "").strip().split(",")) == read


def test_the_business_day_is_every_users_day(
    users: dict[str, ElementTree.Element], profiles: dict[str, ElementTree.Element]
) -> None:
    for user in USERS:
        profile = profiles[users[user].findtext("profile") or ""]
        assert profile.findtext("session_timezone") == "Asia/Seoul"


def test_readers_only_read_and_within_limits(
    users: dict[str, ElementTree.Element], profiles: dict[str, ElementTree.Element]
) -> None:
    for user in READERS:
        profile = profiles[users[user].findtext("profile") or ""]
        assert profile.findtext("readonly") == "2"
        for setting in ("max_execution_time", "max_result_rows", "max_memory_usage"):
            value, bounds = profile.findtext(setting), profile.find(f"constraints/{setting}")
            assert bounds is not None
            # 0 means unlimited to ClickHouse and is below every maximum
            assert (bounds.findtext("min"), bounds.findtext("max")) == ("1", value), setting
    for user in set(USERS) - READERS:
        assert profiles[users[user].findtext("profile") or ""].find("readonly") is None


def test_the_local_images_front_takes_the_same_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "millrace.xml").write_text(text)
    found = {user.name: user for user in read_server_users(tmp_path).users}
    assert set(found) == set(USERS)
    assert {name for name, user in found.items() if user.readonly} == READERS
    with pytest.raises(QueryError):
        found["reader"].check_setting("max_execution_time", "0")
    found["reader"].check_setting("max_execution_time", "30")
    assert found["sink"].settings["max_partitions_per_insert_block"] == "1000"


def test_every_user_has_its_own_password(text: str, users: dict[str, ElementTree.Element]) -> None:
    program = captured(DEFAULT, timezone="Asia/Seoul")
    for user in USERS:
        digest = hashlib.sha256(program.generated[f"clickhouse-{user}"].encode()).hexdigest()
        assert users[user].findtext("password_sha256_hex") == digest
