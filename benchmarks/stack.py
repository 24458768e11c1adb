"""The stack under load: `python -m benchmarks.stack [RATE ...]`. Takes about five minutes.

Brings up a stack of its own out of the local images, with three Kafka nodes, and runs the same loads on it, 20 s each,
once for each way an event can take: relay or Debezium to Kafka; services.sink, and with MILLRACE_CONNECT_PLUGINS the
ClickHouse sink connector too, from Kafka to the raw table. With `--running` it measures the stack that `make up`
started, as it is. RATE: orders a second.

An order's time begins with `occurredAt` of its event, which is the database's clock inside the transaction, a few
milliseconds before the commit. In Kafka it is when a consumer on this machine has received the event; in the raw
table when ClickHouse began to insert its row (`ingested_at`); fresh when the views count it (`millrace load`).
All clocks are this machine's.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import docker
from dotenv import dotenv_values

from benchmarks.consuming import Received
from benchmarks.containers import resources
from benchmarks.machine import keep, machine
from services.load import percentile
from services.settings import PROJECT_ROOT
from tests.support.process import wait_until
from tests.support.stack.host import Host
from tests.support.stack.project import PLUGINS, SINK
from tests.support.stack.stack import Stack

RUNNING = PROJECT_ROOT / "var" / "stack" / "millrace.env"
CONFIG: dict[str, object] = {"images": "local", "sink": "python", "relay": "outbox"}
RATES = [25, 100]
SECONDS = 20
WARM_UP = 300
_ARRIVED = """
SELECT order_id,
       toUnixTimestamp64Micro(any(occurred_at)) / 1e6 AS occurred,
       toUnixTimestamp64Milli(min(ingested_at)) / 1e3 AS ingested
FROM orders_analytics
WHERE version = 1 AND created_at >= fromUnixTimestamp64Milli({since:Int64})
GROUP BY order_id"""


class Running(Host):
    """The stack that `make up` started."""

    def __init__(self, file: Path) -> None:
        """`file`: the settings that `make up` wrote."""
        self.outputs = {"environment": dotenv_values(file)}


def shares(seconds: list[float]) -> dict[str, float]:
    """p50, p99 and maximum in milliseconds."""
    return {
        label: round(percentile(seconds, share) * 1000, 1)
        for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


def loaded(stack: Host, rates: list[int]) -> dict[str, Any]:
    """The loads, one after the other: their own figures, and the times of their orders on the way."""
    load(stack, max(rates), WARM_UP)
    wait_until(stack.verified, "the warm-up to be through", 60)
    return {f"{rate} orders/s": _one(stack, rate, rate * SECONDS) for rate in rates}


def _one(stack: Host, rate: int, count: int) -> dict[str, Any]:
    since = int(time.time() * 1000)
    with Received(stack.environment["KAFKA_BROKERS"], "order.events", "OrderCreated") as received:
        figures = load(stack, rate, count)
    rows = stack.sql(_ARRIVED, since=since)
    assert len(received.seconds) >= count
    assert len(rows) == count, f"{len(rows)} of {count} orders are in the raw table"
    figures["event_to_kafka_ms"] = shares(received.seconds)
    figures["event_to_raw_row_ms"] = shares([max(0.0, float(row["ingested"]) - float(row["occurred"])) for row in rows])
    wait_until(stack.verified, "verify to find no difference", 120)
    return figures


def load(stack: Host, rate: int, count: int) -> dict[str, Any]:
    """The figures of `millrace load`, which has to have everything shown."""
    done = stack.millrace("load", "--rate", str(rate), "--count", str(count), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def own_stack(rates: list[int]) -> dict[str, Any]:
    """Every way, one after the other, on one stack."""
    ways: dict[str, dict[str, object]] = {
        "relay outbox, sink python": {"relay": "outbox", "sink": "python"},
        "relay debezium, sink python": {"relay": "debezium", "sink": "python"},
    }
    if PLUGINS:
        ways["relay outbox, sink connect"] = {"relay": "outbox", **SINK}
    figures: dict[str, Any] = {}
    with Stack(CONFIG) as stack:
        began = time.monotonic()
        stack.up()
        stack.wait_healthy()
        figures["up_to_healthy_s"] = round(time.monotonic() - began, 1)
        figures["idle"] = resources(stack.client, stack.prefix)
        for way, config in ways.items():
            stack.update(config)
            stack.wait_healthy()
            figures[way] = loaded(stack, rates)
        figures["after_load"] = resources(stack.client, stack.prefix)
        began = time.monotonic()
        stack.destroy()
        figures["down_s"] = round(time.monotonic() - began, 1)
    return figures


def running_stack(rates: list[int]) -> dict[str, Any]:
    """The stack that is there, in the way it is configured."""
    if not RUNNING.exists():
        sys.exit(f"{RUNNING.relative_to(PROJECT_ROOT)} does not exist: start the stack with `make up` first")
    stack = Running(RUNNING)
    known = stack.environment
    way = f"relay {known['RELAY_MODE']}, sink {known['MILLRACE_SINK']}"
    client = docker.from_env()
    return {
        way: loaded(stack, rates),
        "after_load": resources(client, known["MILLRACE_STACK_PREFIX"] or "millrace"),
    }


def main(arguments: list[str]) -> int:
    """Runs all of it; returns the exit code."""
    rates = [int(one) for one in arguments if one != "--running"] or RATES
    where = machine()
    keep("stack", running_stack(rates) if "--running" in arguments else own_stack(rates), where)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
