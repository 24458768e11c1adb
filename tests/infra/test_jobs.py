"""A job that fails fails the program, and nothing that needs it is made."""

from __future__ import annotations

from typing import Any

import pytest

from infra.components.job import JobFailed, explain
from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.stack.capture import CONTAINER, capture

JOBS = ("topics-job", "database-job", "clickhouse-job", "connectors-job")
NEEDED_BY = {
    "topics-job": {"relay", "transformer", "sink", "reconciler", "connectors-job"},
    "database-job": {"api", "relay", "aggregator", "reconciler", "connectors-job"},
    "clickhouse-job": {"api", "relay", "sink", "aggregator", "reconciler", "connectors-job", "grafana"},
    "connectors-job": {"relay", "reconciler"},
}


class Engine:
    """Makes nothing; one job exits with a code of the test's choice."""

    def __init__(self, failing: str, exit_code: int = 3, logs: str = "") -> None:
        self._failing, self._exit_code, self._logs = failing, exit_code, logs
        self.made: set[str] = set()

    def create(self, type_: str, name_: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """As capture.Create."""
        if type_ != CONTAINER:
            return name_, {"repoDigest": "x@sha256:0"}
        self.made.add(name_)
        failed = name_ == self._failing
        logs = self._logs or f"connecting\nwith {inputs.get('envs')}\nthe last line says why"
        return name_, {"exitCode": self._exit_code if failed else 0, "containerLogs": logs if failed else "done"}


@pytest.mark.parametrize("job", JOBS)
def test_a_failed_job_fails_the_program_and_stops_what_needs_it(job: str) -> None:
    engine = Engine(job)
    with pytest.raises(JobFailed, match="the last line says why") as failed:
        capture({"preflight": "false", "sink": "python", "relay": "debezium", "prefix": "x-"}, create=engine.create)
    assert f"the job x-{job} failed with exit code 3" in str(failed.value)
    assert f"docker logs x-{job}" in str(failed.value)
    assert job in engine.made
    assert engine.made & NEEDED_BY[job] == set()


def test_a_job_that_succeeds_stops_nothing() -> None:
    engine = Engine("none")
    program = capture({"preflight": "false", "sink": "python"}, create=engine.create)
    assert engine.made == set(program.containers)


def test_what_a_failed_job_said_shows_no_secret() -> None:
    """The fake job prints its whole environment."""
    shown: list[dict[str, Any]] = []

    class Talking(Engine):
        def create(self, type_: str, name_: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
            if name_ == "database-job":
                shown.append(inputs)
            return super().create(type_, name_, inputs)

    with pytest.raises(JobFailed) as failed:
        capture({"preflight": "false"}, create=Talking("database-job").create)
    (inputs,) = shown
    values = {one.split("=", 1)[0]: one.split("=", 1)[1] for one in inputs["envs"]}
    passwords = [value for key, value in values.items() if "PASSWORD" in key]
    assert len(passwords) == 6
    assert not [password for password in passwords if password in str(failed.value)]
    assert "MYSQL_PASSWORD=********" in str(failed.value)


def test_the_message_ends_with_the_last_lines() -> None:
    logs = "".join(f"line {number}\n\n" for number in range(100))
    said = explain("x-topics-job", 1, logs, [])
    assert said.splitlines()[0].startswith("the job x-topics-job failed with exit code 1: ")
    assert [line.strip() for line in said.splitlines()[1:]] == [f"line {number}" for number in range(88, 100)]
    assert "(it said nothing)" in explain("x", 1, "\n", [])


def test_a_secret_within_another_is_masked_whole() -> None:
    assert "efgh" not in explain("x", 1, "it was abcdefgh", ["abcd", "abcdefgh", ""])


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_commands(variant: Variant) -> None:
    given = dict(variant)
    nodes = int(given["kafkaNodes"])
    found = {job: captured(variant).containers[job].inputs["command"] for job in JOBS}
    sink = ["--run" if given["sink"] == "connect" else "--stop", "clickhouse-sink-orders"]
    debezium = ["--run" if given["relay"] == "debezium" else "--stop", "outbox-debezium"]
    assert found == {
        "topics-job": [
            "provision", "topics", "--partitions", "6", "--replication-factor", str(nodes),
            "--min-in-sync", str(min(2, nodes)), "--retention-hours", "168",
        ],
        "database-job": ["provision", "database", "--seed-catalogue"],
        "clickhouse-job": ["provision", "clickhouse"],
        "connectors-job": ["provision", "connectors", *sink, *debezium],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "job"),
    [
        ("kafkaPartitions", "12", "topics-job"),
        ("kafkaRetentionHours", "24", "topics-job"),
        ("seedCatalogue", "false", "database-job"),
        ("timezone", "Asia/Tokyo", "clickhouse-job"),
        ("timezone", "Asia/Tokyo", "database-job"),
    ],
)
def test_a_job_runs_again_when_its_input_changes(key: str, value: str, job: str) -> None:
    """Command and environment of a container cannot be changed: another one is made."""
    before, after = captured(DEFAULT).containers[job].inputs, captured(DEFAULT, **{key: value}).containers[job].inputs
    plain = [one for one in before["envs"] if "PASSWORD" not in one]
    changed = [one for one in after["envs"] if "PASSWORD" not in one]
    assert (before["command"], plain) != (after["command"], changed)


def test_connectors_run_again_with_another_sink_or_relay() -> None:
    commands = {tuple(captured(variant).containers["connectors-job"].inputs["command"]) for variant in VARIANTS}
    assert len(commands) == 4
