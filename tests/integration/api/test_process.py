"""The API as a process: real sockets, raw requests, start and stop."""

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.api.running import RunningApi, settings_of
from tests.support.databases import empty_database, open_database
from tests.support.process import Subprocess, wait_until
from tests.support.shop import ADMIN, SHOP, Stored, stored

ORDER = b'{"userId": 1, "items": [{"productId": 101, "quantity": 1}]}'


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with SHOP.copy(tmp_path_factory.mktemp("shop")) as url:
        yield url


@pytest.fixture(scope="module")
def api(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    running = RunningApi(database, tmp_path_factory.mktemp("api"))
    yield running
    running.process.stop()


def in_database(url: str) -> Stored:
    engine = open_database(url)
    try:
        return stored(engine)
    finally:
        engine.dispose()


@pytest.mark.real_servers
def test_an_order_goes_through_a_real_server(api: RunningApi) -> None:
    with httpx.Client(base_url=api.link, timeout=30) as client:
        placed = client.post("/api/orders", content=ORDER, headers={"Content-Type": "application/json"})
        assert placed.status_code == 201
        assert client.get(placed.headers["location"]).json() == placed.json()
        assert client.delete(f"/admin/orders/{placed.json()['id']}", headers=ADMIN).status_code == 204
        assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/api/orders/%zz", 400),
        (b"/api/orders/%", 400),
        (b"/api/orders/%c3", 400),
        (b"/api/orders/%ed%a0%80", 400),
        (b"/api/orders/%00", 404),
        (b"/api/orders/..%2f..%2fetc", 404),
        (b"/api/orders/user/1?limit=%ff", 422),
        (b"/api/orders/user/1?limit=%", 422),
        (b"/api/analytics/daily-sales?startDate=%00", 422),
        (b"/static/..%2f..%2f..%2fpyproject.toml", 404),
        (b"/static/../index.html", 404),
        (b"//elsewhere.example/", 404),
        (b"/" + b"a" * 3000, 414),
    ],
)
def test_odd_targets_are_problems(api: RunningApi, target: bytes, status: int) -> None:
    answer = api.raw(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    assert b"application/problem+json" in answer


def test_what_is_no_http_is_400(api: RunningApi) -> None:
    assert api.raw(b"\x16\x03\x01\x02\x00 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


POST = b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_a_large_announced_body_is_refused_before_it_is_sent(api: RunningApi) -> None:
    answer = api.raw(POST + b"Content-Length: 10485760\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:300]


def test_a_large_body_without_a_length_is_refused_while_it_is_read(api: RunningApi, database: str) -> None:
    before = in_database(database)
    chunk = b"%x\r\n" % 65536 + b"a" * 65536 + b"\r\n"
    answer = api.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 40, until=b"\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:300]
    assert in_database(database) == before


def test_ten_megabytes_are_answered_and_the_server_goes_on(api: RunningApi) -> None:
    with httpx.Client(base_url=api.link, timeout=30) as client:
        body = b'{"userId": "' + b"a" * 10_000_000 + b'"}'
        answer = client.post("/api/orders", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/content-too-large")
        assert client.get("/healthz").status_code == 200


def test_a_client_that_goes_away_within_its_body_is_no_fault(api: RunningApi) -> None:
    with socket.create_connection(("127.0.0.1", api.port)) as connection:
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n{")

    def counted() -> bool:
        text = httpx.get(f"{api.link}metrics", timeout=30).text
        return 'millrace_http_requests_total{method="POST",route="/api/orders",status="499"}' in text

    assert wait_until(counted, "the request without an end")
    assert "request failed" not in api.process.output()


def test_head_has_no_body(api: RunningApi) -> None:
    answer = api.raw(b"HEAD /api/products/101 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""


def test_a_taken_port_is_one_line_that_names_the_setting(api: RunningApi, database: str, tmp_path: Path) -> None:
    second = Subprocess(["services.api"], tmp_path / "log", settings_of(database, PORT=str(api.port)))
    assert second.process.wait(60) == 2
    lines = second.output().splitlines()
    assert lines[-1].startswith(f"millrace api: port {api.port} is taken: ")
    assert "set PORT" in lines[-1]
    assert "Traceback" not in second.output()


@pytest.mark.real_servers
def test_a_database_without_schema_is_one_line(tmp_path: Path) -> None:
    with empty_database(tmp_path) as url:
        process = Subprocess(["services.api"], tmp_path / "log", settings_of(url))
        assert process.process.wait(60) == 2
    assert "millrace migrate" in process.output().splitlines()[-1]
    assert "Traceback" not in process.output()


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    process = Subprocess(["services.api"], tmp_path / "log", settings_of("sqlite:////nowhere/that/is/shop.db"))
    assert process.process.wait(60) == 2
    assert process.output().splitlines()[-1].startswith("millrace api: the database sqlite:////nowhere/that/is")
    assert "Traceback" not in process.output()


@pytest.mark.parametrize("process", ["api", "relay"])
def test_a_server_that_is_away_is_waited_for_and_named_without_its_password(process: str, tmp_path: Path) -> None:
    url = "mysql://nobody:secret-word@127.0.0.1:9/ecommerce"
    waiting = Subprocess([f"services.{process}"], tmp_path / "log", settings_of(url, RELAY_METRICS_PORT="0"))
    wait_until(lambda: "the database does not answer" in waiting.output(), "a line about it")
    assert waiting.stop() == 0
    assert "mysql+pymysql://nobody:***@127.0.0.1:9/ecommerce" in waiting.output()
    assert "start it, or correct DATABASE_URL or MYSQL_*" in waiting.output()
    assert "Traceback" not in waiting.output()
    assert "secret-word" not in waiting.output()


def test_fewer_connections_than_threads_are_one_line(tmp_path: Path) -> None:
    many = settings_of(f"sqlite:///{tmp_path}/x.db", API_THREADS="16", DATABASE_POOL_SIZE="16")
    process = Subprocess(["services.api"], tmp_path / "log", many)
    assert process.process.wait(60) == 2
    assert process.output().splitlines()[-1].endswith("set DATABASE_POOL_SIZE to 18 or more")


@pytest.mark.real_servers
def test_sigterm_ends_it_cleanly_within_five_seconds_and_loses_no_answer(database: str, tmp_path: Path) -> None:
    api = RunningApi(database, tmp_path)
    before = in_database(database).orders
    answers: list[int] = []

    def place() -> None:
        with httpx.Client(base_url=api.link, timeout=30) as client:
            while True:
                try:
                    answer = client.post("/api/orders", content=ORDER, headers={"Content-Type": "application/json"})
                except httpx.TransportError:
                    return
                answers.append(answer.status_code)

    clients = [threading.Thread(target=place) for _ in range(4)]
    for client in clients:
        client.start()
    wait_until(lambda: len(answers) >= 20, "some orders")
    code = api.process.stop()
    for client in clients:
        client.join(10)

    assert code == 0, api.process.output()
    assert set(answers) == {201}
    assert len(answers) <= in_database(database).orders - before <= len(answers) + len(clients)
    assert not re.search("Traceback|ERROR", api.process.output())


def test_a_clickhouse_that_never_answers_does_not_keep_it(database: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        host, port = mute.getsockname()
        api = RunningApi(database, tmp_path, CLICKHOUSE_HOST=f"http://{host}:{port}")
        answers: list[httpx.Response] = []
        client = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{api.link}api/analytics/stats", timeout=30))
        )
        client.start()
        connection, _ = mute.accept()
        with connection:
            assert api.process.stop() == 0
        client.join(10)

    assert answers[0].status_code == 503
    assert answers[0].json()["type"] == "/problems/unavailable"
    assert "Traceback" not in api.process.output()
