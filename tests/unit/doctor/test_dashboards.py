"""Dashboards: the API's pages and those of Prometheus, Grafana and Kafka UI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.doctor.containers import Container
from services.doctor.dashboards import Dashboards
from services.doctor.findings import State
from tests.support.web import Api, serve
from tests.unit.doctor.fakes import DEMO, STACK, FakeEngine, failures, only


@pytest.fixture
def web() -> Iterator[Api]:
    """Every page is there."""
    with serve() as pages:
        for path in ("/", "/readyz", "/api/analytics/health", "/-/ready", "/api/health"):
            pages.answers[("GET", path)] = (200, {})
        yield pages


def container(role: str, web: Api, port: int) -> Container:
    return Container(role, role, "running", "healthy", ports={port: web.url.removeprefix("http://")})


def test_all_pages_of_the_upstream_set(web: Api) -> None:
    engine = FakeEngine(
        [container("prometheus", web, 9090), container("grafana", web, 3000), container("kafka-ui", web, 8080)]
    )
    found = list(Dashboards(web.url, STACK, engine).look())
    assert {finding.state for finding in found} == {State.OK}
    assert [finding.subject for finding in found] == ["dashboard and API", "prometheus", "grafana", "kafka-ui"]


def test_what_the_local_set_lacks_is_left_out(web: Api) -> None:
    found = list(Dashboards(web.url, STACK, FakeEngine([container("prometheus", web, 9090)])).look())
    assert [finding.state for finding in found] == [State.OK, State.OK, State.LEFT_OUT, State.LEFT_OUT]


def test_the_demo_has_the_apis_pages_only(web: Api) -> None:
    assert only(Dashboards(web.url, DEMO, None).look()).state is State.OK


@pytest.mark.parametrize(
    ("path", "part"), [("/", "api"), ("/readyz", "mysql"), ("/api/analytics/health", "clickhouse")]
)
def test_a_page_that_fails_names_the_part_behind_it(web: Api, path: str, part: str) -> None:
    web.answers[("GET", path)] = (503, {})
    finding = only(failures(Dashboards(web.url, STACK, FakeEngine()))[:1])
    assert finding.detail == f"{web.url}{path} answers 503"
    assert f"`make restart SERVICE={part}`" in finding.remedy


def test_an_api_that_is_away() -> None:
    finding = only(failures(Dashboards("http://127.0.0.1:9", DEMO, None)))
    assert "http://127.0.0.1:9/ does not answer" in finding.detail
    assert "/demo/logs/api.log" in finding.remedy


def test_another_dashboard_that_fails(web: Api) -> None:
    web.answers[("GET", "/-/ready")] = (500, {})
    found = failures(Dashboards(web.url, STACK, FakeEngine([container("prometheus", web, 9090)])))
    assert found[0].detail == f"{web.url}/-/ready answers 500"
    assert "`make restart SERVICE=prometheus`" in found[0].remedy


def test_a_dashboard_that_does_not_run(web: Api) -> None:
    engine = FakeEngine([Container("grafana", "grafana", "exited")])
    (found,) = [finding for finding in failures(Dashboards(web.url, STACK, engine)) if finding.subject == "grafana"]
    assert "it does not run" in found.detail
    assert "`make restart SERVICE=grafana`" in found.remedy


def test_an_engine_that_is_away_hides_only_the_other_dashboards(web: Api) -> None:
    pages, others = Dashboards(web.url, STACK, FakeEngine(away="the engine does not answer")).look()
    assert (pages.state, others.state) == (State.OK, State.UNKNOWN)
    assert others.detail == "the engine does not answer"
