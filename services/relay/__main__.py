"""`python -m services.relay`: the relay as a process."""

import os
import socket
import sys

from sqlalchemy.engine import Engine

from services.clients.connect import ConnectClient
from services.clients.database import ANSWER_SECONDS, connect
from services.clients.delivery import ConfirmedProducer
from services.clients.kafka import producer_configuration
from services.clients.lease import Lease
from services.clients.relational_schema import wait_until_current
from services.clients.unread import GroupOffsets, UnreadLimit
from services.events.topics import ORDER_EVENTS, PAYMENT_EVENTS
from services.observability.process import StopSignal, leave_what_hangs, run
from services.relay.binlog import require_binlog
from services.relay.connector import Connector
from services.relay.follower import Follower
from services.relay.leading import LEASE, Leading
from services.relay.outbox import Outbox
from services.relay.produce import Produce
from services.relay.relay import Relay
from services.relay.troubles import Troubles
from services.settings import (
    BusinessSettings,
    ConnectSettings,
    DatabaseSettings,
    KafkaSettings,
    RelaySettings,
    TransformerSettings,
    load,
)

PROCESS = "relay"


def body(stop: StopSignal) -> None:
    """Puts the relay together and lets it work."""
    leave_what_hangs(stop)
    settings = load(RelaySettings)
    engine = connect(load(DatabaseSettings), ANSWER_SECONDS)
    lease = Lease(engine, LEASE, f"{socket.gethostname()}:{os.getpid()}", settings.relay_lease_seconds)
    relay = (_follower if settings.relay_mode == "debezium" else _relay)(engine, lease, settings)
    if wait_until_current(engine, load(BusinessSettings).business_timezone, stop):
        relay.run(stop)


def _relay(engine: Engine, lease: Lease, settings: RelaySettings) -> Leading:
    kafka = load(KafkaSettings)
    reader = GroupOffsets(kafka, PROCESS, load(TransformerSettings).kafka_consumer_group_id)
    produce = Produce(
        ConfirmedProducer(producer_configuration(kafka, PROCESS), kafka.kafka_delivery_timeout_ms / 1000),
        UnreadLimit(kafka.kafka_max_unread_bytes, {ORDER_EVENTS: reader, PAYMENT_EVENTS: reader}),
    )
    return Relay(Outbox(engine, lease), produce, lease, settings)


def _follower(engine: Engine, lease: Lease, settings: RelaySettings) -> Leading:
    connect_client = ConnectClient.of(load(ConnectSettings), timeout=5, patience=5)
    troubles = Troubles()
    return Follower(
        Outbox(engine, lease), lease, settings, require_binlog(engine), Connector(connect_client, troubles), troubles
    )


def main() -> int:
    """Runs the relay; returns its exit code."""
    return run(PROCESS, body, lambda: load(RelaySettings).relay_metrics_port)


if __name__ == "__main__":
    sys.exit(main())
