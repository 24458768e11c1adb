"""The Grafana files, held to what Grafana, the ClickHouse plugin and the stack's program do with them."""

from __future__ import annotations

import itertools
import re
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml  # type: ignore[import-untyped]  # comes with pulumi, types do not

from infra.components.files import read
from infra.components.grafana import FILES
from infra.versions import GRAFANA_CLICKHOUSE_PLUGIN
from tests.infra.variants import captured
from tests.unit.dashboards.boards import CLICKHOUSE, DASHBOARDS, PROMETHEUS, Target, panels, targets

PROVISIONING = {path.parent.name: yaml.safe_load(path.read_text()) for path in FILES.glob("provisioning/*/*.yaml")}
SOURCES: dict[str, dict[str, Any]] = {source["uid"]: source for source in PROVISIONING["datasources"]["datasources"]}
# the plugin's settings.go reads these; another key would be ignored in silence
PLUGIN_KEYS = {
    *("host", "port", "protocol", "secure", "path", "username", "defaultDatabase", "dialTimeout", "queryTimeout"),
    *("connMaxLifetime", "maxIdleConns", "maxOpenConns", "tlsSkipVerify", "tlsAuth", "tlsAuthWithCACert"),
}
PANEL_TYPES = {"row", "stat", "timeseries", "barchart", "piechart", "table"}
BUILT_IN = {"-- Grafana --"}
GRID_WIDTH = 24


