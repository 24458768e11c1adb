"""Every setting of millrace, typed, and the only code that reads the environment.

A process asks for the groups it needs: ``load(DatabaseSettings)``. Precedence: environment, then ``.env`` in
the current folder, then, where neither names a database, the running demo's ``millrace.env``, then defaults.
"""

from services.settings.groups import (
    GROUPS,
    AggregatorSettings,
    AnalyticsReaderSettings,
    ApiSettings,
    BusinessSettings,
    ClickHouseSettings,
    ConnectSettings,
    DatabaseSettings,
    DemoSettings,
    Group,
    KafkaSettings,
    ObservabilitySettings,
    ReconcilerSettings,
    RelaySettings,
    SinkSettings,
    TransformerSettings,
)
from services.settings.load import SettingsError, as_markdown, child_environment, describe, load
from services.settings.paths import PROJECT_ROOT

__all__ = [
    "GROUPS",
    "PROJECT_ROOT",
    "AggregatorSettings",
    "AnalyticsReaderSettings",
    "ApiSettings",
    "BusinessSettings",
    "ClickHouseSettings",
    "ConnectSettings",
    "DatabaseSettings",
    "DemoSettings",
    "Group",
    "KafkaSettings",
    "ObservabilitySettings",
    "ReconcilerSettings",
    "RelaySettings",
    "SettingsError",
    "SinkSettings",
    "TransformerSettings",
    "as_markdown",
    "child_environment",
    "describe",
    "load",
]
