"""What Prometheus reads and when it raises an alarm, held to the metrics that exist and to the stack's program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with pulumi, types do not
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from infra.components.prometheus import FILES
from infra.components.services import API, API_PORT, METRICS_PORTS
from services.observability import metrics
from tests.infra.variants import VARIANTS, captured, name
from tests.support.process import PROJECT
from tests.unit.dashboards import promtool
from tests.unit.dashboards.boards import PROMETHEUS, targets

CONFIG = yaml.safe_load((FILES / "prometheus.yml").read_text())
RULE_FILES = sorted(FILES.glob("rules/*.yml"))
RULES: list[dict[str, Any]] = [
    rule for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
]
RULE_TESTS = Path(__file__).with_name("rules_test.yml")
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in RULES} | {str(each): each.text for each in targets(PROMETHEUS)}
SUFFIXES: dict[type[MetricWrapperBase], tuple[str, ...]] = {
    Gauge: ("",),
    Counter: ("_total",),
    Histogram: ("_bucket", "_sum", "_count"),
}
# given by Prometheus itself, or to a histogram's buckets
ADDED_LABELS = {"job", "instance", "le"}
PROCESS_START = "process_start_time_seconds"


def declared() -> dict[str, set[str]]:
    """Every series the processes can have, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            for suffix in SUFFIXES[type(metric)]:
                found[family.name + suffix] = set(metric._labelnames)
    return found


SERIES = declared()


def test_the_metrics_are_found() -> None:
    assert {"millrace_up", "millrace_dead_letters_total", "millrace_freshness_seconds_bucket"} <= set(SERIES)


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_alerts_and_panels_ask_for_series_and_labels_that_exist(where: str) -> None:
    expression = EXPRESSIONS[where]
    named = set(re.findall(r"\bmillrace_\w+", expression))
    assert named or re.search(rf"\b(up|{PROCESS_START})\b", expression)
    assert named <= set(SERIES)
    assert REGISTRY.get_sample_value(PROCESS_START), "the client library tells it"
    labels = set().union(*(SERIES[each] for each in named)) | ADDED_LABELS
    assert set(labels_in(expression)) <= labels


def labels_in(expression: str) -> Iterator[str]:
    """The labels that an expression selects or groups by."""
    for selector in re.findall(r"\{([^}]*)\}", expression):
        yield from re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)
    for grouping in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression):
        yield from (label.strip() for label in grouping.split(","))


def test_every_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert re.search(r"[\w)][.?]$", rule["annotations"]["remedy"].replace("}}.", "x.")), rule["alert"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor == rule["alert"].lower()
        assert anchor in anchors(PROJECT / page), rule["alert"]


def anchors(page: Path) -> set[str]:
    """The anchors of a Markdown page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alert_is_tested_to_come_and_to_stay_away() -> None:
    asked = [case for test in yaml.safe_load(RULE_TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    comes = {case["alertname"] for case in asked if case["exp_alerts"]}
    stays_away = {case["alertname"] for case in asked if not case["exp_alerts"]}
    assert comes == stays_away == {rule["alert"] for rule in RULES}


# ---- what is scraped


def scraped() -> dict[str, str]:
    """The address of every job: host:port."""
    found = {}
    for job in CONFIG["scrape_configs"]:
        ((found[job["job_name"]],),) = (group["targets"] for group in job["static_configs"])
    return found


def test_every_process_is_read_under_its_own_name() -> None:
    processes = {API: API_PORT, **METRICS_PORTS}
    assert scraped() == {each: f"{each}:{port}" for each, port in processes.items()} | {"prometheus": "localhost:9090"}


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_what_is_read_is_there_in_every_stack(variant: Any) -> None:
    containers = captured(variant).containers
    hosts = {target.partition(":")[0] for target in scraped().values()} - {"localhost"}
    assert hosts <= set(containers), "a target that is not there is an alarm for ever"
    for host in hosts:
        aliases = {alias for network in containers[host].inputs["networksAdvanced"] for alias in network["aliases"]}
        assert host in aliases


def test_rules_are_found_where_the_stack_puts_them() -> None:
    uploads = {upload["file"]: upload["content"] for upload in captured().containers["prometheus"].inputs["uploads"]}
    assert CONFIG["rule_files"] == ["rules/*.yml"], "relative to the configuration"
    assert uploads["/etc/prometheus/prometheus.yml"] == (FILES / "prometheus.yml").read_text()
    assert {f"/etc/prometheus/rules/{path.name}" for path in RULE_FILES} <= set(uploads)


# ---- with Prometheus's own checker


@pytest.fixture
def checker(tmp_path: Path) -> Iterator[promtool.Promtool]:
    with promtool.checker(tmp_path) as found:
        yield found


def test_prometheus_takes_the_configuration_and_the_rules(checker: promtool.Promtool) -> None:
    files = {"prometheus.yml": (FILES / "prometheus.yml").read_text()}
    files |= {f"rules/{path.name}": path.read_text() for path in RULE_FILES}
    outcome = checker(["check", "config", "prometheus.yml"], files)
    assert outcome.code == 0, outcome.output
    assert f"{len(RULES)} rules found" in outcome.output


@pytest.mark.parametrize(
    ("url", "scheme", "target", "path"),
    [
        ("http://alertmanager.example:9093", "http", "alertmanager.example:9093", None),
        ("https://alerts.example/team-a/", "https", "alerts.example:443", "/team-a"),
        ("http://[2001:db8::7]:9093", "http", "[2001:db8::7]:9093", None),
    ],
)
def test_alerts_are_sent_where_the_stack_says(
    checker: promtool.Promtool, url: str, scheme: str, target: str, path: str | None
) -> None:
    uploads = captured(alertmanagerUrl=url).containers["prometheus"].inputs["uploads"]
    files = {one["file"].removeprefix("/etc/prometheus/"): one["content"] for one in uploads}
    (told,) = yaml.safe_load(files["prometheus.yml"])["alerting"]["alertmanagers"]
    assert (told["scheme"], told["static_configs"], told.get("path_prefix")) == (scheme, [{"targets": [target]}], path)
    outcome = checker(["check", "config", "prometheus.yml"], files)
    assert outcome.code == 0, outcome.output


def test_no_alertmanager_is_asked_unless_one_is_named() -> None:
    uploads = captured().containers["prometheus"].inputs["uploads"]
    (configuration,) = (one["content"] for one in uploads if one["file"].endswith("prometheus.yml"))
    assert "alerting" not in yaml.safe_load(configuration)


def test_alerts_come_when_they_must_and_only_then(checker: promtool.Promtool) -> None:
    files = {str(RULE_TESTS.relative_to(PROJECT)): RULE_TESTS.read_text()}
    files |= {str(path.relative_to(PROJECT)): path.read_text() for path in RULE_FILES}
    outcome = checker(["test", "rules", str(RULE_TESTS.relative_to(PROJECT))], files)
    assert outcome.code == 0, outcome.output


def test_the_panels_expressions_are_promql(checker: promtool.Promtool) -> None:
    records = [
        {"record": f"panel:{number}", "expr": each.text.replace("$__rate_interval", "1m")}
        for number, each in enumerate(targets(PROMETHEUS))
    ]
    outcome = checker(
        ["check", "rules", "panels.yml"], {"panels.yml": yaml.safe_dump({"groups": [{"name": "p", "rules": records}]})}
    )
    assert outcome.code == 0, outcome.output
    assert f"{len(records)} rules found" in outcome.output