def test_there_is_a_dashboard_for_the_shop_and_one_for_its_keepers() -> None:
    assert set(DASHBOARDS) == {"sales", "operations"}
    uids = [dashboard["uid"] for dashboard in DASHBOARDS.values()]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid) for uid in uids)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_what_a_file_provider_accepts(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["id"] is None, "Grafana gives the id; a file that has one overwrites somebody else's dashboard"
    assert "__inputs" not in dashboard, "inputs are asked for by the import dialog only"
    assert all(dashboard[needed] for needed in ("title", "description", "panels"))
    assert isinstance(dashboard["schemaVersion"], int)
    assert dashboard["refresh"] == "5s"
    assert set(dashboard["time"]) == {"from", "to"}
    assert dashboard["timezone"] == "", "the default zone, which the stack sets to the business zone"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_are_told_apart_explained_and_do_not_overlap(name: str) -> None:
    ids = [panel["id"] for panel in panels(name)]
    assert len(set(ids)) == len(ids)
    for panel in panels(name):
        assert panel["type"] in PANEL_TYPES
        assert panel["title"]
        if panel["type"] != "row":
            assert len(panel["description"]) > 40, panel["title"]
            assert panel["targets"], panel["title"]
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references), panel["title"]
    for one, other in itertools.combinations(DASHBOARDS[name]["panels"], 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two places on the grid share a cell. AssertionError for a place that is not on it."""
    for place in (one, other):
        assert min(place["x"], place["y"]) >= 0
        assert min(place["w"], place["h"]) > 0
        assert place["x"] + place["w"] <= GRID_WIDTH
    apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (apart_x or apart_y)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_data_source_asked_is_provisioned(name: str) -> None:
    asked = list(references_to_sources(DASHBOARDS[name]))
    assert len(asked) > 2
    for source in asked:
        if source["uid"] not in BUILT_IN:
            assert SOURCES[source["uid"]]["type"] == source["type"]


def references_to_sources(thing: Any) -> Any:
    """Every `datasource` object in a dashboard, however deep."""
    if isinstance(thing, dict):
        if isinstance(thing.get("datasource"), dict):
            yield thing["datasource"]
        for value in thing.values():
            yield from references_to_sources(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from references_to_sources(value)


@pytest.mark.parametrize("target", targets(CLICKHOUSE), ids=str)
def test_a_clickhouse_query_is_of_the_plugins_form(target: Target) -> None:
    query = target.query
    assert query["editorType"] == "sql"
    # the frontend goes by queryType, the backend by format; without pluginVersion it is taken for one of version 3
    assert (query["queryType"], query["format"]) in {("timeseries", 0), ("table", 1)}
    assert f"{CLICKHOUSE}@{query['pluginVersion']}" == GRAFANA_CLICKHOUSE_PLUGIN
    assert ("system.query_log" if target.dashboard == "operations" else "analytics.") in target.text
    if query["queryType"] == "timeseries":
        assert " AS time" in target.text


@pytest.mark.parametrize("target", targets(PROMETHEUS), ids=str)
def test_a_prometheus_query_is_of_grafanas_form(target: Target) -> None:
    assert target.query["instant"] is not target.query["range"]
    assert target.query["legendFormat"]
    assert "[5m]" in target.text or "$__rate_interval" in target.text or "rate(" not in target.text


def test_dashboards_name_no_host_and_link_to_one_another() -> None:
    for path in FILES.rglob("*.*"):
        assert not re.findall(r"https?://", path.read_text()), path.name
    for dashboard in DASHBOARDS.values():
        (link,) = dashboard["links"]
        assert (link["type"], link["tags"]) == ("dashboards", ["millrace"])
        assert set(link["tags"]) <= set(dashboard["tags"])


# ---- what the stack does with the files


@pytest.fixture(scope="module")
def grafana() -> dict[str, Any]:
    """The container as the program declares it."""
    inputs = dict(captured().containers["grafana"].inputs)
    inputs["envs"] = dict(variable.split("=", 1) for variable in inputs["envs"])
    return inputs


def test_every_variable_named_is_given_to_the_container(grafana: dict[str, Any]) -> None:
    named = {
        name for path in FILES.glob("provisioning/*/*.yaml") for name in re.findall(r"\$\{(\w+)\}", uncommented(path))
    }
    assert "CLICKHOUSE_GRAFANA_PASSWORD" in named
    assert named <= set(grafana["envs"])


def uncommented(path: Any) -> str:
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))


def test_the_clickhouse_source_is_complete_and_reads_as_its_own_user(grafana: dict[str, Any]) -> None:
    source = filled(SOURCES["millrace-clickhouse"], grafana["envs"])
    assert source["type"] == CLICKHOUSE
    assert source["isDefault"] is True
    assert source["editable"] is False
    settings = source["jsonData"]
    assert set(settings) <= PLUGIN_KEYS
    assert (settings["protocol"], settings["host"], int(settings["port"])) == ("http", "clickhouse", 8123)
    assert (settings["username"], settings["defaultDatabase"]) == ("grafana", "analytics")
    assert source["secureJsonData"] == {"password": captured().generated["clickhouse-grafana"]}


def test_the_prometheus_source_is_the_stacks(grafana: dict[str, Any]) -> None:
    assert filled(SOURCES["millrace-prometheus"], grafana["envs"])["url"] == "http://prometheus:9090"


def filled(thing: Any, variables: dict[str, str]) -> Any:
    """A provisioned value with `${NAME}` filled in, as Grafana does."""
    if isinstance(thing, dict):
        return {key: filled(value, variables) for key, value in thing.items()}
    return re.sub(r"\$\{(\w+)\}", lambda name: variables[name[1]], thing) if isinstance(thing, str) else thing


def test_the_sources_timeout_is_one_that_the_users_profile_allows() -> None:
    """The plugin's client sends max_execution_time = queryTimeout + 5; above the profile's maximum it is refused."""
    profiles = ElementTree.fromstring(read("templates/clickhouse-users.xml"))  # noqa: S314 - our own file
    profile = profiles.findtext("users/grafana/profile")
    most = profiles.findtext(f"profiles/{profile}/constraints/max_execution_time/max")
    assert most is not None, "the profile has no maximum: is the plugin's own default good enough then?"
    assert int(SOURCES["millrace-clickhouse"]["jsonData"]["queryTimeout"]) + 5 <= int(most)
    assert profiles.findtext(f"profiles/{profile}/readonly") == "2", "with 1 no query may name max_execution_time"


def test_the_provider_looks_where_the_stack_puts_the_dashboards(grafana: dict[str, Any]) -> None:
    (provider,) = PROVISIONING["dashboards"]["providers"]
    uploaded = {upload["file"] for upload in grafana["uploads"]}
    assert {f"{provider['options']['path']}/{name}.json" for name in DASHBOARDS} <= uploaded
    assert provider["allowUiUpdates"] is False
    assert {f"/etc/grafana/provisioning/{kind}/millrace.yaml" for kind in ("datasources", "dashboards")} <= uploaded
