"""The settings, a group a concern. Field names in capitals are the environment variables' names."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from services.settings.group import Group, Port
from services.settings.labels import DEFAULT_STACK
from services.settings.paths import DEMO_DATA, STACK_DATA
from services.settings.pipeline import (
    AggregatorSettings,
    ReconcilerSettings,
    RelaySettings,
    SinkSettings,
    TransformerSettings,
)
from services.settings.values import Addresses, Brokers, ZoneName

DEFAULT_WRITES_PER_SECOND = 100
_EVERYWHERE = frozenset({"127.0.0.1", "0.0.0.0", "::", "::1"})  # noqa: S104 - compared with, never listened on


class BusinessSettings(Group):
    business_timezone: ZoneName = Field("UTC", description="IANA zone whose midnight starts the shop's day")


class DatabaseSettings(Group):
    database_url: str | None = Field(None, description="SQLAlchemy URL; overrides MYSQL_* (sqlite:///file.db)")
    mysql_host: str = Field("localhost", description="MySQL host")
    mysql_port: Port = Field(3306, ge=1, le=65535, description="MySQL port")
    mysql_user: str = Field("admin", description="MySQL user")
    mysql_password: SecretStr | None = Field(None, description="MySQL password; no default")
    mysql_database: str = Field("ecommerce", description="MySQL database")
    database_pool_size: int = Field(
        16, ge=1, le=512, description="connections a process keeps at most; the api's are API_THREADS + 2 or more"
    )

    @model_validator(mode="after")
    def _reachable(self) -> "DatabaseSettings":
        if self.database_url is None and self.mysql_password is None:
            raise ValueError(
                "MYSQL_PASSWORD is not set: set it (or DATABASE_URL) in the environment or .env, "
                "or start `make demo` or `make up`"
            )
        return self


class KafkaSettings(Group):
    kafka_brokers: Brokers = Field(
        "localhost:19092,localhost:19093,localhost:19094", description="bootstrap servers, host:port with commas"
    )
    kafka_client_id: str = Field("ecommerce-backend", description="client id; the process's name is appended")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="protocol to the brokers"
    )
    kafka_security_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism, with SASL_*"
    )
    kafka_security_sasl_username: str | None = Field(None, description="SASL user")
    kafka_security_sasl_password: SecretStr | None = Field(None, description="SASL password")
    kafka_security_ca_file: Path | None = Field(None, description="CA bundle (PEM), with SSL and SASL_SSL")
    kafka_compression: Literal["none", "lz4", "zstd", "gzip", "snappy"] = Field(
        "lz4", description="compression of what producers send"
    )
    kafka_session_timeout_ms: int = Field(
        10_000, ge=1_000, le=300_000, description="a consumer silent for so long is replaced"
    )
    kafka_delivery_timeout_ms: int = Field(
        30_000, ge=1_000, le=600_000, description="a message not acknowledged by then has failed and is sent anew"
    )
    kafka_max_unread_bytes: int = Field(
        0, ge=0, description="producers hold back near so many unread bytes a partition; 0: never (a durable broker)"
    )

    dead_letter_limit: int = Field(
        1000,
        ge=0,
        description="dead letters that a process stores within an hour; before more it waits for a person; 0: no limit",
    )

    @model_validator(mode="after")
    def _credentials(self) -> "KafkaSettings":
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_security_sasl_mechanism
            and self.kafka_security_sasl_username
            and self.kafka_security_sasl_password
        ):
            raise ValueError(
                "KAFKA_SECURITY_PROTOCOL is SASL: set KAFKA_SECURITY_SASL_MECHANISM, _USERNAME and _PASSWORD too"
            )
        return self


class ClickHouseSettings(Group):
    clickhouse_host: str = Field("http://localhost:8123", description="HTTP URL, or a bare host name")
    clickhouse_port: Port | None = Field(None, ge=1, le=65535, description="port, where the URL names none")
    clickhouse_secure: bool = Field(False, description="HTTPS, where CLICKHOUSE_HOST is a bare host name")
    clickhouse_user: str = Field(
        "admin", validation_alias=AliasChoices("clickhouse_user", "clickhouse_username"), description="writing user"
    )
    clickhouse_password: SecretStr = Field(description="the writing user's password; no default")
    clickhouse_database: str = Field("analytics", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="database")

    @field_validator("clickhouse_host")
    @classmethod
    def _host(cls, value: str) -> str:
        parts = urlsplit(value if "://" in value else f"//{value}")
        if parts.scheme not in ("", "http", "https") or not parts.hostname:
            raise ValueError(f"is not an http(s) URL or a host name: {value}")
        return value

    @property
    def url(self) -> str:
        """``http[s]://host:port``, put together from host, port and secure."""
        bare = "://" not in self.clickhouse_host
        parts = urlsplit(f"//{self.clickhouse_host}" if bare else self.clickhouse_host)
        secure = self.clickhouse_secure if bare else parts.scheme == "https"
        port = parts.port or self.clickhouse_port or (8443 if secure else 8123)
        return f"{'https' if secure else 'http'}://{parts.hostname}:{port}"


