"""The doctor as the command line calls it: which installation, and so which checks, from the settings."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from sqlalchemy.engine import Engine

from services import events
from services.clients import clickhouse, database
from services.clients.connect import SINK_CONNECTOR, ConnectClient, sink_group
from services.doctor.check import Check, Probing
from services.doctor.cluster import KafkaCluster
from services.doctor.connectors import OUTBOX_CONNECTOR, Connectors
from services.doctor.containers import Containers
from services.doctor.dashboards import Dashboards
from services.doctor.engine import DockerEngine
from services.doctor.examination import examine
from services.doctor.findings import Finding, Report, left_out
from services.doctor.place import Place
from services.doctor.probe import Probe
from services.doctor.reading import DeadLetterTopics, Lags, Reader
from services.doctor.relational import Leases, Outbox, RelationalSchema
from services.doctor.shop import Shop
from services.doctor.topics import Declared, Topics
from services.doctor.warehouse import WarehouseSchema
from services.events.topics import HEARTBEAT_TOPIC, ORDER_EVENTS, PAYMENT_EVENTS, SCHEMA_HISTORY_TOPIC
from services.settings import (
    ApiSettings,
    BusinessSettings,
    ClickHouseSettings,
    ConnectSettings,
    DatabaseSettings,
    DemoSettings,
    KafkaSettings,
    RelaySettings,
    SinkSettings,
    StackSettings,
    TransformerSettings,
    load,
)

_MOST_REPLICAS: Final = 3
_ANSWER_SECONDS: Final = 10
_LOOK_SECONDS: Final = 0.2
_ALWAYS: Final = (
    *("mysql", "clickhouse", "api", "relay", "transformer", "sink", "aggregator", "reconciler", "prometheus"),
)
_PAGES: Final = ("grafana", "kafka-ui")
"""In the upstream images only."""


@dataclass(frozen=True)
class _LeftOut:
    """Stands for a check that makes no sense here, and says so."""

    name: str
    why: str
    seconds: float = 1.0

    def look(self) -> tuple[Finding, ...]:
        return (left_out(self.name, self.why),)


class Installation:
    """What the settings describe, and the checks that fit it. Raises SettingsError."""

    def __init__(self) -> None:
        self.stack = load(StackSettings)
        self.brokers = len(load(KafkaSettings).kafka_brokers.split(","))
        self.zone = load(BusinessSettings).business_timezone
        self._clickhouse = load(ClickHouseSettings)
        self._database = load(DatabaseSettings)
        self._api = load(ApiSettings)

    @cached_property
    def place(self) -> Place:
        """Which kind it is."""
        if self.stack.stack_sink is not None:
            return Place("stack", self.stack.stack_label)
        if database.database_url(self._database).get_backend_name() == "sqlite":
            return Place("demo", str(load(DemoSettings).demo_data))
        return Place("services")

    @cached_property
    def _engine(self) -> Engine:
        return database.connect(self._database)

    @property
    def _url(self) -> str:
        return self._api.link

    def checks(self) -> list[Check]:
        """All but the probe."""
        place, cluster = self.place, KafkaCluster(load(KafkaSettings))
        letters = [topic for topic in events.all_topics() if topic.endswith(events.DEAD_LETTER_SUFFIX)]
        engine = DockerEngine(self.stack.stack_label) if place.kind == "stack" else None
        return [
            Containers(engine, place, self.roles()) if engine else _LeftOut("containers", "no stack runs here"),
            RelationalSchema(self._engine, place, self.zone),
            WarehouseSchema(self._connect, place, self.zone),
            Topics(cluster, place, self.declared(), self.brokers),
            self._connectors(),
            Outbox(self._engine, place),
            Leases(self._engine, place),
            Lags(cluster, place, self.readers(), _until),
            DeadLetterTopics(cluster, letters),
            Dashboards(self._url, place, engine),
        ]

    def probe(self) -> Probing:
        """The one check that changes something."""
        token = self._api.millrace_admin_token
        shop = Shop(self._engine, self._url, token.get_secret_value() if token else None)
        return Probe(shop, self._connect, self.place)

    def _connect(self) -> clickhouse.Client:
        return clickhouse.connect(
            self._clickhouse.url,
            user=self._clickhouse.clickhouse_user,
            password=self._clickhouse.clickhouse_password.get_secret_value(),
            database=self._clickhouse.clickhouse_database,
            connect_timeout=_ANSWER_SECONDS // 2,
            send_receive_timeout=_ANSWER_SECONDS,
        )

    def declared(self) -> Declared:
        """What the topics have to be like."""
        topics = dict.fromkeys(events.all_topics(), self.stack.stack_partitions)
        if self.place.kind == "stack":
            topics |= {HEARTBEAT_TOPIC: 1, SCHEMA_HISTORY_TOPIC: 1}
        return Declared(topics, min(_MOST_REPLICAS, self.brokers))

    def wanted_connectors(self) -> list[str]:
        """The connectors that must run."""
        sink = [SINK_CONNECTOR] if self.stack.stack_sink == "connect" else []
        return sink + ([OUTBOX_CONNECTOR] if load(RelaySettings).relay_mode == "debezium" else [])

    def _connectors(self) -> Check:
        if self.place.kind == "demo":
            return _LeftOut("connectors", "the demo has no Kafka Connect: its own sink and relay do that work")
        wanted = self.wanted_connectors()
        if not wanted:
            return _LeftOut("connectors", "none is wanted: MILLRACE_SINK and RELAY_MODE name services")
        client = ConnectClient.of(load(ConnectSettings), timeout=_ANSWER_SECONDS / 2, patience=_ANSWER_SECONDS)
        return Connectors(client, self.place, wanted)

    def readers(self) -> list[Reader]:
        """The groups that must not stand still."""
        transformer = Reader(
            load(TransformerSettings).kafka_consumer_group_id, "transformer", (ORDER_EVENTS, PAYMENT_EVENTS)
        )
        if self.stack.stack_sink == "connect":
            return [transformer, Reader(sink_group(SINK_CONNECTOR), "kafka-connect", (events.ANALYTICS_TOPIC,))]
        return [transformer, Reader(load(SinkSettings).sink_consumer_group_id, "sink", (events.ANALYTICS_TOPIC,))]

    def roles(self) -> list[str]:
        """The containers a stack of this configuration must have."""
        brokers = [f"kafka-local{number}" for number in range(1, self.brokers + 1)]
        pages = _PAGES if self.stack.stack_images == "upstream" else ()
        return [*_ALWAYS, *brokers, *pages, *(["kafka-connect"] if self.wanted_connectors() else [])]


def diagnose(wait_seconds: float, with_probe: bool, told: Callable[[Report], None]) -> Report:
    """Examines the installation of the settings. ``told`` gets each look that was not well while there is time left."""
    found = Installation()
    probe = found.probe() if with_probe else None
    return examine(str(found.place), found.checks(), probe, wait_seconds, told=told)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
