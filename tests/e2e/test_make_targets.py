"""The make targets that people type, on the suite's stack; `make up` itself needs the pulumi command."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import PROJECT, wait_until
from tests.support.stack import engine
from tests.support.stack.stack import Stack
from tools.stack.folder import StackFolder


@pytest.fixture
def folder(stack: Stack, tmp_path: Path) -> StackFolder:
    """What `make up` keeps on this machine, of this stack."""
    folder = StackFolder(tmp_path / "stack")
    folder.write_environment(stack.environment)
    make(folder, "dev-venv", timeout=300)  # what it may have to say is not the targets'
    return folder


def make(folder: StackFolder, *words: str, code: int = 0, timeout: float = 300.0) -> str:
    """What `make WORDS` prints, both streams; the exit code of its command must be this one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=PROJECT,
        env={
            **environment,
            "MILLRACE_STACK_DATA": str(folder.root),
            "MILLRACE_DEMO_DATA": str(folder.root / "no-demo"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    said = done.stdout + done.stderr
    # make itself ends with 2 whatever its command ended with, and says which that was
    ended = re.search(r"^make: \*\*\* \[.*\] Error (\d+)$", said, flags=re.MULTILINE)
    assert (int(ended[1]) if ended else done.returncode) == code, said
    return said


def test_ps_and_logs_show_the_stacks_containers_and_no_others(stack: Stack, folder: StackFolder) -> None:
    listed = make(folder, "ps")
    assert all(f"{stack.prefix}{role} " in listed for role in stack.roles())
    assert all(line.startswith(stack.prefix) for line in listed.splitlines()[1:])
    assert len(make(folder, "ps", "SERVICE=relay").splitlines()) == 2
    assert "relaying" in make(folder, "logs", "SERVICE=relay", "TAIL=1000")
    everything = make(folder, "logs", "TAIL=5")
    assert {line.partition(" ")[0] for line in everything.splitlines()} >= {
        f"{stack.prefix}{role}" for role in ("mysql", "kafka-local1", "topics-job")
    }
    assert "SERVICE=nobody is not one of" in make(folder, "logs", "SERVICE=nobody", code=2)


def test_restart_replaces_the_process_and_keeps_the_container(stack: Stack, folder: StackFolder) -> None:
    before = stack.container("transformer")
    make(folder, "restart", "SERVICE=transformer")
    after = stack.container("transformer")
    assert after.id == before.id
    assert after.attrs["State"]["StartedAt"] != before.attrs["State"]["StartedAt"]
    stack.wait_healthy("transformer")


def test_init_db_runs_every_job_again_and_changes_nothing(stack: Stack, folder: StackFolder) -> None:
    before = stack.admin_client().list_topics(timeout=20).topics.keys()
    said = make(folder, "init-db")
    for job in stack.jobs():
        assert f"== {stack.prefix}{job}" in said
        assert stack.container(job).attrs["State"]["ExitCode"] == 0
    assert stack.admin_client().list_topics(timeout=20).topics.keys() == before


def test_kafkas_own_tools(stack: Stack, folder: StackFolder) -> None:
    topic, admin = f"by-hand-{secrets.token_hex(2)}", stack.admin_client()
    try:
        assert f"Created topic {topic}" in make(folder, "kafka-create-topic", f"TOPIC={topic}", "PARTITIONS=3")
        described = make(folder, "kafka-describe-topic", f"TOPIC={topic}")
        assert re.search(r"PartitionCount: 3\s+ReplicationFactor: 3\s+Configs: \S*min.insync.replicas=2", described)
        assert topic in make(folder, "kafka-topics").split()
    finally:
        for done in admin.delete_topics([topic]).values():
            done.result(30)
    assert "does not exist" in make(folder, "kafka-describe-topic", f"TOPIC={topic}", code=1)
    assert "order-event-transformer" in make(folder, "kafka-consumer-groups").split()
    lag = make(folder, "kafka-consumer-lag", "GROUP=order-event-transformer")
    assert re.search(r"order.events\s+\d", lag)
    info = make(folder, "kafka-cluster-info")
    assert all(f'"id": {node}' in info for node in (1, 2, 3))
    assert "Leader" in info


def test_shells_answer(folder: StackFolder) -> None:
    count = "SELECT COUNT(*) AS pending FROM ecommerce.outbox WHERE processed = false"
    assert make(folder, "mysql-shell", f"QUERY={count}").splitlines()[0] == "pending"
    assert "1" in make(folder, "clickhouse-shell", "ARGS='SELECT 1'")


def test_what_the_local_images_leave_out_is_said(folder: StackFolder) -> None:
    for target in ("grafana", "kafka-ui"):
        assert f"{target} is left out of the local image set" in make(folder, target, code=2)


def test_an_order_and_its_deletion_step_by_step(folder: StackFolder) -> None:
    assert "views" in make(folder, "test-pipeline").splitlines()[-1]
    assert "is_deleted = 1" in make(folder, "test-deletion-flow").splitlines()[-1]


def test_connectors_are_listed(stack: Stack, folder: StackFolder) -> None:
    """Or it is said why there is none; test_connectors.py has them where Debezium delivers."""
    if stack.environment["MILLRACE_SINK"] == "connect":
        assert ": RUNNING" in make(folder, "connector-status")
        assert "lists them" in make(folder, "connector-restart", "CONNECTOR=nobody", code=2)
    else:
        assert "no Kafka Connect, because nothing uses it" in make(folder, "connector-status", code=2)


@pytest.fixture
def bystander(stack: Stack) -> Iterator[str]:
    """The prefix of another stack: a network and two volumes, one of them in use by a container that never ran."""
    prefix = f"{engine.TEST_PREFIX}{secrets.token_hex(2)}-"
    labels = {engine.STACK_LABEL: prefix, **engine.owner_labels(os.getpid())}
    stack.client.networks.create(f"{prefix}millrace", labels=labels)
    for name in ("mysql", "kafka1"):
        stack.client.volumes.create(f"{prefix}millrace-{name}", labels=labels)
    image = stack.container("relay").attrs["Image"]
    stack.client.containers.create(
        image, name=f"{prefix}mysql", labels=labels, volumes=[f"{prefix}millrace-mysql:/data"]
    )
    yield prefix
    for kinds in (("container",), ("network", "volume")):
        for kind, _, known, remove in engine.everything(stack.client):
            if kind in kinds and known.get(engine.STACK_LABEL) == prefix:
                remove()


def things(stack: Stack, prefix: str) -> list[str]:
    """Kind and name of everything of a stack."""
    found = engine.everything(stack.client)
    return sorted(f"{kind} {name}" for kind, name, labels, _ in found if labels.get(engine.STACK_LABEL) == prefix)


def test_clean_removes_one_stack_with_its_data_and_no_other(stack: Stack, bystander: str, tmp_path: Path) -> None:
    own = things(stack, stack.prefix)
    folder = StackFolder(tmp_path / "other")
    folder.write_environment({"MILLRACE_STACK_PREFIX": bystander})
    assert "YES=1" in make(folder, "clean", code=2)
    assert len(things(stack, bystander)) == 4
    assert "removed 2 volumes" in make(folder, "clean", "YES=1")
    wait_until(lambda: things(stack, bystander) == [], "the engine to have removed everything")
    assert things(stack, stack.prefix) == own
    assert not folder.environment_file.exists()
    assert "nothing on this engine" in make(folder, "clean", "YES=1")