class AnalyticsReaderSettings(ClickHouseSettings):
    """What only reads: falls back to the writing user where no reader is named."""

    clickhouse_reader_user: str | None = Field(None, description="user who only looks (default: CLICKHOUSE_USER)")
    clickhouse_reader_password: SecretStr | None = Field(None, description="the reading user's password")

    @property
    def reader(self) -> tuple[str, str]:
        """User and password to read with."""
        if self.clickhouse_reader_user is None:
            return self.clickhouse_user, self.clickhouse_password.get_secret_value()
        secret = self.clickhouse_reader_password
        return self.clickhouse_reader_user, secret.get_secret_value() if secret else ""


class ApiSettings(Group):
    port: Port = Field(3000, ge=0, le=65535, description="HTTP port of the API")
    api_host: str = Field("127.0.0.1", description="address the API listens on")
    api_threads: int = Field(8, ge=1, le=256, description="threads for database work")
    api_max_body_bytes: int = Field(1024 * 1024, ge=1024, description="a larger request body is refused (413)")
    api_max_header_bytes: int = Field(
        16 * 1024, ge=1024, le=1024 * 1024, description="a larger request line with its headers is refused (431)"
    )
    api_max_connections: int = Field(
        512, ge=1, le=100_000, description="connections served at once; more are refused (503)"
    )
    api_header_seconds: float = Field(
        10, gt=0, le=300, description="a request's headers arrive in so many seconds (408)"
    )
    api_body_seconds: float = Field(30, gt=0, le=3600, description="a request's body arrives in so many seconds (408)")
    api_send_seconds: float = Field(
        30,
        gt=0,
        le=3600,
        description="a client that takes next to nothing of its answer for so many seconds is cut off",
    )
    api_keep_alive_seconds: int = Field(30, ge=1, le=3600, description="a connection without a request is kept so long")
    api_request_seconds: float = Field(
        30, ge=1, le=300, description="seconds a request waits for the database at most (503)"
    )
    api_queue_seconds: float = Field(
        2,
        gt=0,
        le=300,
        description="seconds of them before the database begins with it; it is refused (503) before that",
    )
    api_writes_per_second: float | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="changes a second for each client (429); 0: no limit; unset: "
        f"{DEFAULT_WRITES_PER_SECOND}, and no limit for clients on this machine",
    )
    api_write_burst: int = Field(200, ge=1, le=1_000_000, description="changes a client can make at once after a pause")
    api_trusted_proxies: Addresses = Field(
        "", description="addresses and networks, with commas, whose X-Forwarded-For and -Proto are believed"
    )
    millrace_admin_token: SecretStr | None = Field(
        None, min_length=16, description="an admin token beside those of `millrace admin`, named bootstrap"
    )

    @property
    def link(self) -> str:
        """Where clients on this machine reach it."""
        return f"http://{'localhost' if self.api_host in _EVERYWHERE else self.api_host}:{self.port}"


class PaymentSettings(Group):
    payment_timeout: float = Field(
        10, gt=0, le=25, description="seconds the payment provider has for an answer; then the sweep finds out"
    )
    payment_threads: int = Field(16, ge=1, le=256, description="payments that wait for the provider at a time")
    payment_sweep_interval: float = Field(
        2, gt=0, le=600, description="seconds between looks for payments without an outcome and orders that expire"
    )
    payment_max_backoff: float = Field(
        300, gt=0, description="longest wait in seconds before the provider is asked again about a payment"
    )
    payment_abandon_after: float = Field(
        3600,
        ge=60,
        description="seconds after an order's end by which a charge that the provider has not heard of has failed",
    )
    payment_sandbox_file: Path | None = Field(
        None, description="SQLite file of the sandbox provider's book; unset: in memory"
    )
    order_expiry: float = Field(0, ge=0, description="seconds until an unpaid order is cancelled; 0: never")


