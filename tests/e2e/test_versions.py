"""The servers that run are of the versions that users get, whatever the packages were when the images were made."""

from __future__ import annotations

import re

import sqlalchemy as sa

from infra.versions import UPSTREAM
from tests.support.stack.stack import Stack


def wanted(name: str, parts: int) -> str:
    """The first numbers of a published image's version, with the dot after them."""
    (found,) = re.findall(r":v?(\d[\d.]*)@", UPSTREAM[name])
    return ".".join(found.split(".")[:parts]) + "."


def test_mysql(stack: Stack) -> None:
    with stack.mysql().connect() as connection:
        assert str(connection.scalar(sa.text("SELECT VERSION()"))).startswith(wanted("mysql", 2))


def test_clickhouse(stack: Stack) -> None:
    assert stack.sql("SELECT version() AS version")[0]["version"].startswith(wanted("clickhouse", 2))


def test_kafka(stack: Stack) -> None:
    """Brokers and the Connect worker: the jar that they are."""
    for role in ("kafka-local1", "kafka-local2", "kafka-local3"):
        assert f"kafka_2.13-{wanted('kafka', 3)}jar" in stack.run_in(role, "ls", "/opt/kafka/libs").split()


def test_prometheus(stack: Stack) -> None:
    said = stack.run_in("prometheus", "prometheus", "--version")
    assert f"version {wanted('prometheus', 1)}" in said, said


def test_python(stack: Stack) -> None:
    """The interpreter of the project's image, in both sets."""
    assert stack.run_in("api", "python3", "--version").startswith("Python 3.13.")
