"""The sink as a process: bad rows among good, ClickHouse away, killed before its commit."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from services.clients.dead_letters import REASON, consumed_headers
from services.events import ANALYTICS_TOPIC
from services.transformer.transform import transform
from tests.integration.pipeline.world import World
from tests.support.events import encoded, event
from tests.support.kafka_fakes import message
from tests.support.process import wait_until

pytestmark = pytest.mark.real_servers

ROWS = 3_000


@pytest.fixture(autouse=True)
def clickhouse(world: World) -> None:
    world.start_clickhouse()


def row(order_id: str, **changes: Any) -> tuple[str, bytes]:
    """A message of the analytics topic, its row changed as asked."""
    (made,) = transform([message(encoded(event(order_id)))]).rows
    return order_id, json.dumps({**json.loads(made.value or b""), **changes}).encode()


def stored(world: World) -> set[str]:
    return {found[0] for found in world.clickhouse().query("SELECT order_id FROM orders_analytics").result_rows}


def more_stored(world: World, than: int) -> bool:
    return len(stored(world)) > than


def test_bad_rows_among_good_ones_are_dead_letters_and_the_good_ones_are_stored(world: World) -> None:
    good = [row(f"o{n}") for n in range(200)]
    bad = [
        row("no-version", version=0),
        row("arrays", **{"items.price": []}),
        row("bad-date", order_date="2026-02-30x"),
        ("no-json", b"{not json"),
        ("array", b"[1, 2]"),
    ]
    world.produce(ANALYTICS_TOPIC, [*good[:100], *bad, *good[100:]])
    world.start("sink")
    wait_until(lambda: world.committed(world.sink_group, ANALYTICS_TOPIC) == 205, "every row is done")
    assert stored(world) == {f"o{n}" for n in range(200)}
    letters = {(letter.key() or b"").decode(): letter for letter in world.log("orders_analytics.dlq")}
    assert set(letters) == {key for key, _ in bad}
    assert letters["no-version"].value() == dict(bad)["no-version"]
    reasons = {key: dict(consumed_headers(letter))[REASON] or b"" for key, letter in letters.items()}
    assert b"VIOLATED_CONSTRAINT" in reasons["no-version"]
    assert b"not JSON" in reasons["no-json"]


def test_killed_before_its_commit_it_inserts_the_batch_again(world: World) -> None:
    for first in (0, ROWS):
        world.produce(ANALYTICS_TOPIC, [row(f"o{n}") for n in range(first, first + ROWS)])
        sink = world.start("sink", SINK_BATCH_ROWS="200")
        wait_until(partial(more_stored, world, len(stored(world))), "rows come")
        sink.kill()
    world.start("sink")
    wait_until(lambda: world.committed(world.sink_group, ANALYTICS_TOPIC) == 2 * ROWS, "every row is done")
    assert stored(world) == {f"o{n}" for n in range(2 * ROWS)}


def test_clickhouse_away_loses_nothing(world: World) -> None:
    sink = world.start("sink")
    world.produce(ANALYTICS_TOPIC, [row("o0")])
    wait_until(lambda: world.committed(world.sink_group, ANALYTICS_TOPIC) == 1, "the first row is done")
    assert world.front is not None
    world.front.kill()
    world.produce(ANALYTICS_TOPIC, [row(f"o{n}") for n in range(1, 500)])
    wait_until(lambda: "ClickHouse does not answer" in sink.output(), "the sink has noticed")
    assert sink.stop() == 0
    assert world.committed(world.sink_group, ANALYTICS_TOPIC) == 1
    world.start_clickhouse()
    world.start("sink")
    wait_until(lambda: len(stored(world)) == 500, "every row is stored")
    assert world.log("orders_analytics.dlq") == []


def test_a_frozen_clickhouse_is_waited_for_and_does_not_keep_the_process(world: World) -> None:
    sink = world.start("sink")
    world.produce(ANALYTICS_TOPIC, [row("o0")])
    wait_until(lambda: stored(world) == {"o0"}, "the first row is stored")
    assert world.front is not None
    world.front.freeze()
    world.produce(ANALYTICS_TOPIC, [row("o1")])
    assert sink.stop() == 0
    world.front.thaw()
    world.start("sink")
    wait_until(lambda: stored(world) == {"o0", "o1"}, "the second row is stored")
