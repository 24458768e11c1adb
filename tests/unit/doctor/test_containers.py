"""Containers: what is down, sick, missing or failed is named with its remedy."""

from __future__ import annotations

import pytest

from services.doctor.check import CannotLook
from services.doctor.containers import Container, Containers
from services.doctor.findings import State
from tests.unit.doctor.fakes import STACK, FakeEngine, failures, only

RELAY = Container("blue-relay", "relay", "running", "healthy")
JOB = Container("blue-topics-job", "topics-job", "exited")


def check(*found: Container, expected: tuple[str, ...] = ()) -> Containers:
    return Containers(FakeEngine(list(found)), STACK, expected)


def test_a_healthy_stack_is_one_line() -> None:
    finding = only(check(RELAY, JOB, expected=("relay",)).look())
    assert (finding.state, finding.detail) == (State.OK, "1 run and are healthy, 1 jobs are done")


def test_a_container_without_a_health_check_only_has_to_run() -> None:
    assert failures(check(Container("x", "x", "running"))) == []


@pytest.mark.parametrize(
    ("state", "health", "says"),
    [
        ("exited", "", "is exited (exit code 137, 4 restarts)"),
        ("restarting", "", "is restarting"),
        ("paused", "healthy", "is paused"),
        ("running", "unhealthy", "runs, but is unhealthy"),
        ("running", "starting", "runs, but is starting"),
    ],
)
def test_a_sick_container_says_how_to_see_why_and_restart_it(state: str, health: str, says: str) -> None:
    finding = only(failures(check(Container("blue-relay", "relay", state, health, exit_code=137, restarts=4))))
    assert (finding.subject, finding.state) == ("blue-relay", State.FAILING)
    assert says in finding.detail
    assert "`make logs SERVICE=relay`" in finding.remedy
    assert "`make restart SERVICE=relay`" in finding.remedy


@pytest.mark.parametrize("state", ["exited", "dead"])
def test_a_failed_job_shows_its_last_words(state: str) -> None:
    job = Container("topics-job", "topics-job", state, exit_code=2, last_words="no broker answers")
    finding = only(failures(check(job)))
    assert "exit code 2: no broker answers" in finding.detail
    assert "`make init-db`" in finding.remedy
    assert "`make logs SERVICE=topics-job`" in finding.remedy


def test_a_job_that_never_ran_is_not_done() -> None:
    assert only(failures(check(Container("topics-job", "topics-job", "created")))).state is State.FAILING


def test_a_container_that_was_removed_is_missed() -> None:
    finding = only(failures(check(RELAY, expected=("relay", "aggregator"))))
    assert (finding.subject, finding.detail) == ("aggregator", "there is no such container")
    assert "`make up`" in finding.remedy


def test_an_engine_without_any_of_the_stack_says_so() -> None:
    finding = only(failures(check(expected=("relay", "api"))))
    assert "has none of the stack millrace" in finding.detail
    assert "`make up`" in finding.remedy
    assert "DOCKER_HOST" in finding.remedy


def test_an_engine_that_is_away_is_not_a_sick_stack() -> None:
    with pytest.raises(CannotLook, match="engine"):
        list(Containers(FakeEngine(away="the Docker engine does not answer"), STACK, ()).look())
