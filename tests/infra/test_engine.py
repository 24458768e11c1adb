"""What is read from an engine's answers, and which jobs are forgotten; no engine is needed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker import DockerClient
from docker.errors import DockerException, NotFound

from infra import engine
from infra.components.site import ROLE_LABEL, STACK_LABEL
from infra.engine import Container, look, remove_failed_jobs
from infra.faults import Refusal

# In the form of the engine's API, shortened.
CONTAINERS = [
    {
        "Names": ["/mysql"],
        "Labels": {STACK_LABEL: "millrace"},
        "Ports": [
            {"IP": "127.0.0.1", "PrivatePort": 3306, "PublicPort": 3306, "Type": "tcp"},
            {"PrivatePort": 33060, "Type": "tcp"},
        ],
    },
    {"Names": None, "Labels": None, "Ports": None},
]


DOCKERS = {"Name": "Engine", "Version": "20.10.24+dfsg1"}


def client(**given: Any) -> DockerClient:
    """A client that answers with canned data."""
    answers: dict[str, Any] = {
        "info": lambda: {"MemTotal": 8 * 2**30, "DockerRootDir": "/"},
        "version": lambda: {"Version": "20.10.24+dfsg1", "Components": [DOCKERS, {"Name": "runc", "Version": "1.1.5"}]},
        "api": SimpleNamespace(
            containers=lambda **_: CONTAINERS,
            images=lambda: [{"RepoTags": ["a:1", "a:2"]}, {"RepoTags": None}],
            base_url="http+docker://localhost",
        ),
        "volumes": SimpleNamespace(list=lambda: [SimpleNamespace(name="v", attrs={"Labels": None})]),
        "networks": SimpleNamespace(list=lambda: [SimpleNamespace(name="bridge", attrs={"Labels": {"a": "b"}})]),
    }
    return cast(DockerClient, SimpleNamespace(**(answers | given)))


def test_what_an_engine_says() -> None:
    facts = look(client())
    assert facts.memory == 8 * 2**30
    assert facts.containers == (
        Container("mysql", {STACK_LABEL: "millrace"}, frozenset({3306})),
        Container("?", {}, frozenset()),
    )
    assert (facts.volumes, facts.networks) == ({"v": {}}, {"bridge": {"a": "b"}})
    assert facts.images == {"a:1", "a:2"}
    assert facts.here
    assert facts.free_disk is not None
    assert facts.free_disk > 0


@pytest.mark.parametrize(
    ("component", "version"),
    [
        (DOCKERS, (20, 10, 24)),
        ({"Name": "Engine", "Version": "28.0"}, (28, 0, 0)),
        ({"Name": "Engine", "Version": "library-import"}, ()),
        ({"Name": "Podman Engine", "Version": "5.2.1"}, ()),
    ],
)
def test_only_dockers_version_is_taken_for_dockers(component: dict[str, str], version: tuple[int, ...]) -> None:
    assert look(client(version=lambda: {"Components": [component]})).version == version


def test_desktop_and_the_image_store_are_told_apart() -> None:
    plain = look(client())
    assert (plain.desktop, plain.image_store) == (False, False)
    store = ["driver-type", "io.containerd.snapshotter.v1"]
    info = {"MemTotal": 1, "OperatingSystem": "Docker Desktop", "Driver": "overlayfs", "DriverStatus": [store]}
    facts = look(client(info=lambda: info))
    assert (facts.desktop, facts.image_store) == (True, True)


def test_an_engine_elsewhere_says_less() -> None:
    facts = look(
        client(
            info=lambda: {"MemTotal": 1, "DockerRootDir": "/no/folder/of/this/machine"},
            api=SimpleNamespace(containers=lambda **_: [], images=list, base_url="https://192.0.2.1:2376"),
        )
    )
    assert (facts.here, facts.free_disk) == (False, None)


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Connection aborted., FileNotFoundError(2, 'No such file or directory')", "start Docker"),
        ("Connection aborted., PermissionError(13, 'Permission denied')", "usermod -aG docker"),
    ],
)
def test_why_an_engine_does_not_answer(monkeypatch: pytest.MonkeyPatch, reason: str, remedy: str) -> None:
    def fail(**_: object) -> DockerClient:
        raise DockerException(f"Error while fetching server API version: ({reason})")

    monkeypatch.setattr("infra.engine.docker.from_env", fail)
    with pytest.raises(Refusal) as refused, engine.connected():
        pass
    assert remedy in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


class Ended:
    """A container that ended, as the SDK shows it."""

    def __init__(self, name: str, role: str, exit_code: int, gone: bool = False) -> None:
        self.name, self.labels = name, {STACK_LABEL: "x-", ROLE_LABEL: role}
        self.attrs = {"State": {"ExitCode": exit_code}}
        self.gone, self.removed = gone, False

    def remove(self, force: bool) -> None:
        """As the engine does."""
        if self.gone:
            raise NotFound("it is gone")
        self.removed = force


def test_jobs_that_failed_are_forgotten_and_nothing_else() -> None:
    failed, done = Ended("x-topics-job", "topics-job", 1), Ended("x-database-job", "database-job", 0)
    crashed, gone = Ended("x-relay", "relay", 137), Ended("x-clickhouse-job", "clickhouse-job", 1, gone=True)
    asked: list[dict[str, Any]] = []

    def ended(**given: Any) -> list[Ended]:
        asked.append(given)
        return [failed, done, crashed, gone]

    assert remove_failed_jobs(client(containers=SimpleNamespace(list=ended)), "x-") == [
        "x-clickhouse-job",
        "x-topics-job",
    ]
    assert [one.removed for one in (failed, done, crashed)] == [True, False, False]
    assert asked[0]["filters"] == {"label": "dev.millrace.stack=x-", "status": "exited"}