class ConnectSettings(Group):
    connect_url: str = Field("http://localhost:8083", description="REST address of Kafka Connect")
    connect_user: str | None = Field(None, description="user of that interface; unset: it asks for none")
    connect_password: SecretStr | None = Field(None, description="its password")

    @field_validator("connect_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"is not an http(s) URL like http://localhost:8083: {value}")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _credentials(self) -> "ConnectSettings":
        if bool(self.connect_user) != bool(self.connect_password):
            raise ValueError("CONNECT_USER and CONNECT_PASSWORD belong together: set both or neither")
        return self


class ObservabilitySettings(Group):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="lowest level logged")
    log_format: Literal["console", "json"] = Field("console", description="form of a log line")
    metrics_host: str = Field("127.0.0.1", description="address the metrics ports listen on")
    parent_pid: int | None = Field(
        None, validation_alias="MILLRACE_PARENT_PID", description="stop when this process, which started it, is gone"
    )


class ProvisionSettings(Group):
    """What `millrace provision` gives the accounts that it makes, and looks at ClickHouse's users with.

    A service knows its own as MYSQL_PASSWORD and CLICKHOUSE_PASSWORD.
    """

    mysql_api_password: SecretStr | None = Field(None, description="password of the MySQL account api")
    mysql_relay_password: SecretStr | None = Field(None, description="password of the MySQL account relay")
    mysql_aggregator_password: SecretStr | None = Field(None, description="password of the MySQL account aggregator")
    mysql_reconciler_password: SecretStr | None = Field(None, description="password of the MySQL account reconciler")
    mysql_debezium_password: SecretStr | None = Field(None, description="password of the MySQL account debezium")
    clickhouse_sink_password: SecretStr | None = Field(None, description="password of the ClickHouse user sink")
    clickhouse_connect_password: SecretStr | None = Field(None, description="password of the ClickHouse user connect")
    clickhouse_aggregator_password: SecretStr | None = Field(
        None, description="password of the ClickHouse user aggregator"
    )
    clickhouse_reconciler_password: SecretStr | None = Field(
        None, description="password of the ClickHouse user reconciler"
    )
    clickhouse_api_password: SecretStr | None = Field(None, description="password of the ClickHouse user api")
    clickhouse_grafana_password: SecretStr | None = Field(None, description="password of the ClickHouse user grafana")

    def mysql_passwords(self, accounts: Iterable[str]) -> dict[str, str]:
        """The passwords by account. Raises ValueError, naming the settings, where one is not set."""
        given = {account: getattr(self, f"mysql_{account}_password") for account in accounts}
        missing = [f"MYSQL_{account.upper()}_PASSWORD" for account, password in given.items() if not password]
        if missing:
            raise ValueError(f"{', '.join(missing)} not set: the stack gives its database job one for every account")
        return {account: password.get_secret_value() for account, password in given.items()}


class DemoSettings(Group):
    demo_data: Path = Field(DEMO_DATA, validation_alias="MILLRACE_DEMO_DATA", description="folder of the demo's data")
    clickhouse_demo_port: Port = Field(8123, ge=0, le=65535, description="ClickHouse port of the demo")


class StackSettings(Group):
    """What a stack says of itself to those who work on it from outside; its services need none of it."""

    stack_data: Path = Field(
        STACK_DATA, validation_alias="MILLRACE_STACK_DATA", description="folder of what `make up` keeps on this machine"
    )
    stack_prefix: str = Field(
        "", validation_alias="MILLRACE_STACK_PREFIX", description="prefix of the stack's container names"
    )
    stack_images: Literal["upstream", "local"] | None = Field(
        None, validation_alias="MILLRACE_IMAGES", description="the image set of the stack; unset: there is none"
    )
    stack_sink: Literal["connect", "python"] | None = Field(
        None, validation_alias="MILLRACE_SINK", description="what loads ClickHouse in the stack; unset: there is none"
    )
    stack_partitions: int | None = Field(
        None,
        ge=1,
        validation_alias="MILLRACE_KAFKA_PARTITIONS",
        description="partitions that the stack's topics are declared with",
    )

    @property
    def stack_label(self) -> str:
        """The value of the label dev.millrace.stack on everything of this stack."""
        return self.stack_prefix or DEFAULT_STACK


GROUPS: tuple[type[Group], ...] = (
    BusinessSettings,
    DatabaseSettings,
    KafkaSettings,
    AnalyticsReaderSettings,
    ApiSettings,
    PaymentSettings,
    ConnectSettings,
    RelaySettings,
    TransformerSettings,
    SinkSettings,
    AggregatorSettings,
    ReconcilerSettings,
    ProvisionSettings,
    ObservabilitySettings,
    DemoSettings,
    StackSettings,
)
