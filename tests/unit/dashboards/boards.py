"""The Grafana dashboards as the tests read them, and the plugin's macros as its documentation expands them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from infra.components.grafana import FILES

DASHBOARDS: Final = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES.glob("dashboards/*.json")
}
CLICKHOUSE, PROMETHEUS = "grafana-clickhouse-datasource", "prometheus"
_MACRO = re.compile(r"\$__\w+(\([^)]*\))?")


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    dashboard: str
    panel: str
    query: dict[str, Any]

    @property
    def text(self) -> str:
        """SQL or PromQL."""
        return str(self.query["rawSql"] if self.of(CLICKHOUSE) else self.query["expr"])

    def of(self, kind: str) -> bool:
        """Whether a data source of this kind answers it."""
        return bool(self.query["datasource"]["type"] == kind)

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel} ({self.query['refId']})"


def panels(dashboard: str) -> list[dict[str, Any]]:
    """All panels, rows and what collapsed rows hold included."""
    found: list[dict[str, Any]] = []
    for panel in DASHBOARDS[dashboard]["panels"]:
        found += [panel, *panel.get("panels", [])]
    return found


def targets(kind: str) -> list[Target]:
    """Every query of every dashboard that a data source of this kind answers."""
    return [target for target in _all() if target.of(kind)]


def _all() -> Iterator[Target]:
    for name in sorted(DASHBOARDS):
        for panel in panels(name):
            for query in panel.get("targets", []):
                yield Target(name, panel["title"], query)


def expanded(sql: str, start: datetime, end: datetime) -> str:
    """The plugin's macros filled in for a time range, as its documentation says. KeyError for one not known here."""
    known = {"$__fromTime": f"toDateTime({int(start.timestamp())})", "$__toTime": f"toDateTime({int(end.timestamp())})"}
    return _MACRO.sub(lambda macro: known[macro[0]], sql)
