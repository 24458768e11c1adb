"""What goes wrong between Kafka and ClickHouse costs time or the one bad row, whichever sink loads the rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import pytest

from services.clients.connect import SINK_CONNECTOR
from tests.e2e.sinks.measured import Measured
from tests.e2e.sinks.world import SECONDS, Sink, World, row
from tests.support.process import wait_until

GOOD = 20
FAILED = f"the connector {SINK_CONNECTOR} FAILED"


@dataclass(frozen=True)
class Fault:
    """An answer of ClickHouse's; `everything`: to the first question of a connection too, not to inserts alone."""

    code: int
    name: str
    status: int
    text: str
    everything: bool = False
    ends_the_task: bool = True

    @property
    def answer(self) -> dict[str, Any]:
        """As the proxy takes it."""
        text = f"{self.text}. ({self.name})"
        return {"on": "all" if self.everything else "insert", "code": self.code, "status": self.status, "text": text}


# texts as the server words them; statuses as its HTTP handler maps the codes
FAULTS = [
    Fault(243, "NOT_ENOUGH_SPACE", 500, "Cannot reserve 1.00 MiB, not enough space"),
    Fault(497, "ACCESS_DENIED", 403, "sink: Not enough privileges. To execute this query, it's necessary to have the "
          "grant INSERT(order_id) ON analytics.orders_analytics"),
    Fault(516, "AUTHENTICATION_FAILED", 403, "sink: Authentication failed: password is incorrect, or there is no "
          "user with such name", everything=True),
    Fault(236, "ABORTED", 500, "Server is shutting down"),
    Fault(394, "QUERY_WAS_CANCELLED", 500, "Query was cancelled"),
    Fault(745, "SERVER_OVERLOADED", 500, "CPU is overloaded"),
    Fault(242, "TABLE_IS_READ_ONLY", 500, "Table is in readonly mode", ends_the_task=False),
    Fault(252, "TOO_MANY_PARTS", 500, "Too many parts (3000). Merges are processing significantly slower than inserts",
          ends_the_task=False),
    Fault(241, "MEMORY_LIMIT_EXCEEDED", 500, "(total) memory limit exceeded", ends_the_task=False),
    Fault(159, "TIMEOUT_EXCEEDED", 408, "Timeout exceeded: elapsed 30.1 seconds", ends_the_task=False),
]  # fmt: skip
UNKNOWN = {"on": "insert", "code": 9999, "status": 500, "text": "Something new. (SOMETHING_NEW)"}

BAD: dict[str, Callable[[str], bytes]] = {
    "469 constraint": lambda name: row(name, items_count=0),
    "27 no number": lambda name: row(name, version="abc"),
    "25 half a character": lambda name: row(name, user_id="\ud800"),
    "69 too large": lambda name: row(name, total_amount="9" * 30),
    "190 arrays": lambda name: row(name, **{"items.price": []}),
    "not JSON": lambda name: b"{not json",
    "no object": lambda name: b"[1, 2]",
}


@pytest.fixture(scope="module", params=["connect", "python"])
def sink(request: pytest.FixtureRequest, world: World) -> Sink:
    """The sink that loads the rows, with nothing left to read; the other one does not run."""
    which = cast(Sink, request.param)
    if which == "connect":
        world.register()
    else:
        world.connect.stop(SINK_CONNECTOR)
    rows = {f"begin-{which}-{n}": row(f"begin-{which}-{n}") for n in range(4)}
    world.produce(rows)
    with world.sink(which, DEAD_LETTER_LIMIT="0"):
        wait_until(lambda: world.stored(f"begin-{which}-") == set(rows), "the first rows", SECONDS, 0.2)
        wait_until(lambda: settled(world, which), "the sink at rest", SECONDS, 0.2)
    return which


def settled(world: World, sink: Sink) -> bool:
    return sink == "python" or world.connector_runs()


def name_of(sink: Sink, what: object) -> str:
    return f"{sink}-{str(what).replace(' ', '-')}-"


def good(name: str, first: int = 0) -> dict[str, bytes]:
    return {f"{name}{n}": row(f"{name}{n}") for n in range(first, first + GOOD)}


def task_failed(world: World) -> bool:
    return bool(world.connect.status(SINK_CONNECTOR).failures)


