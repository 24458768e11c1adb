"""Kafka's own tools, run in the first node that is up."""

from typing import Final

from tools.stack.engine import Container, Stack
from tools.stack.refusal import Failed, Refusal

_BIN: Final = "/opt/kafka/bin"
_PORT: Final = 29092
_MOST_REPLICAS, _MOST_IN_SYNC = 3, 2
# A tool has the broker's variables: it would take as much heap, of the same limit, and log into its own answer.
_AS_A_TOOL: Final = ("KAFKA_HEAP_OPTS=-Xmx96m", "KAFKA_LOG4J_OPTS=")


def _tool(tool: str, *arguments: str) -> int:
    stack = Stack()
    return _in(stack, stack.broker(), tool, *arguments)


def _in(stack: Stack, broker: Container, tool: str, *arguments: str) -> int:
    server = f"{broker.role}:{_PORT}"
    return stack.execute(broker, [f"{_BIN}/{tool}", "--bootstrap-server", server, *arguments], _AS_A_TOOL)


def topics() -> int:
    """Every topic's name."""
    return _tool("kafka-topics.sh", "--list")


def create_topic(topic: str, partitions: int) -> int:
    """A topic with as many replicas as the stack's own have."""
    stack = Stack()
    nodes = sum(one.role.startswith("kafka-local") for one in stack.existing())
    return _in(
        stack,
        stack.broker(),
        "kafka-topics.sh",
        *("--create", "--topic", topic, "--partitions", str(partitions)),
        *("--replication-factor", str(min(_MOST_REPLICAS, nodes))),
        *("--config", f"min.insync.replicas={min(_MOST_IN_SYNC, nodes)}"),
    )


def describe_topic(topic: str) -> int:
    """Partitions, leaders, replicas, and which of them are in sync."""
    return _tool("kafka-topics.sh", "--describe", "--topic", topic)


def groups() -> int:
    """Every consumer group's name."""
    return _tool("kafka-consumer-groups.sh", "--list")


def lag(group: str) -> int:
    """Of each partition how far the group has read, and how much waits."""
    return _tool("kafka-consumer-groups.sh", "--describe", "--group", group)


def cluster_info() -> int:
    """The quorum: leader, voters, and how far behind they are; then which nodes answer."""
    stack = Stack()
    broker = stack.broker()
    code = _in(stack, broker, "kafka-metadata-quorum.sh", "describe", "--status")
    if code:
        raise Failed(f"{broker.name} did not describe the quorum (exit code {code})")
    return _in(stack, broker, "kafka-metadata-quorum.sh", "describe", "--replication")


def positive(name: str, value: str, example: str) -> int:
    """A whole number above 0 out of a make variable. Raises Refusal."""
    if not value.isdecimal() or int(value) == 0:
        raise Refusal(f"{name}={value or '(nothing)'} is not a whole number above 0: {example}")
    return int(value)
