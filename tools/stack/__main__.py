"""`python -m tools.stack COMMAND`: what the Makefile's targets of the stack run. An empty make variable comes as ""."""

import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from services.settings import SettingsError
from tools.stack.refusal import Failed, Refusal

app = typer.Typer(add_completion=False, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Service = Annotated[str, typer.Option("--service", help="role or container name; none: all of them")]
Topic = Annotated[str, typer.Option("--topic", help="the topic's name")]
Connector = Annotated[str, typer.Option("--connector", help="the connector's name")]

_LOG_LINES = 50

Work = TypeVar("Work", bound=Callable[..., int])


def _command(name: str) -> Callable[[Work], Work]:
    """Adds a command. What it returns is the exit code; refusals (2) and failures (1) are one line."""

    def add(work: Work) -> Work:
        @functools.wraps(work)
        def run(*arguments: Any, **options: Any) -> None:
            try:
                code = work(*arguments, **options)
            except (Refusal, Failed, SettingsError) as told:
                print(f"millrace: {told}", file=sys.stderr)
                code = 1 if isinstance(told, Failed) else 2
            raise typer.Exit(code)

        app.command(name)(run)
        return work

    return add


def _wanted(name: str, value: str, example: str) -> str:
    if not value.strip():
        raise Refusal(f"say which: {example} ({name} is not set)")
    return value.strip()


@_command("up")
def up(
    config: Annotated[str, typer.Option(help="KEY=VALUE with blanks between, kept from then on")] = "",
    settings: Annotated[str, typer.Option(help="NAME=VALUE of services' settings, kept too")] = "",
) -> int:
    """Start the stack, or bring it up to date; print every link; look whether all is well."""
    from tools.stack import lifecycle
    from tools.stack.given import read_config, read_settings

    return lifecycle.up(read_config(config), read_settings(settings))


@_command("down")
def down() -> int:
    """Take the stack apart; its data stays."""
    from tools.stack import lifecycle

    return lifecycle.down()


@_command("init-db")
def init_db() -> int:
    """Run the jobs that make topics, schemas, users and connectors again."""
    from tools.stack import lifecycle

    return lifecycle.init_db()


@_command("clean")
def clean(yes: Annotated[str, typer.Option(help="1: do not ask")] = "") -> int:
    """Remove the stack's containers, network and volumes, with all data."""
    from tools.stack import lifecycle

    return lifecycle.clean(yes.strip().lower() in ("1", "y", "yes", "true"))


@_command("ps")
def ps(service: Service = "") -> int:
    """Names, states and ports of the containers."""
    from tools.stack.engine import Stack

    return Stack().ps(service.strip())


@_command("logs")
def logs(
    service: Service = "",
    tail: Annotated[str, typer.Option(help="lines of each container to begin with")] = "",
    follow: Annotated[bool | None, typer.Option(help="go on until Ctrl-C (the default on a terminal)")] = None,
) -> int:
    """What the containers say."""
    from tools.stack import kafka
    from tools.stack.engine import Stack

    lines = kafka.positive("TAIL", tail, "make logs SERVICE=relay TAIL=200") if tail else _LOG_LINES
    return Stack().logs(service.strip(), lines, sys.stdout.isatty() if follow is None else follow)


@_command("restart")
def restart(service: Service = "") -> int:
    """Restart one container, or all of them; a job runs again."""
    from tools.stack.engine import Stack

    Stack().restart(service.strip())
    return 0


@_command("on-engine")
def on_engine(words: Annotated[list[str], typer.Argument(help="after --: the program and what it is given")]) -> int:
    """Run a program that knows no Docker contexts on the engine of the current one; without Docker, as it is."""
    from tools.stack.engine import address
    from tools.stack.shell import become

    become(words, address())


@_command("mysql-shell")
def mysql_shell(query: Annotated[str, typer.Option(help="a statement instead of a prompt")] = "") -> int:
    """The mysql client, as the people's user."""
    from tools.stack import shells

    return shells.mysql(query)


@_command("kafka-topics")
def kafka_topics() -> int:
    """Every topic's name."""
    from tools.stack import kafka

    return kafka.topics()


@_command("kafka-create-topic")
def kafka_create_topic(topic: Topic = "", partitions: Annotated[str, typer.Option(help="how many")] = "") -> int:
    """Make a topic with the stack's replication."""
    from tools.stack import kafka

    example = "make kafka-create-topic TOPIC=name PARTITIONS=3"
    return kafka.create_topic(_wanted("TOPIC", topic, example), kafka.positive("PARTITIONS", partitions, example))


@_command("kafka-describe-topic")
def kafka_describe_topic(topic: Topic = "") -> int:
    """Partitions, leaders and replicas of a topic."""
    from tools.stack import kafka

    return kafka.describe_topic(_wanted("TOPIC", topic, "make kafka-describe-topic TOPIC=order.events"))


@_command("kafka-consumer-groups")
def kafka_consumer_groups() -> int:
    """Every consumer group's name."""
    from tools.stack import kafka

    return kafka.groups()


@_command("kafka-consumer-lag")
def kafka_consumer_lag(group: Annotated[str, typer.Option(help="the group's name")] = "") -> int:
    """How far a group has read, and how much waits."""
    from tools.stack import kafka

    return kafka.lag(_wanted("GROUP", group, "make kafka-consumer-lag GROUP=order-event-transformer"))


@_command("kafka-cluster-info")
def kafka_cluster_info() -> int:
    """The quorum: leader, voters and their lag."""
    from tools.stack import kafka

    return kafka.cluster_info()


@_command("register-connector")
def register_connector(connector: Connector = "") -> int:
    """Give a connector its declared configuration, and start it; the ClickHouse sink where none is named."""
    from tools.stack import connectors

    return connectors.register(connector.strip())


@_command("connector-status")
def connector_status(connector: Connector = "") -> int:
    """Connectors, their tasks, and why one failed."""
    from tools.stack import connectors

    return connectors.status(connector.strip())


@_command("connector-restart")
def connector_restart(connector: Connector = "") -> int:
    """Restart a connector with its tasks."""
    from tools.stack import connectors

    return connectors.restart(
        _wanted("CONNECTOR", connector, "make connector-restart CONNECTOR=clickhouse-sink-orders")
    )


@_command("connector-delete")
def connector_delete(connector: Connector = "") -> int:
    """Remove a connector; its data and offsets stay."""
    from tools.stack import connectors

    return connectors.delete(_wanted("CONNECTOR", connector, "make connector-delete CONNECTOR=clickhouse-sink-orders"))


@_command("test-pipeline")
def test_pipeline() -> int:
    """Place an order and show it arrive, step by step."""
    from tools.stack import pipeline

    return pipeline.run(deletion=False)


@_command("test-deletion-flow")
def test_deletion_flow() -> int:
    """Place an order, delete it, and show it go."""
    from tools.stack import pipeline

    return pipeline.run(deletion=True)


@_command("page")
def page(part: Annotated[str, typer.Argument(help="grafana or kafka-ui")]) -> int:
    """Print the link of a part's page."""
    from tools.stack import shells

    return shells.page(part)


if __name__ == "__main__":
    app(prog_name="python -m tools.stack")
