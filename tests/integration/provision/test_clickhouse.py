"""The ClickHouse job against a front with the stack's users: schema, and what each user can and cannot do."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from infra.accounts import CLICKHOUSE_SERVICES
from services.clients.clickhouse import ClickHouseError, Client, connect
from services.clients.clickhouse_schema import require_current_clickhouse
from services.clients.named_sql import load
from services.provision import Done, ProvisionError
from services.provision import clickhouse as job
from services.provision.clickhouse import provision_clickhouse
from services.provision.clickhouse_users import USERS, User
from services.settings import ClickHouseSettings
from tests.support.clickhouse import StackFront

ZONE = "Asia/Seoul"
SQL = load("services.provision", "clickhouse.sql")
UNKNOWN_IDENTIFIER = 47
PROBES = [name for name in SQL if name != "session"]
BY_NAME = {user.name: user for user in USERS}
DELETED_FROM = {
    "delete_orders": "orders_analytics",
    "delete_copies": "orders_by_user",
    **{f"delete_{sums[5:]}s": sums for sums in ("cube_hour", "cube_product", "cube_day", "cube_user", "cube_bucket")},
}
ANOTHER_ZONE = "<altered><session_timezone>UTC</session_timezone></altered>"

# Users with one thing wrong: whose declaration they have, the grant that is taken away or given, and what is said.
ALTERED = {
    **{
        f"keeps_{table}": ("reconciler", f"-GRANT ALTER DELETE, ALTER UPDATE(_row_exists) ON analytics.{table}",
            f"cannot {probe.replace('_', ' ')} .*ON analytics.{table}")
        for probe, table in DELETED_FROM.items()
    },
    "as_documented": ("reconciler", "-ALTER UPDATE(_row_exists)", r"cannot delete orders .*ALTER UPDATE\(_row_exists"),
    "sink_for_views": ("sink", "-GRANT SELECT(", r"cannot read columns .*ON analytics\.orders_analytics"),
    "sink_that_looks": ("sink", "GRANT SELECT ON analytics.orders_analytics", "can read orders, which it is not to"),
    "sink_of_cubes": ("sink", "GRANT INSERT ON analytics.cube_day", "can insert days, which it is not to"),
    "connect_blind": ("connect", "-GRANT INSERT ON", "cannot (insert|describe) orders"),
    "aggregator_halved": ("aggregator", "-GRANT SELECT, INSERT ON analytics.cube_user", "cannot read cubes"),
    "aggregator_deletes": (
        "aggregator", "GRANT ALTER DELETE, ALTER UPDATE(_row_exists) ON analytics.cube_day", "can delete days"
    ),
    "reconciler_tells": ("reconciler", "GRANT INSERT ON analytics.orders_analytics", "can insert orders"),
    "reconciler_alters": ("reconciler", "GRANT ALTER UPDATE(status) ON analytics.orders_analytics", "can alter orders"),
    "api_of_tables": ("api", "-GRANT SELECT ON analytics.cube_bucket", "cannot read views"),
    "api_curious": ("api", "GRANT SELECT ON analytics.orders_analytics", "can read orders"),
    "aggregator_blind": ("aggregator", "-GRANT SELECT ON system.disks", "cannot read disks"),
    "grafana_blind": ("grafana", "-GRANT SELECT ON system.parts", "cannot read parts"),
    "owner": ("aggregator", "GRANT ALTER DROP COLUMN ON analytics.*", "can change schema"),
    "maker": ("aggregator", "GRANT CREATE TABLE ON analytics.*", "can create tables"),
}  # fmt: skip


class AlteredFront(StackFront):
    """With the users of ALTERED beside the stack's, `nobody` without a right, and `stranger` in another zone."""

    def users_document(self) -> str:
        root = ElementTree.fromstring(super().users_document())  # noqa: S314 - our own
        users, profiles = root.find("users"), root.find("profiles")
        assert users is not None
        assert profiles is not None
        profiles.append(ElementTree.fromstring(ANOTHER_ZONE))  # noqa: S314 - our own
        for name, (model, change, _) in ALTERED.items():
            _alter(self._like(users, model, name), change)
        nobody, stranger = self._like(users, "sink", "nobody"), self._like(users, "reader", "stranger")
        _grants(nobody)[:] = []
        ElementTree.SubElement(_grants(nobody), "query").text = "GRANT SELECT ON nowhere.*"
        profile = stranger.find("profile")
        assert profile is not None
        profile.text = "altered"
        return ElementTree.tostring(root, encoding="unicode")

    def _like(self, users: ElementTree.Element, model: str, name: str) -> ElementTree.Element:
        """A user with the declaration and the password of another."""
        declared = users.find(model)
        assert declared is not None
        made = copy.deepcopy(declared)
        made.tag, self._passwords[name] = name, self._passwords[model]
        users.append(made)
        return made


