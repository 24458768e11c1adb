"""The environment of the project's own containers: each gets what it uses, under a user of its own, nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi

from infra.accounts import CLICKHOUSE_SERVICES, MYSQL_SERVICES
from infra.components import clickhouse, connect, mysql, network

Environment = dict[str, pulumi.Input[str]]

# Who is told where a server is shares its network, and nobody else does.
_NETWORKS: Final = {
    "CLICKHOUSE_HOST": network.CLICKHOUSE,
    "CONNECT_URL": network.CONNECT,
    "KAFKA_BROKERS": network.KAFKA,
    "MYSQL_HOST": network.MYSQL,
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`passwords` as `Passwords.of`; `brokers`: bootstrap servers inside the network; `timezone`: the business zone.

    `local`: ports are published for this machine alone. `trusted_proxies`: addresses and networks, with commas, of
    proxies that say who the api's client is. `chosen`: by process, what the user of the stack sets beside or instead of
    the defaults. `bootstrap_token`: the api knows the generated admin token.
    """

    passwords: Mapping[str, pulumi.Output[str]]
    brokers: str
    timezone: str
    relay_mode: str
    sink_mode: str
    local: bool
    trusted_proxies: str = ""
    bootstrap_token: bool = True
    chosen: Mapping[str, Environment] = field(default_factory=dict)

    @property
    def common(self) -> Environment:
        """What every process reads."""
        return {"BUSINESS_TIMEZONE": self.timezone}

    @property
    def kafka(self) -> Environment:
        """The way to the brokers."""
        return {"KAFKA_BROKERS": self.brokers}

    @property
    def connect(self) -> Environment:
        """The way to Kafka Connect's REST interface."""
        return {
            "CONNECT_URL": f"http://{connect.ROLE}:{connect.PORT}",
            "CONNECT_USER": connect.USER,
            "CONNECT_PASSWORD": self.passwords["connect"],
        }

    def mysql(self, user: str) -> Environment:
        """The way to the relational database as one of its users."""
        return {
            "MYSQL_HOST": mysql.ROLE,
            "MYSQL_PORT": str(mysql.PORT),
            "MYSQL_DATABASE": mysql.DATABASE,
            "MYSQL_USER": user,
            "MYSQL_PASSWORD": self.passwords[f"mysql-{user}"],
        }

    def clickhouse(self, user: str) -> Environment:
        """The way to ClickHouse as one of its users."""
        return {
            "CLICKHOUSE_HOST": f"http://{clickhouse.ROLE}:{clickhouse.HTTP_PORT}",
            "CLICKHOUSE_DATABASE": clickhouse.DATABASE,
            "CLICKHOUSE_USER": user,
            "CLICKHOUSE_PASSWORD": self.passwords[f"clickhouse-{user}"],
        }

    def of(self, name: str) -> Environment:
        """What the process or job of this name is given."""
        return {**self.common, **self._own[name], **self.chosen.get(name, {})}

    def networks(self, name: str) -> list[str]:
        """The networks of the servers that the process or job of this name is told of."""
        return [_NETWORKS[setting] for setting in self._own[name] if setting in _NETWORKS]

    @property
    def _own(self) -> dict[str, Environment]:
        return {
            "topics-job": self.kafka,
            "database-job": {**self.mysql("root"), **self._service_users},
            "clickhouse-job": {**self.clickhouse("admin"), **self._analytics_users},
            "connectors-job": self.connect,
            "api": {
                **self.mysql("api"),
                **self.clickhouse("api"),
                **({"MILLRACE_ADMIN_TOKEN": self.passwords["admin-token"]} if self.bootstrap_token else {}),
                **self._clients,
            },
            "relay": {
                **self.mysql("relay"),
                **self.kafka,
                **(self.connect if self.relay_mode == "debezium" else {}),
                "RELAY_MODE": self.relay_mode,
            },
            "transformer": self.kafka,
            "sink": {**self.kafka, **self.clickhouse("sink"), **self._watched, "SINK_MODE": self.sink_mode},
            "aggregator": {**self.mysql("aggregator"), **self.clickhouse("aggregator")},
            "reconciler": {**self.mysql("reconciler"), **self.clickhouse("reconciler")},
        }

    @property
    def _clients(self) -> Environment:
        """How the api tells its clients apart, whose writes it limits."""
        if self.trusted_proxies:
            return {"API_TRUSTED_PROXIES": self.trusted_proxies}
        # clients on this machine all come from the address of the network's gateway: as one client
        return {"API_WRITES_PER_SECOND": "0"} if self.local else {}

    @property
    def _watched(self) -> Environment:
        """The way to the connector that the sink watches, where one loads the rows."""
        return self.connect if self.sink_mode == "connect" else {}

    @property
    def _analytics_users(self) -> Environment:
        """Passwords of the users whose rights the ClickHouse job looks at."""
        return {
            f"CLICKHOUSE_{user.upper()}_PASSWORD": self.passwords[f"clickhouse-{user}"] for user in CLICKHOUSE_SERVICES
        }

    @property
    def _service_users(self) -> Environment:
        """Passwords of the users that the database job makes."""
        users = [user for user in MYSQL_SERVICES if user != "debezium" or self.relay_mode == "debezium"]
        return {f"MYSQL_{user.upper()}_PASSWORD": self.passwords[f"mysql-{user}"] for user in users}
