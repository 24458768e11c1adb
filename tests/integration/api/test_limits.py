"""Clients that are slow, many or loud, on real sockets: each is cut off, and the others are served meanwhile."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from services.api.connections import REFUSED_ABOVE
from services.domain.tables import inventory
from tests.integration.api.running import RunningApi
from tests.support.databases import open_database
from tests.support.process import wait_until
from tests.support.shop import SHOP, stored

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ORDER = b'{"userId": 1, "items": [{"productId": 101, "quantity": 1}]}'


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with SHOP.copy(tmp_path_factory.mktemp("shop")) as url:
        yield url


@pytest.fixture(scope="module")
def api(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    running = RunningApi(
        database,
        tmp_path_factory.mktemp("api"),
        API_MAX_HEADER_BYTES="2048",
        API_HEADER_SECONDS="1",
        API_BODY_SECONDS="1",
        API_SEND_SECONDS="1",
        API_KEEP_ALIVE_SECONDS="2",
    )
    yield running
    running.process.stop()


def connected(api: RunningApi) -> socket.socket:
    """A connection of its own; the caller closes it."""
    return socket.create_connection(("127.0.0.1", api.port), timeout=30)


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes; what it resets counts as closed."""
    answer = b""
    try:
        while received := connection.recv(65536):
            answer += received
    except ConnectionResetError:
        pass
    return answer


def until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to these bytes."""
    answer = b""
    while end not in answer and (received := connection.recv(65536)):
        answer += received
    return answer


def dribble(connection: socket.socket, forever: bytes) -> bytes:
    """Sends a byte at a time, for as long as it is listened to; what was answered."""
    for byte in forever * 2000:
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            break
        if select.select([connection], [], [], 0.02)[0]:
            break
    else:
        raise AssertionError("the server listened to all of it")
    return rest(connection)


def ended(api: RunningApi, reason: str) -> float:
    """How many connections the API ended for this reason."""
    return counted(httpx.get(f"{api.link}metrics", timeout=30).text, reason)


def counted(metrics: str, reason: str) -> float:
    """The same, out of the metrics."""
    start = f'millrace_http_connections_ended_total{{reason="{reason}"}} '
    return float(next((line.removeprefix(start) for line in metrics.splitlines() if line.startswith(start)), 0))


def test_headers_that_dribble_in_are_408(api: RunningApi) -> None:
    before = ended(api, "slow_head")
    with closing(connected(api)) as slow:
        slow.sendall(HEAD)
        answer = dribble(slow, b"x: y\r\n")
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"application/problem+json" in answer
    assert b"/problems/timeout" in answer
    assert ended(api, "slow_head") == before + 1


def test_headers_that_dribble_in_after_a_first_request_are_408(api: RunningApi) -> None:
    with closing(connected(api)) as slow:
        slow.sendall(HEAD + b"\r\n")
        assert until(slow, b'"ok"}').startswith(b"HTTP/1.1 200 ")
        answer = dribble(slow, HEAD)
    assert answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")), answer


def test_empty_lines_are_no_request(api: RunningApi) -> None:
    with closing(connected(api)) as slow:
        assert dribble(slow, b"\r\n").startswith(b"HTTP/1.1 408 ")


def test_who_says_nothing_is_left(api: RunningApi) -> None:
    with closing(connected(api)) as mute:
        assert rest(mute) == b""


def test_a_connection_without_another_request_is_closed(api: RunningApi) -> None:
    with closing(connected(api)) as idle:
        idle.sendall(HEAD + b"\r\n")
        assert rest(idle).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_dribbles_in_is_408(api: RunningApi) -> None:
    with closing(connected(api)) as slow:
        slow.sendall(POST + b"Content-Length: 10000\r\n\r\n")
        answer = dribble(slow, b"a")
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"/problems/timeout" in answer


def test_a_body_that_nobody_reads_cannot_dribble_on(api: RunningApi) -> None:
    before = ended(api, "slow_body")
    with closing(connected(api)) as slow:
        slow.sendall(HEAD + b"Content-Length: 10000\r\n\r\n")
        assert until(slow, b'"ok"}').startswith(b"HTTP/1.1 200 ")
        assert dribble_until_closed(slow)
    assert ended(api, "slow_body") == before + 1


def dribble_until_closed(connection: socket.socket) -> bool:
    """Whether the server closes on somebody who goes on sending."""
    try:
        return dribble(connection, b"a") == b""
    except OSError:
        return True


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(api: RunningApi) -> None:
    before = ended(api, "slow_reader")
    with closing(socket.socket()) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.settimeout(30)
        greedy.connect(("127.0.0.1", api.port))
        # more than the kernel's buffers can grow to: one script of 4.6 MB sometimes fits
        greedy.sendall(b"GET /static/vendor/plotly.min.js HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
        wait_until(lambda: ended(api, "slow_reader") == before + 1, "the end of a client that reads nothing")


@pytest.mark.parametrize(
    "headers",
    [b"x: " + b"y" * 3000 + b"\r\n", b"".join(b"x%d: y\r\n" % number for number in range(101))],
    ids=["one large header", "101 headers"],
)
def test_headers_beyond_the_limit_are_431(api: RunningApi, headers: bytes) -> None:
    answer = api.raw(HEAD + headers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 "), answer[:300]
    assert b"/problems/headers-too-large" in answer
    assert b"connection: close" in answer.lower()


def test_headers_without_an_end_are_431_and_kept_nowhere(api: RunningApi) -> None:
    before = ended(api, "head_size")
    assert api.raw(HEAD + b"x: " + b"y" * 3000).startswith(b"HTTP/1.1 431 ")
    assert ended(api, "head_size") == before + 1


def test_headers_within_the_limit_are_none_of_its_business(api: RunningApi) -> None:
    answer = api.raw(HEAD + b"x: " + b"y" * 1900 + b"\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_large_body_before_the_next_request_is_not_counted_as_its_headers(api: RunningApi) -> None:
    body = ORDER + b" " * 20_000
    first = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = api.raw(first + HEAD + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 201 ") == 1
    assert answer.count(b"HTTP/1.1 200 ") == 1


def test_more_connections_than_are_served_are_told_so_and_those_served_go_on(database: str, tmp_path: Path) -> None:
    api = RunningApi(database, tmp_path, API_MAX_CONNECTIONS="4")

    def some_get_through() -> bool:
        return httpx.get(f"{api.link}api/products", timeout=30).status_code == 200

    with ExitStack() as stack:
        stack.callback(api.process.stop)

        def another() -> HTTPConnection:
            return stack.enter_context(closing(HTTPConnection("127.0.0.1", api.port, timeout=30)))

        served = [another() for _ in range(4)]
        assert [ask(each, "/api/products").status for each in served] == [200] * 4

        late = ask(another(), "/api/products")
        assert (late.status, late.headers["retry-after"], late.headers["connection"]) == (503, "1", "close")
        assert b"/problems/overloaded" in late.body
        spare = another()
        assert ask(spare, "/healthz").status == 200  # a supervisor must not take this for a failure
        spare.close()
        assert [ask(each, "/api/products").status for each in served] == [200] * 4

        crowd = [stack.enter_context(closing(connected(api))) for _ in range(4 + REFUSED_ABOVE)]
        wait_until(lambda: ended_of(served[0], "connections") > 0, "a connection closed unheard")
        for each in crowd:
            each.close()
        served.pop().close()
        wait_until(some_get_through, "room for another")


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: Message
    body: bytes


def ask(connection: HTTPConnection, path: str) -> Answer:
    """GET on this connection, which stays open."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return Answer(answer.status, answer.headers, answer.read())