def _grants(user: ElementTree.Element) -> ElementTree.Element:
    grants = user.find("grants")
    assert grants is not None
    return grants


def _alter(user: ElementTree.Element, change: str) -> None:
    """Adds a grant; with a minus, takes those away that begin so, or the words out of every grant."""
    grants, words = _grants(user), change.removeprefix("-")
    if words == change:
        ElementTree.SubElement(grants, "query").text = change
        return
    before = [query.text or "" for query in grants]
    kept = [text for text in before if not text.startswith(words)]
    if kept == before:
        kept = [text.replace(f", {words}", "") for text in before]
    assert kept != before, change
    grants[:] = []
    for text in kept:
        ElementTree.SubElement(grants, "query").text = text


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackFront]:
    started = AlteredFront(tmp_path_factory.mktemp("front"), ZONE)
    yield started
    started.release()


@pytest.fixture(scope="module")
def settings(front: StackFront) -> ClickHouseSettings:
    given: dict[str, Any] = {
        "clickhouse_host": front.url,
        "clickhouse_user": front.writer,
        "clickhouse_password": front.writer_password,
        "clickhouse_database": "analytics",
    }
    return ClickHouseSettings.model_validate(given)


@pytest.fixture(scope="module")
def passwords(front: StackFront) -> dict[str, str]:
    return {name: front.account(name)[1] for name in (*BY_NAME, *ALTERED, "nobody", "stranger")}


@pytest.fixture(scope="module")
def schema(settings: ClickHouseSettings) -> None:
    """The schema is there."""
    _provision(settings, {})


def _provision(
    settings: ClickHouseSettings, passwords: dict[str, str], zone: str = ZONE, seconds: float = 10
) -> list[Done]:
    told: list[Done] = []
    provision_clickhouse(settings, zone, passwords, told.append, seconds)
    return told


def _client(front: StackFront, name: str) -> Client:
    user, password = front.account(name)
    return connect(front.url, user=user, password=password, database="analytics")


def _refusal(client: Client, sql: str) -> int | None:
    """ClickHouse's code for why not; None: it did as it was told."""
    try:
        client.command(sql)
    except ClickHouseError as refused:
        return getattr(refused, "code", None)
    return None


def test_the_users_looked_at_are_the_stacks() -> None:
    assert tuple(BY_NAME) == CLICKHOUSE_SERVICES


def test_the_schema_is_made_once_and_every_user_looked_at(
    settings: ClickHouseSettings, passwords: dict[str, str]
) -> None:
    schema, *looked_at = _provision(settings, passwords)
    assert schema.outcome in ("altered", "unchanged")
    assert [(done.what, done.outcome) for done in looked_at] == [
        (f"ClickHouse user {name}", "checked") for name in BY_NAME
    ]
    assert (
        looked_at[list(BY_NAME).index("connect")].detail
        == "may describe orders, insert orders, read columns, and no more"
    )
    assert _provision(settings, {})[0] == Done("ClickHouse schema", "unchanged")
    client = connect(
        settings.url, user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(), database="analytics",
    )  # fmt: skip
    require_current_clickhouse(client, ZONE)
    client.close()


