"""Users as a ClickHouse server declares them, read by the front."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.embedded.clickhouse.errors import QueryError
from services.embedded.clickhouse.server_users import read_server_users
from services.embedded.clickhouse.users import Users
from services.embedded.lifetime import StartError
from tests.support.clickhouse import Front
from tests.unit.embedded.clickhouse.conftest import Caller, caller

ZONE = "America/New_York"


def sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


PROFILES = f"""
<writers>
    <session_timezone>{ZONE}</session_timezone>
    <max_partitions_per_insert_block>1000</max_partitions_per_insert_block>
</writers>
<readers>
    <profile>writers</profile>
    <readonly>2</readonly>
    <max_result_rows>100</max_result_rows>
    <constraints>
        <max_result_rows><min>1</min><max>100</max></max_result_rows>
        <max_memory_usage><max>1000000000</max></max_memory_usage>
        <session_timezone><const/></session_timezone>
    </constraints>
</readers>
<strict><readonly>1</readonly><max_threads>1</max_threads></strict>
"""


def user(name: str, profile: str, grants: str = "<query>GRANT SELECT ON analytics.*</query>") -> str:
    declared = f"<grants>{grants}</grants>" if grants else ""
    return f"""
    <{name}>
        <password_sha256_hex>{sha256(name)}</password_sha256_hex>
        <networks><ip>::/0</ip></networks>
        <profile>{profile}</profile>
        <quota>default</quota>
        {declared}
    </{name}>"""


# who is granted nothing in particular may do everything
USERS = user("writer", "writers", grants="") + user("reader", "readers") + user("strict", "strict")


def document(profiles: str = PROFILES, users: str = USERS) -> str:
    return f"<clickhouse><profiles>{profiles}</profiles><users><default remove='remove'/>{users}</users></clickhouse>"


def read(folder: Path, *documents: str) -> Users:
    for number, text in enumerate(documents):
        (folder / f"{number}.xml").write_text(text)
    return read_server_users(folder).users


class ServerFront(Front):
    """A front started as in its image: with a folder of users and a database to make."""

    def command(self) -> list[str]:
        users = self._folder / "users.d"
        users.mkdir(exist_ok=True)
        (users / "users.xml").write_text(document())
        given = super().command()
        given[given.index("--users") + 1] = str(users)
        return [*given, "--database", "analytics"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = ServerFront(tmp_path_factory.mktemp("server"), "UTC")
    yield running
    running.stop()


def connected(server: Front, name: str) -> Iterator[Caller]:
    made = caller(server, name, name)
    yield made
    made.http.close()


@pytest.fixture(scope="module")
def server_writer(server: Front) -> Iterator[Caller]:
    yield from connected(server, "writer")


@pytest.fixture(scope="module")
def server_reader(server: Front) -> Iterator[Caller]:
    yield from connected(server, "reader")


def test_the_writer_writes_and_the_reader_reads(server_writer: Caller, server_reader: Caller) -> None:
    server_writer.ask("CREATE TABLE analytics.t (a Int8) ENGINE = MergeTree ORDER BY a")
    server_writer.ask("INSERT INTO analytics.t VALUES (1)")
    assert server_reader.ask("SELECT a FROM analytics.t") == "1"
    for statement in ("INSERT INTO analytics.t VALUES (2)", "DROP TABLE analytics.t", "SELECT 1 SETTINGS readonly = 0"):
        assert server_reader.refused(statement) == 164
    assert server_reader.refused("SELECT 1", readonly="0") == 164
    assert server_writer.ask("SELECT count() FROM analytics.t") == "1"


def test_the_day_is_the_profiles(server_writer: Caller, server_reader: Caller) -> None:
    for each in (server_writer, server_reader):
        answer = each.send("SELECT timezone()")
        assert answer.text == f"{ZONE}\n"
        assert answer.headers["X-ClickHouse-Timezone"] == ZONE
    assert server_writer.send("SELECT 1", session_timezone="UTC").headers["X-ClickHouse-Timezone"] == "UTC"


def test_a_profile_holds_and_bounds_what_a_request_asks(server: Front, server_reader: Caller) -> None:
    assert server_reader.ask("SELECT getSetting('max_partitions_per_insert_block')") == "1000"
    assert server_reader.refused("SELECT number FROM numbers(101)") == 396
    assert server_reader.refused("SELECT number FROM numbers(11)", max_result_rows="10") == 396
    for value in ("101", "0", "-1", "x"):
        assert server_reader.refused("SELECT 1", max_result_rows=value) == 452
    assert server_reader.refused("SELECT 1", session_timezone="UTC") == 452
    assert server_reader.ask("SELECT 1", session_timezone=ZONE) == "1"
    assert server_reader.ask("SELECT getSetting('max_memory_usage')", max_memory_usage="0") == "0"
    assert server_reader.ask("SELECT getSetting('max_threads')", max_threads="3") == "3"
    for strict in connected(server, "strict"):
        assert strict.refused("SELECT 1", max_threads="3") == 164
        assert strict.ask("SELECT 1", max_threads="1") == "1"


def test_a_wrong_password_is_refused(server: Front) -> None:
    for name, password in (("writer", ""), ("writer", sha256("writer")), ("writer", "reader"), ("default", "")):
        stranger = caller(server, name, password)
        assert stranger.refused("SELECT 1") == 516
        stranger.http.close()


def test_a_password_is_compared_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = read(tmp_path, document(users=user("one", "writers") + "<two><password>zwei</password></two>"))
    assert (users.authenticate("one", "one").name, users.authenticate("two", "zwei").name) == ("one", "two")
    compared: list[tuple[bytes, bytes]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr("hmac.compare_digest", compare)
    for name in ("one", "nobody"):
        with pytest.raises(QueryError):
            users.authenticate(name, "geheim")
    # whole digests, by the function that takes the same time wherever they differ, and for a name that is not known too
    assert [right for _, right in compared] == [hashlib.sha256(b"geheim").digest()] * 2
    assert compared[0][0] == hashlib.sha256(b"one").digest()
    assert len(compared[1][0]) == hashlib.sha256().digest_size
    assert "zwei" not in repr(list(users))
    assert sha256("one") not in repr(list(users))


def test_files_add_up_in_the_order_of_their_names(tmp_path: Path) -> None:
    users = read(
        tmp_path,
        document(users=user("one", "writers") + user("gone", "writers")),
        "<clickhouse><users><gone remove='1'/></users></clickhouse>",
        "<clickhouse><profiles><default><max_threads>2</max_threads></default></profiles>"
        f"<users>{user('three', 'default')}</users></clickhouse>",
    )
    assert {each.name: each.settings.get("max_threads") for each in users} == {"one": None, "three": "2"}


PASSWORD = f"<password_sha256_hex>{sha256('')}</password_sha256_hex>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not XML"),
        ("<clickhouse>", "is not XML"),
        ("<yandex/>", "begins with <yandex> instead of <clickhouse>"),
        ("<clickhouse/>", "no [*].xml there declares a user"),
        ("<clickhouse><roles/></clickhouse>", "<roles> is not known; known are profiles, users, quotas"),
        (document(users=USERS + user("writer", "writers")), "<writer> of users is declared twice"),
        (document(users="<a/>"), "user a: password_sha256_hex is required"),
        (
            document(users="<a><password_sha256_hex>12</password_sha256_hex></a>"),
            "is not 64 hexadecimal digits",
        ),
        (document(users="<a><no_password/></a>"), "user a: <no_password> is more than this front can do"),
        (document(users=user("a", "none")), "profile none is not declared"),
        (document("<a><profile>b</profile></a><b><profile>a</profile></b>", user("u", "a")), "inherits from itself"),
        (
            document("<a><readonly>3</readonly></a>", user("u", "a")),
            "readonly is 3, not a whole number up to 2",
        ),
        (document("<a><max-threads>3</max-threads></a>", user("u", "a")), "profile a: <max-threads> is not a setting"),
        (document("<a><session_timezone>Mars</session_timezone></a>", user("u", "a")), "Mars is not a time zone"),
        (
            document("<a><constraints><x><max>1s</max></x></constraints></a>", user("u", "a")),
            "profile a, constraint on x: max is 1s, not a whole number",
        ),
        (
            document("<a><constraints><x><minimum>1</minimum></x></constraints></a>", user("u", "a")),
            "constraint on x: <minimum> is not known; known are min, max, const",
        ),
        (
            document(users=f"<a>{PASSWORD}<networks><ip>10.0.0.0/8</ip></networks></a>"),
            "user a: this front cannot restrict networks",
        ),
    ],
)
def test_what_the_front_cannot_hold_to_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StartError, match=said) as raised:
        read(tmp_path, text)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_is_made_once(tmp_path: Path) -> None:
    for _ in range(2):
        running = ServerFront(tmp_path, "UTC")
        asker = caller(running, "reader", "reader")
        assert asker.ask("EXISTS DATABASE analytics") == "1"
        asker.http.close()
        running.stop()