def ended_of(connection: HTTPConnection, reason: str) -> float:
    """As ``ended``, on a connection that there is."""
    return counted(ask(connection, "/metrics").body.decode(), reason)


def test_what_is_no_http_is_a_problem_too(api: RunningApi) -> None:
    answer = api.raw(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"/problems/malformed-request" in answer


@pytest.mark.real_servers
def test_a_proxy_that_is_trusted_says_who_the_client_is(database: str, tmp_path: Path) -> None:
    limits = {"API_WRITES_PER_SECOND": "0.00001", "API_WRITE_BURST": "1"}
    trusting = RunningApi(database, tmp_path / "one", **limits, API_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    doubting = RunningApi(database, tmp_path / "two", **limits)
    try:

        def status(api: RunningApi, forwarded: str) -> int:
            headers = {"Content-Type": "application/json", "X-Forwarded-For": forwarded}
            return httpx.post(f"{api.link}api/orders", content=ORDER, headers=headers, timeout=30).status_code

        assert [status(trusting, "192.0.2.1"), status(trusting, "192.0.2.2")] == [201, 201]
        assert status(trusting, "192.0.2.1") == 429
        # what a client wrote there itself stands before what the proxies add
        assert status(trusting, "198.51.100.9, 192.0.2.1, 10.1.2.3") == 429
        assert [status(doubting, "192.0.2.1"), status(doubting, "192.0.2.2")] == [201, 429]
    finally:
        trusting.process.stop()
        doubting.process.stop()


@pytest.mark.real_servers
def test_a_database_that_stands_still_is_503_soon_and_orders_are_taken_again_after_it(
    database: str, tmp_path: Path
) -> None:
    threads, clients = 2, 20
    api = RunningApi(database, tmp_path, API_QUEUE_SECONDS="0.3", API_THREADS=str(threads))

    def place(_number: int = 0) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return httpx.post(f"{api.link}api/orders", content=ORDER, headers=headers, timeout=60)

    engine = open_database(database)
    before = stored(engine).orders
    try:
        with ThreadPoolExecutor(clients) as pool:
            with engine.connect().execution_options(writes=True) as holder, holder.begin():
                holder.execute(sa.select(inventory).with_for_update())
                placed = [pool.submit(place, number) for number in range(clients)]

                def refused() -> list[httpx.Response]:
                    return [each.result() for each in placed if each.done()]

                wait_until(refused, "refusals while the database stands still")
                assert {answer.status_code for answer in refused()} == {503}
                assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused())
                assert {answer.json()["type"] for answer in refused()} == {"/problems/unavailable"}
                assert httpx.get(f"{api.link}healthz", timeout=30).status_code == 200
            ended = [answer.status_code for answer in (each.result() for each in placed)]
        # what had begun was waited for, and nothing else was done
        assert threads <= ended.count(201) == stored(engine).orders - before
        wait_until(lambda: place().status_code == 201, "an order")
    finally:
        engine.dispose()
        api.process.stop()