@pytest.mark.usefixtures("schema")
def test_looking_changes_nothing(front: StackFront, settings: ClickHouseSettings, passwords: dict[str, str]) -> None:
    """Not even for the owner, who may do everything that is tried."""
    owner = _client(front, "admin")
    owner.command("INSERT INTO cube_day (order_date, gen) VALUES ('2020-01-01', 1)")

    def state() -> list[Sequence[Any]]:
        tables = "SELECT name, create_table_query FROM system.tables WHERE database = 'analytics' ORDER BY name"
        parts = "SELECT table, name FROM system.parts WHERE active AND database = 'analytics' ORDER BY ALL"
        mutations = "SELECT count() FROM system.mutations"
        return [row for sql in (tables, parts, mutations) for row in owner.query(sql).result_rows]

    before = state()
    assert [row for row in before if row[0] == "cube_day"][1:], "a part to be left alone"
    _provision(settings, passwords)
    assert {_refusal(owner, SQL[probe]) for probe in PROBES} == {None, UNKNOWN_IDENTIFIER}
    assert state() == before
    owner.command("TRUNCATE TABLE cube_day")
    owner.close()


@pytest.mark.usefixtures("schema")
def test_every_probe_needs_a_right(front: StackFront) -> None:
    """One that needs none says of everybody that he may. Looking for a table to drop needs none."""
    nobody = _client(front, "nobody")
    assert {probe: _refusal(nobody, SQL[probe]) for probe in PROBES} == dict.fromkeys(PROBES, 497)
    assert _refusal(nobody, "DROP TABLE IF EXISTS provision_looks_whether_it_may_drop_this") is None
    nobody.close()


def test_a_user_whose_password_is_not_known_here_is_said(settings: ClickHouseSettings) -> None:
    told = {done.what: (done.outcome, done.detail) for done in _provision(settings, {})}
    assert told["ClickHouse user reader"] == ("not checked", "CLICKHOUSE_READER_PASSWORD is not set")


@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize("name", ALTERED)
def test_a_user_with_a_right_too_few_or_too_many_is_refused(
    settings: ClickHouseSettings, passwords: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    model, _, says = ALTERED[name]
    monkeypatch.setattr(job, "USERS", (replace(BY_NAME[model], name=name),))
    with pytest.raises(ProvisionError, match=rf"user {name} {says}.*: correct its profile and grants in .*users\.d"):
        _provision(settings, passwords)


@pytest.mark.usefixtures("schema")
def test_a_user_whose_day_begins_elsewhere_is_refused(
    settings: ClickHouseSettings, passwords: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`today()` would mean another day than the shop's."""
    monkeypatch.setattr(job, "USERS", (User("stranger", BY_NAME["reader"].may),))
    with pytest.raises(ProvisionError, match=r"user stranger has the session time zone UTC.*begins in Asia/Seoul"):
        _provision(settings, passwords)


def test_a_wrong_password_is_named_by_its_setting(settings: ClickHouseSettings) -> None:
    with pytest.raises(ProvisionError, match="refuses the user reader: see CLICKHOUSE_READER_PASSWORD"):
        _provision(settings, {"reader": "wrong"})
    wrong = settings.model_copy(update={"clickhouse_user": "stranger_still"})
    with pytest.raises(ProvisionError, match="refuses the user stranger_still: see CLICKHOUSE_USER"):
        _provision(wrong, {})


def test_another_zone_than_the_schemas_is_refused(settings: ClickHouseSettings) -> None:
    _provision(settings, {})
    with pytest.raises(ProvisionError, match="set BUSINESS_TIMEZONE=Asia/Seoul"):
        _provision(settings, {}, zone="UTC")


def test_a_server_that_is_away_is_waited_for_and_named(settings: ClickHouseSettings) -> None:
    away = settings.model_copy(update={"clickhouse_host": "http://127.0.0.1:1"})
    with pytest.raises(ProvisionError, match=r"does not answer after 0\.3 s.*CLICKHOUSE_HOST"):
        _provision(away, {}, seconds=0.3)
