"""Every setting of millrace, typed, and the only code that reads the environment.

A process asks for the groups it needs: ``load(DatabaseSettings)``. Precedence: environment, then ``.env`` in
the current folder, then, where neither names a database, the ``millrace.env`` of the running demo or else of the stack
that `make up` made, then defaults.
"""

from services.settings.group import Group
from services.settings.groups import (
    DEFAULT_WRITES_PER_SECOND,
    GROUPS,
    AnalyticsReaderSettings,
    ApiSettings,
    BusinessSettings,
    ClickHouseSettings,
    ConnectSettings,
    DatabaseSettings,
    DemoSettings,
    KafkaSettings,
    ObservabilitySettings,
    PaymentSettings,
    ProvisionSettings,
    StackSettings,
)
from services.settings.labels import JOB_SUFFIX, ROLE_LABEL, STACK_LABEL
from services.settings.load import SettingsError, as_markdown, child_environment, describe, load
from services.settings.paths import PROJECT_ROOT
from services.settings.pipeline import (
    AggregatorSettings,
    ReconcilerSettings,
    RelaySettings,
    SinkSettings,
    TransformerSettings,
)

__all__ = [
    "DEFAULT_WRITES_PER_SECOND",
    "GROUPS",
    "JOB_SUFFIX",
    "PROJECT_ROOT",
    "ROLE_LABEL",
    "STACK_LABEL",
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
    "PaymentSettings",
    "ProvisionSettings",
    "ReconcilerSettings",
    "RelaySettings",
    "SettingsError",
    "SinkSettings",
    "StackSettings",
    "TransformerSettings",
    "as_markdown",
    "child_environment",
    "describe",
    "load",
]
