"""`millrace doctor` on the real stack: well when it is well, and each fault named with its remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.oracle import forget_restated
from tests.support.process import wait_until
from tests.support.stack.stack import Stack


@pytest.fixture(autouse=True)
def forget_probes(stack: Stack) -> Iterator[None]:
    """Orders told anew by a probe are not taken for orders that a repair told anew."""
    yield
    forget_restated(stack)


def examined(stack: Stack, *options: str, **more: str) -> dict[str, Any]:
    """The report; the exit code must be the one it names."""
    done = stack.millrace("doctor", "--json", *options, **more)
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == report["exit_code"], done.stderr
    return report


def amiss(report: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Failing and unknown findings by subject; dead letters that other tests made on purpose are not looked at."""
    return {
        finding["subject"]: finding
        for finding in report["findings"]
        if finding["state"] in ("failing", "unknown") and finding["check"] != "dead letters"
    }


def found_amiss(stack: Stack, *subjects: str, options: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
    """What is amiss, once these are among it: a check that comes too late on a busy machine says no more than that."""
    found: dict[str, dict[str, str]] = {}

    def all_of_them() -> bool:
        found.clear()
        found.update(amiss(examined(stack, *options)))
        return found.keys() >= set(subjects)

    try:
        wait_until(all_of_them, f"{', '.join(subjects)} to be amiss", 240.0)
    except AssertionError as others:
        raise AssertionError(f"{others}: {found}") from None
    return found


def becomes_well(stack: Stack) -> None:
    """Waits for it; AssertionError names what is still amiss."""
    left: dict[str, dict[str, str]] = {}

    def well() -> bool:
        left.clear()
        left.update(amiss(examined(stack, "--no-probe")))
        return not left

    try:
        wait_until(well, "all to be well", 120.0)
    except AssertionError as unwell:
        raise AssertionError(f"{unwell}: {left}") from None


def test_a_stack_that_works_is_well(stack: Stack) -> None:
    becomes_well(stack)
    report = examined(stack)
    assert amiss(report) == {}
    found = {finding["subject"]: finding for finding in report["findings"]}
    assert report["examined"] == f"the stack {stack.prefix}"
    servers, jobs = len(stack.servers()), len(stack.jobs())
    assert found["containers"]["detail"] == f"{servers} run and are healthy, {jobs} jobs are done"
    assert found["topics"]["detail"].startswith("10 with 50 partitions, all replicas in sync, on 3 brokers")
    assert " after its commit" in found["freshness"]["detail"]
    assert {subject for subject, one in found.items() if one["state"] == "left out"} == {"grafana", "kafka-ui"}


def test_a_paused_transformer_is_found_by_its_state_and_by_the_probe(stack: Stack) -> None:
    becomes_well(stack)
    stack.pause("transformer")
    try:
        found = found_amiss(stack, f"{stack.prefix}transformer", "freshness")
    finally:
        stack.unpause("transformer")
    assert found[f"{stack.prefix}transformer"]["detail"].startswith("is paused")
    assert "`make restart SERVICE=transformer`" in found[f"{stack.prefix}transformer"]["remedy"]
    assert "it went to Kafka, its row is not in ClickHouse" in found["freshness"]["detail"]
    becomes_well(stack)


def test_a_broker_that_is_away_is_named_with_what_lacks_it(stack: Stack) -> None:
    node = f"{stack.prefix}kafka-local2"
    stack.stop("kafka-local2")
    try:
        found = found_amiss(stack, node, "brokers", "replicas", options=("--no-probe",))
    finally:
        stack.start("kafka-local2")
    assert found["brokers"]["detail"] == "2 of 3 are up (node 1, 3)"
    assert "without broker 2 in sync" in found["replicas"]["detail"]
    for subject in (node, "brokers", "replicas"):
        assert "SERVICE=kafka-local2" in found[subject]["remedy"]
    becomes_well(stack)


def test_a_database_that_hangs_holds_nothing_up(stack: Stack) -> None:
    stack.pause("mysql")
    try:
        found = found_amiss(stack, f"{stack.prefix}mysql", "database", "probe")
    finally:
        stack.unpause("mysql")
    assert found[f"{stack.prefix}mysql"]["state"] == "failing"
    assert found["database"]["detail"] == "gave no answer within 15 s"
    assert found["probe"]["detail"] == "not tried: see database"
    becomes_well(stack)


def test_without_the_engine_it_tells_what_can_be_asked_over_the_network(stack: Stack) -> None:
    becomes_well(stack)
    report: dict[str, Any] = {}

    def only_the_engine_is_missed() -> bool:
        report.update(examined(stack, "--no-probe", DOCKER_HOST="tcp://127.0.0.1:9"))
        return set(amiss(report)) == {"containers", "other dashboards"}

    wait_until(only_the_engine_is_missed, "all but the engine to answer", 60.0)
    assert {finding["state"] for finding in amiss(report).values()} == {"unknown"}
    assert "DOCKER_HOST" in amiss(report)["containers"]["detail"]
