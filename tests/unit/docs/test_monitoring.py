"""docs/monitoring.md, held to the metrics and alerts there are."""

from __future__ import annotations

import re

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from services.observability import metrics
from tests.support.process import PROJECT
from tests.unit.dashboards.test_prometheus import RULES

PAGE = (PROJECT / "docs" / "monitoring.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<name>millrace_\w+)` \| (?P<kind>\w+) \|(?P<labels>[^|]*)\| [^|]{10,} \|(?P<alerts>[^|]*)\|$",
    re.MULTILINE,
)
KINDS = {Gauge: "gauge", Counter: "counter", Histogram: "histogram"}


def declared() -> dict[str, tuple[str, list[str]]]:
    """Kind and labels of every metric of the processes."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = family.name + ("_total" if isinstance(metric, Counter) else "")
            found[name] = (KINDS[type(metric)], list(metric._labelnames))
    return found


def test_every_metric_is_there_as_it_is() -> None:
    told = {row["name"]: (row["kind"], words(row["labels"])) for row in ROW.finditer(PAGE)}
    assert told == declared()


def test_alerts_stand_beside_a_metric_they_ask_for() -> None:
    asked = {rule["alert"]: set(re.findall(r"millrace_\w+", rule["expr"])) for rule in RULES}
    for row in ROW.finditer(PAGE):
        for alert in words(re.sub(r"\([^)]*\)", "", row["alerts"])):
            series = {row["name"] + suffix for suffix in ("", "_bucket")}
            assert series & asked[alert] or not asked[alert], (row["name"], alert)


def test_every_alert_has_its_section_with_its_severity() -> None:
    sections = dict(re.findall(r"^### (\w+)\n(page|ticket)", PAGE, re.MULTILINE))
    assert sections == {rule["alert"]: rule["labels"]["severity"] for rule in RULES}


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