def expect(world: World, sink: Sink, name: str, rows: set[str]) -> float:
    """Waits for these rows and for the sink to be itself again; seconds until the rows were there."""
    began = time.monotonic()
    wait_until(lambda: world.stored(name) >= rows, f"every row of {name}", SECONDS, 0.1)
    seconds = time.monotonic() - began
    wait_until(lambda: settled(world, sink), "the connector to run again", SECONDS, 0.2)
    assert world.stored(name) == rows
    return seconds


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.code}-{fault.name}")
def test_the_servers_trouble_costs_time_alone(world: World, sink: Sink, fault: Fault, measured: Measured) -> None:
    name, ended = name_of(sink, fault.code), sink == "connect" and fault.ends_the_task
    rows = good(name)
    with world.sink(sink) as process:
        with world.fault(**fault.answer):
            world.produce(rows)
            if ended:
                wait_until(lambda: FAILED in process.output(), "the sink to find the connector FAILED", SECONDS, 0.1)
            wait_until(lambda: world.met() >= 3, "the fault to be met again", SECONDS, 0.1)
            assert world.stored(name) == set()
        seconds = expect(world, sink, name, set(rows))
        assert (FAILED in process.output()) == ended, "the connector's own retries are modelled, and used"
    assert world.letters(name) == {}
    measured.seconds[f"{fault.code} {fault.name}", sink] = seconds


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_costs_itself_alone(world: World, sink: Sink, what: str, measured: Measured) -> None:
    name = name_of(sink, what)
    rows = good(name)
    bad = f"{name}bad"
    with world.sink(sink):
        world.produce({**rows, bad: BAD[what](bad), **good(name, GOOD)})
        seconds = expect(world, sink, name, {*rows, *good(name, GOOD)})
        (reason,) = wait_until(lambda: world.letters(name), "the dead letter", SECONDS)[bad]
    code = what.split(" ")[0]
    assert (f"Code: {code}." if code.isdigit() else "not ") in reason
    assert set(world.letters(name)) == {bad}
    measured.seconds[f"a row: {what}", sink] = seconds


def test_a_row_refused_for_a_reason_that_nobody_knows_costs_itself_alone(world: World, sink: Sink) -> None:
    name = name_of(sink, "unknown")
    rows, bad = good(name), f"{name}bad"
    with world.sink(sink), world.fault(**UNKNOWN, containing=bad):
        world.produce({**rows, bad: row(bad)})
        expect(world, sink, name, set(rows))
        (reason,) = wait_until(lambda: world.letters(name), "the dead letter", SECONDS)[bad]
    assert "Something new" in reason
    assert set(world.letters(name)) == {bad}


def test_clickhouse_away_costs_time_alone(world: World, sink: Sink, measured: Measured) -> None:
    name = name_of(sink, "away")
    rows = good(name)
    with world.sink(sink):
        with world.fault(cut=True):
            world.produce(rows)
            wait_until(lambda: world.met() >= 3, "ClickHouse to be asked again", SECONDS, 0.1)
        seconds = expect(world, sink, name, set(rows))
    assert world.letters(name) == {}
    measured.seconds["ClickHouse away", sink] = seconds


def test_clickhouse_away_at_the_start_costs_time_alone(world: World, sink: Sink, measured: Measured) -> None:
    """The task of the real connector is FAILED then, and Connect leaves it so."""
    name = name_of(sink, "away-at-start")
    rows = good(name)
    with ExitStack() as away:
        away.enter_context(world.fault(cut=True))
        if sink == "connect":
            world.connect.restart(SINK_CONNECTOR)
            wait_until(lambda: task_failed(world), "the task to fail", SECONDS, 0.1)
        with world.sink(sink) as process:
            began = time.monotonic()
            world.produce(rows)
            if sink == "connect":
                wait_until(lambda: "the connector is restarted" in process.output(), "a restart", SECONDS, 0.1)
                measured.seconds["FAILED and ClickHouse away: first restart", sink] = time.monotonic() - began
            wait_until(lambda: world.met() >= 5, "ClickHouse to be asked again", SECONDS, 0.1)
            away.close()
            measured.seconds["ClickHouse away at the start", sink] = expect(world, sink, name, set(rows))
    assert world.letters(name) == {}


def test_killed_at_its_work_it_leaves_nothing_undone(world: World, sink: Sink) -> None:
    """In the connector's place too: nothing is committed that is not stored or in the dead letters."""
    name = name_of(sink, "killed")
    rows, bad = good(name), f"{name}bad"
    with world.fault(**FAULTS[0].answer), world.sink(sink) as process:
        world.produce({**rows, bad: row(bad, items_count=0)})
        wait_until(lambda: "ClickHouse does not answer" in process.output(), "the sink at the rows", SECONDS, 0.1)
        process.kill()
    with world.sink(sink):
        expect(world, sink, name, set(rows))
        wait_until(lambda: world.letters(name), "the dead letter", SECONDS)
    assert set(world.letters(name)) == {bad}


def test_too_many_dead_letters_wait_for_a_person(world: World, sink: Sink) -> None:
    name = name_of(sink, "flood")
    bad = {f"{name}bad{n}": row(f"{name}bad{n}", items_count=0) for n in range(6)}
    rows = good(name)
    with world.sink(sink, DEAD_LETTER_LIMIT="5", SINK_LINGER="1") as process:
        world.produce({**bad, **rows})
        wait_until(lambda: "too many dead letters" in process.output(), "the sink to say so", SECONDS, 0.1)
    assert len(world.letters(name)) <= 5
    with world.sink(sink, DEAD_LETTER_LIMIT="100"):
        expect(world, sink, name, set(rows))
        wait_until(lambda: set(world.letters(name)) == set(bad), "every letter", SECONDS)
