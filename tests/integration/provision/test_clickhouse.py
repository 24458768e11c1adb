"""The ClickHouse job against the embedded front: schema, and what each user can and cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.clients.clickhouse import Client, connect
from services.clients.clickhouse_schema import require_current_clickhouse
from services.provision import Done, ProvisionError
from services.provision import clickhouse as job
from services.provision.clickhouse import User, provision_clickhouse
from services.settings import ClickHouseSettings
from tests.support.clickhouse import Front, start_front

ZONE = "Asia/Seoul"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    started = start_front(tmp_path_factory.mktemp("front"), ZONE)
    yield started
    started.release()


@pytest.fixture
def settings(front: Front) -> ClickHouseSettings:
    given: dict[str, Any] = {
        "clickhouse_host": front.url,
        "clickhouse_user": "writer",
        "clickhouse_password": front.writer_password,
        "clickhouse_database": "analytics_of_the_job",
    }
    return ClickHouseSettings.model_validate(given)


@pytest.fixture
def writer(front: Front) -> User:
    return User("writer", front.writer_password, "CLICKHOUSE_WRITER_PASSWORD", writes=True)


@pytest.fixture
def reader(front: Front) -> User:
    return User("reader", front.reader_password, "CLICKHOUSE_READER_PASSWORD")


def _provision(settings: ClickHouseSettings, *users: User, zone: str = ZONE, seconds: float = 10) -> list[Done]:
    told: list[Done] = []
    provision_clickhouse(settings, zone, users, told.append, seconds)
    return told


def test_the_schema_is_made_once_and_every_user_looked_at(
    settings: ClickHouseSettings, writer: User, reader: User
) -> None:
    schema, *looked_at = _provision(settings, writer, reader)
    assert schema.outcome in ("altered", "unchanged")
    assert [(done.what, done.outcome) for done in looked_at] == [
        ("ClickHouse user writer", "checked"),
        ("ClickHouse user reader", "checked"),
    ]
    assert looked_at[1].detail == "reads, cannot write"
    assert _provision(settings)[0] == Done("ClickHouse schema", "unchanged")
    client = connect(settings.url, user="writer", password=writer.password or "", database=settings.clickhouse_database)
    require_current_clickhouse(client, ZONE)
    client.close()


def test_looking_changes_nothing(settings: ClickHouseSettings, writer: User, reader: User) -> None:
    _provision(settings, writer, reader)
    client = connect(settings.url, user="writer", password=writer.password or "", database=settings.clickhouse_database)
    assert client.query("SELECT count() FROM orders_analytics").result_rows == [(0,)]
    assert client.query("SELECT count() FROM day_inserts").result_rows == [(0,)]
    client.close()


def test_a_user_whose_password_is_not_known_here_is_said(settings: ClickHouseSettings, reader: User) -> None:
    _, done = _provision(settings, replace(reader, password=None))
    assert (done.outcome, done.detail) == ("not checked", "CLICKHOUSE_READER_PASSWORD is not set")


def test_a_reader_that_can_write_is_refused(settings: ClickHouseSettings, writer: User) -> None:
    with pytest.raises(ProvisionError, match=r"user writer can write, although it is to read only: correct.*users\.d"):
        _provision(settings, replace(writer, writes=False))


def test_a_writer_that_cannot_write_is_refused(settings: ClickHouseSettings, reader: User) -> None:
    with pytest.raises(ProvisionError, match="user reader cannot write the analytics"):
        _provision(settings, replace(reader, writes=True))


@pytest.mark.parametrize(
    ("known_as", "rights", "says"),
    [
        ("writer", {"read", "write"}, None),
        ("writer", {"read", "write", "change_schema"}, "can drop tables"),
        ("default", {"read", "write", "change_schema"}, None),
        ("writer", {"write"}, "cannot read the analytics"),
    ],
)
def test_a_server_with_users_of_its_own_has_to_keep_the_schema_from_them(
    settings: ClickHouseSettings,
    writer: User,
    monkeypatch: pytest.MonkeyPatch,
    known_as: str,
    rights: set[str],
    says: str | None,
) -> None:
    """The front in these tests knows writers and readers only; a server's answers are put in their place."""
    monkeypatch.setattr(job, "_may", lambda _client, right: right in rights)
    monkeypatch.setattr(job, "_session", lambda _client: (known_as, ZONE))
    if says is None:
        assert _provision(settings, writer)[1].outcome == "checked"
    else:
        with pytest.raises(ProvisionError, match=says):
            _provision(settings, writer)


def test_a_user_whose_day_begins_elsewhere_is_refused(
    settings: ClickHouseSettings, reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`today()` would mean another day than the shop's."""
    monkeypatch.setattr(job, "_session", lambda _client: ("reader", "UTC"))
    with pytest.raises(ProvisionError, match=r"user reader has the session time zone UTC.*begins in Asia/Seoul"):
        _provision(settings, reader)


def test_a_users_session_is_asked_for_its_zone(settings: ClickHouseSettings, writer: User) -> None:
    client: Client = connect(
        settings.url, user="writer", password=writer.password or "", database="default", session_timezone="Europe/Oslo"
    )
    assert job._session(client)[1] == "Europe/Oslo"
    client.close()


def test_a_wrong_password_is_named_by_its_setting(settings: ClickHouseSettings, reader: User) -> None:
    with pytest.raises(ProvisionError, match="refuses the user reader: see CLICKHOUSE_READER_PASSWORD"):
        _provision(settings, replace(reader, password="wrong"))
    wrong = settings.model_copy(update={"clickhouse_user": "nobody"})
    with pytest.raises(ProvisionError, match="refuses the user nobody: see CLICKHOUSE_USER"):
        _provision(wrong)


def test_another_zone_than_the_schemas_is_refused(settings: ClickHouseSettings) -> None:
    _provision(settings)
    with pytest.raises(ProvisionError, match="set BUSINESS_TIMEZONE=Asia/Seoul"):
        _provision(settings, zone="UTC")


def test_a_server_that_is_away_is_waited_for_and_named(tmp_path: Path, settings: ClickHouseSettings) -> None:
    away = settings.model_copy(update={"clickhouse_host": "http://127.0.0.1:1"})
    with pytest.raises(ProvisionError, match=r"does not answer after 0\.3 s.*CLICKHOUSE_HOST"):
        _provision(away, seconds=0.3)
