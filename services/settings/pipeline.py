"""The settings of the pipeline's processes beside the api, a group a process."""

from typing import Literal

from pydantic import Field

from services.settings.group import Group, Port
from services.settings.values import PollingSeconds


class RelaySettings(Group):
    relay_mode: Literal["outbox", "debezium"] = Field(
        "outbox", description="outbox: the relay produces; debezium: it marks what that connector has produced"
    )
    outbox_batch_size: int = Field(500, ge=1, le=10_000, description="events a relay batch holds at most")
    outbox_polling_interval: PollingSeconds = Field(
        0.25, gt=0, le=3600, description="longest pause between polls when idle: seconds, or */5 * * * * *"
    )
    outbox_retention: float = Field(7 * 86_400, ge=0, description="seconds a processed outbox row is kept; 0: for ever")
    outbox_max_backoff: float = Field(60, gt=0, description="longest wait in seconds before a refused event is retried")
    relay_lease_seconds: float = Field(10, gt=0, description="a relay silent for so long is replaced")
    relay_metrics_port: Port = Field(9101, ge=0, le=65535, description="Prometheus metrics of the relay")


class TransformerSettings(Group):
    kafka_consumer_group_id: str = Field("order-event-transformer", description="consumer group of the transformer")
    transformer_batch_size: int = Field(1000, ge=1, le=10_000, description="events a batch holds at most")
    transformer_linger: float = Field(0.05, gt=0, le=5, description="least seconds a batch waits for more events")
    transformer_metrics_port: Port = Field(9102, ge=0, le=65535, description="Prometheus metrics of the transformer")


class SinkSettings(Group):
    sink_mode: Literal["python", "connect"] = Field(
        "python", description="python: it loads ClickHouse; connect: it watches the connector that does, and mends it"
    )
    sink_consumer_group_id: str = Field("analytics-sink", description="consumer group of the sink")
    sink_batch_rows: int = Field(5000, ge=1, le=100_000, description="rows an insert holds at most")
    sink_linger: float = Field(0.1, gt=0, le=5, description="least seconds an insert waits for more rows")
    sink_metrics_port: Port = Field(9103, ge=0, le=65535, description="Prometheus metrics of the sink")


class AggregatorSettings(Group):
    aggregator_interval: float = Field(0.25, gt=0, le=60, description="seconds between looks for dirty days")
    aggregator_users_interval: float = Field(2, gt=0, le=600, description="seconds between looks for dirty users")
    aggregator_lease_seconds: float = Field(10, gt=0, description="an aggregator silent for so long is replaced")
    aggregator_metrics_port: Port = Field(9104, ge=0, le=65535, description="Prometheus metrics of the aggregator")


class ReconcilerSettings(Group):
    verify_interval: float = Field(900, ge=1, description="seconds between scheduled verify --repair runs")
    verify_in_flight: float = Field(30, ge=0, description="orders changed in the last so many seconds are in flight")
    verify_metrics_port: Port = Field(9105, ge=0, le=65535, description="Prometheus metrics of the schedule")
