"""The Docker engine, played by a web server that speaks its API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import docker.errors
import pytest

from services.doctor.check import CannotLook
from services.doctor.containers import Container
from services.doctor.engine import DockerEngine
from tests.support.web import Api, serve

VERSION = "1.41"


def described(name: str, role: str, status: str = "running", **state: Any) -> dict[str, Any]:
    return {
        "Id": name,
        "Name": f"/{name}",
        "RestartCount": 2,
        "State": {"Status": status, "Running": status == "running", "ExitCode": 0, **state},
        "Config": {"Tty": False, "Labels": {"dev.millrace.stack": "blue-", "dev.millrace.role": role}},
        "NetworkSettings": {"Ports": {"3000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "3100"}], "9101/tcp": None}},
    }


@pytest.fixture
def web() -> Iterator[Api]:
    with serve() as engine:
        engine.answers[("GET", "/version")] = (200, {"ApiVersion": VERSION})
        yield engine


def put(web: Api, *containers: dict[str, Any], logs: str = "") -> DockerEngine:
    """An engine with these containers."""
    for one in containers:
        web.answers[("GET", f"/v{VERSION}/containers/{one['Id']}/json")] = (200, one)
    web.anything = lambda method, path: answer(method, path, list(containers), logs)
    return DockerEngine("blue-", web.url.replace("http://", "tcp://"))


def answer(_method: str, path: str, containers: list[dict[str, Any]], logs: str) -> tuple[int, object]:
    parts = urlsplit(path)
    if parts.path == f"/v{VERSION}/containers/json":
        asked = parse_qs(parts.query)
        assert asked["all"] == ["1"], "ended containers too"
        assert "dev.millrace.stack=blue-" in asked["filters"][0]
        return 200, [{"Id": one["Id"]} for one in containers]
    assert parts.path.endswith("/logs")
    line = logs.encode()
    return 200, b"\x01\x00\x00\x00" + len(line).to_bytes(4, "big") + line


def test_containers_are_read_with_role_state_health_and_ports(web: Api) -> None:
    api = described("blue-api", "api", Health={"Status": "starting"})
    relay = described("blue-relay", "relay", "exited", ExitCode=137, Health={"Status": "healthy"})
    found = put(web, relay, api).containers()
    assert found == [
        Container("blue-api", "api", "running", "starting", 0, 2, "", {3000: "127.0.0.1:3100"}),
        Container("blue-relay", "relay", "exited", "", 137, 2, "", {3000: "127.0.0.1:3100"}),
    ]


def test_a_failed_job_is_read_with_the_last_line_it_said(web: Api) -> None:
    job = described("blue-topics-job", "topics-job", "exited", ExitCode=1)
    (found,) = put(web, job, logs="starting\nno broker answers\n\n").containers()
    assert (found.exit_code, found.last_words) == (1, "no broker answers")


def test_an_engine_that_is_away_is_one_line() -> None:
    with pytest.raises(
        CannotLook, match="the Docker engine does not answer: start it, or name another one in DOCKER_HOST"
    ) as why:
        DockerEngine("x", "tcp://127.0.0.1:9").containers()
    assert "\n" not in str(why.value)


def test_an_engine_that_refuses_this_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(timeout: int) -> object:
        raise docker.errors.DockerException("Error while fetching: PermissionError(13, 'Permission denied')")

    monkeypatch.setattr(docker, "from_env", refuse)
    with pytest.raises(CannotLook, match="refuses this user \\(permission denied\\)"):
        DockerEngine("x").containers()


def test_without_the_docker_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(CannotLook, match="`make setup`"):
        DockerEngine("x").containers()
