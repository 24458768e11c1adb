"""The settings of the services that the key `settings` holds: checked, and told apart by who reads them.

    pulumi config set --path millrace:settings.ORDER_EXPIRY 1800
    pulumi config set --path --secret millrace:settings.NAME VALUE

What the stack decides itself (addresses, accounts, ports, the business zone) is refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from infra import keys
from infra.faults import NAMESPACE, Refusal, key, structure
from services.settings.load import SettingsError
from services.settings.processes import check_setting, settings_read_by

_KEY: Final = key(keys.SETTINGS)
_OTHER_KEY: Final = {
    "API_TRUSTED_PROXIES": "apiTrustedProxies",
    "BUSINESS_TIMEZONE": "timezone",
    "MILLRACE_ADMIN_TOKEN": "bootstrapAdminToken",
    "PORT": keys.port_key("api"),
    "RELAY_MODE": "relay",
    "SINK_MODE": "sink",
    "RELAY_METRICS_PORT": keys.port_key("relayMetrics"),
    "TRANSFORMER_METRICS_PORT": keys.port_key("transformerMetrics"),
    "SINK_METRICS_PORT": keys.port_key("sinkMetrics"),
    "AGGREGATOR_METRICS_PORT": keys.port_key("aggregatorMetrics"),
    "VERIFY_METRICS_PORT": keys.port_key("reconcilerMetrics"),
}
"""Setting to the key that decides it."""
_OF_THE_STACK: Final = ("DATABASE_URL", "MYSQL_", "CLICKHOUSE_", "CONNECT_", "KAFKA_BROKERS", "KAFKA_SECURITY_")
"""Beginnings of the names of addresses, accounts and passwords, which the stack makes."""
_OF_THE_CONTAINER: Final = ("API_HOST", "METRICS_HOST", "MILLRACE_PARENT_PID")


@dataclass(frozen=True)
class ServiceSettings:
    """Environment variable to value; `secret` when any of them was given as a secret."""

    values: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False

    def of(self, process: str) -> dict[str, pulumi.Input[str]]:
        """Those that a process reads."""
        return self._marked({name: self.values[name] for name in self.values.keys() & settings_read_by(process)})

    @property
    def all(self) -> dict[str, pulumi.Input[str]]:
        """Every one, for `millrace` on this machine."""
        return self._marked(self.values)

    def _marked(self, values: Mapping[str, str]) -> dict[str, pulumi.Input[str]]:
        if self.secret:
            return {name: pulumi.Output.secret(value) for name, value in values.items()}
        return dict(values)


def given() -> ServiceSettings:
    """What the configuration of the running stack holds. Raises Refusal with one line for the first thing wrong."""
    full = f"{NAMESPACE}:{keys.SETTINGS}"
    text = CONFIG.get().get(full) or ""
    if not text.strip():
        return ServiceSettings()
    held = structure(text)
    if not isinstance(held, dict):
        raise Refusal(
            f"{_KEY} is not a map of settings: pulumi config rm {_KEY}; "
            f"pulumi config set --path {_KEY}.ORDER_EXPIRY 1800"
        )
    values = {name: _text(name, value) for name, value in sorted(held.items())}
    for name, value in values.items():
        check(name, value)
    return ServiceSettings(values, is_config_secret(full))


def _text(name: str, value: object) -> str:
    """As an environment variable has it: the CLI makes numbers and switches of what looks like one."""
    if isinstance(value, dict | list) or value is None:
        raise Refusal(f"{_KEY}.{name} is not one value: pulumi config set --path {_KEY}.{name} VALUE")
    return str(value).lower() if isinstance(value, bool) else str(value)


def check(name: str, value: str) -> None:
    """Raises Refusal when no service reads it, the stack decides it, or the value is malformed."""
    if name in _OTHER_KEY:
        raise Refusal(f"{_KEY} has {name}, which {key(_OTHER_KEY[name])} decides: set that key instead")
    if name.startswith(_OF_THE_STACK) or name in _OF_THE_CONTAINER:
        raise Refusal(f"{_KEY} has {name}, which the stack sets for its own containers: remove it")
    try:
        check_setting(name, value)
    except SettingsError as wrong:
        raise Refusal(f"{_KEY}: {wrong}") from None
