"""The project's processes as the engine runs them: stopped in order, and started before what they need."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from tests.e2e.oracle import expect_everything_shown
from tests.support.process import wait_until
from tests.support.stack.stack import Stack

GRACE = 20
# what each says while what it needs is away
WAITING = {
    "api": "the database does not answer",
    "relay": "the database does not answer",
    "transformer": "no connection to Kafka",
    "sink": "no connection to Kafka",
    "aggregator": "ClickHouse does not answer",
    "reconciler": "cannot tell whether analytics are right",
}
SERVERS = ("mysql", "clickhouse", "kafka-local1", "kafka-local2", "kafka-local3")


def own(stack: Stack) -> list[str]:
    """The processes of this stack: with Kafka Connect as the sink it has none of its own."""
    return [role for role in WAITING if role in stack.servers()]


def test_told_to_stop_each_ends_by_itself_with_0(stack: Stack) -> None:
    """SIGTERM comes through the container's init; 137 would be the engine's SIGKILL after the grace."""
    for role in own(stack):
        stack.container(role).stop(timeout=GRACE)
        state = stack.container(role).attrs["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), f"{role}: {stack.logs(role, 20)}"
        stack.start(role)
    stack.wait_healthy(*own(stack))


def test_started_before_their_servers_they_wait_say_so_and_go_on(stack: Stack) -> None:
    """As after a restart of the machine, when the engine starts everything at once."""
    for role in SERVERS:
        stack.stop(role)
    try:
        for role in own(stack):
            stack.restart(role)
        for role in own(stack):
            wait_until(partial(says_so, stack, role), f"{role} to say what it waits for", 60.0)
    finally:
        for role in SERVERS:
            stack.start(role)
    stack.wait_healthy()
    for role in own(stack):
        assert stack.container(role).attrs["RestartCount"] == 0, f"{role}: {stack.logs(role, 20)}"
    order = stack.api.post("/api/orders", json={"userId": 1, "items": [{"productId": 101, "quantity": 1}]})
    assert order.status_code == 201, order.text
    expect_everything_shown(stack, {order.json()["id"]})


def says_so(stack: Stack, role: str) -> bool:
    """Since its last start."""
    container = stack.container(role)
    assert container.attrs["State"]["Running"], stack.logs(role, 20)
    started = datetime.fromisoformat(container.attrs["State"]["StartedAt"][:19]).replace(tzinfo=UTC)
    return WAITING[role] in container.logs(since=started).decode(errors="replace")
