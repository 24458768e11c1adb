"""A connection's limits second by second, with a transport and a clock of the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from services.api.connections import Connection, LimitedConfig, Limits

LIMITS = Limits(connections=10, head_bytes=2048, head_seconds=10, body_seconds=30, send_seconds=30)
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written, and says of what waits to be sent what the test says."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711), "sockname": ("192.0.2.2", 3000)})
        self.written = b""
        self.unsent = 0
        self.end: str | None = None

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.end is not None

    def close(self) -> None:
        self.end = self.end or "closed"

    def abort(self) -> None:
        self.end = "aborted"

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that reads nothing."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An application that never answers."""
    await asyncio.Event().wait()


class Made:
    """A connection, its transport, and the moment it was made."""

    def __init__(self, app: Callable[..., Any] = answer) -> None:
        config = LimitedConfig(app, LIMITS, log_config=None)
        self.transport = Transport()
        self.loop = asyncio.get_running_loop()
        self.connection = Connection(config, ServerState(), {}, self.loop)
        self.connection.connection_made(self.transport)
        self.begun = self.loop.time()

    def look(self, after: float) -> str | None:
        """What became of it when the server looks so many seconds after its beginning."""
        self.connection.look(self.begun + after)
        return self.transport.end


def asynchronous(test: Callable[[], Any]) -> Callable[[], None]:
    """Runs the coroutine function on a loop; what it leaves behind is cancelled."""

    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@asynchronous
async def test_a_client_that_takes_nothing_is_cut_off_after_its_time() -> None:
    made = Made(never)
    made.connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    made.look(0)
    made.transport.unsent = 100_000
    assert [made.look(second) for second in (1, 10, 29)] == [None] * 3
    assert made.look(31) == "aborted"


@asynchronous
async def test_a_client_that_takes_a_kibibyte_a_second_is_not() -> None:
    made = Made(never)
    made.connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    for second in range(0, 3600, 10):
        made.transport.unsent = 4_000_000 - 1025 * second
        assert made.look(second) is None


@asynchronous
async def test_a_client_that_takes_less_is() -> None:
    made = Made(never)
    made.connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    ends = []
    for second in range(0, 100, 10):
        made.transport.unsent = 100_000 - 10 * second
        ends.append(made.look(second))
    assert ends[2] is None
    assert ends[-1] == "aborted"


@asynchronous
async def test_an_answer_whose_buffer_is_filled_again_and_again_goes_on() -> None:
    made = Made(never)
    made.connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    for second in range(0, 600, 20):
        made.transport.unsent = 70_000
        made.connection.resume_writing()  # it was empty in between
        assert made.look(second) is None


@asynchronous
async def test_a_connection_that_closes_is_not_kept_by_what_nobody_takes() -> None:
    made = Made()
    made.look(0)
    made.transport.unsent = 100
    made.transport.close()
    made.look(1)
    assert made.look(32) == "aborted"


@asynchronous
async def test_an_answer_under_way_has_its_time() -> None:
    made = Made(never)
    made.connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert made.look(1000) is None


@asynchronous
async def test_what_is_sent_ahead_counts_from_its_turn() -> None:
    """The beginning of a next request, while the answer to the first is under way."""
    made = Made(never)
    made.connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")
    assert [made.look(100), made.look(1000)] == [None, None]
    made.connection.cycle.response_complete = True
    assert made.look(1009) is None
    assert made.look(1011) == "closed"
    assert made.transport.written.startswith(b"HTTP/1.1 408 ")


@asynchronous
async def test_too_much_sent_ahead_ends_the_connection_and_not_the_answer_under_way_with_another() -> None:
    made = Made(never)
    made.connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n")
    made.connection.data_received(b"x: " + b"y" * 3000)
    assert (made.transport.end, made.transport.written) == ("aborted", b"")


@asynchronous
async def test_the_end_of_a_body_is_not_counted_with_the_head_behind_it() -> None:
    made = Made()
    made.connection.data_received(POST + b"a" * 15_000)
    made.connection.data_received(b"a" * 5_000 + b"GET / HTTP/1.1\r\nx: ")
    assert made.look(1) is None
    await asyncio.sleep(0)  # the first is answered
    made.connection.data_received(b"y" * 2049)
    assert b"HTTP/1.1 431 " in made.transport.written


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_head_in_pieces_is_counted_whole(chunk: int) -> None:
    async def scenario() -> None:
        made = Made()
        head = b"GET / HTTP/1.1\r\nx: " + b"y" * 2100
        for start in range(0, len(head), chunk):
            if made.transport.end is None:
                made.connection.data_received(head[start : start + chunk])
        assert made.transport.written.startswith(b"HTTP/1.1 431 ")

    asyncio.run(scenario())


@asynchronous
async def test_head_and_body_have_their_times() -> None:
    made = Made(never)
    made.connection.data_received(b"POST / HTTP/1.1\r\n")
    assert made.look(9) is None
    made.connection.data_received(POST.partition(b"\r\n")[2])
    assert [made.look(11), made.look(30)] == [None, None]
    assert made.look(32) == "aborted"
