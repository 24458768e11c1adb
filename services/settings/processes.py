"""Which process reads which settings, and how one value is checked without the others."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from services.settings.group import Group
from services.settings.groups import (
    AnalyticsReaderSettings,
    ApiSettings,
    BusinessSettings,
    ClickHouseSettings,
    ConnectSettings,
    DatabaseSettings,
    KafkaSettings,
    ObservabilitySettings,
    PaymentSettings,
)
from services.settings.load import SettingsError, names
from services.settings.pipeline import (
    AggregatorSettings,
    ReconcilerSettings,
    RelaySettings,
    SinkSettings,
    TransformerSettings,
)

_READS: Final[Mapping[str, tuple[type[Group], ...]]] = {
    "api": (ApiSettings, BusinessSettings, DatabaseSettings, AnalyticsReaderSettings, PaymentSettings),
    "relay": (RelaySettings, BusinessSettings, DatabaseSettings, KafkaSettings, TransformerSettings, ConnectSettings),
    "transformer": (TransformerSettings, KafkaSettings, SinkSettings),
    "sink": (SinkSettings, KafkaSettings, ClickHouseSettings, ConnectSettings),
    "aggregator": (AggregatorSettings, BusinessSettings, DatabaseSettings, ClickHouseSettings),
    "reconciler": (ReconcilerSettings, BusinessSettings, DatabaseSettings, ClickHouseSettings),
}
"""Beside ObservabilitySettings, which all of them read."""


def settings_read_by(process: str) -> frozenset[str]:
    """The environment variables that a process reads. Raises KeyError for a process that there is not."""
    groups: tuple[type[Group], ...] = (*_READS[process], ObservabilitySettings)
    return frozenset(name for group in groups for name, _ in _variables(group))


def check_setting(name: str, value: str) -> None:
    """Raises SettingsError, in one line, when no process reads a setting of this name or its value is malformed."""
    for group in {group for groups in _READS.values() for group in groups} | {ObservabilitySettings}:
        for known, info in _variables(group):
            if known == name:
                return _check(name, value, info)
    raise SettingsError(f"{name} is not a setting of a service: `millrace settings` lists them")


def _check(name: str, value: str, info: FieldInfo) -> None:
    kind: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as invalid:
        why = invalid.errors()[0]["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name} {why[0].lower()}{why[1:]}") from None


def _variables(group: type[Group]) -> Iterator[tuple[str, FieldInfo]]:
    for field, info in group.model_fields.items():
        for name in names(field, info):
            yield name, info
