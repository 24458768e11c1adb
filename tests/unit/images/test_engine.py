"""What is made of the engine's answers."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, DockerException
from requests import Response

from images.engine import Engine
from images.errors import ImagesError

OLD = time.time() - 7200
NEW = time.time()


def api_error(status: int, why: str) -> APIError:
    response = Response()
    response.status_code = status
    return APIError("refused", response, why)


class Api:
    """An engine's answers, and what it was asked to do."""

    def __init__(self) -> None:
        self.tagged: list[dict[str, Any]] = []
        self.dangling: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        self.in_use: set[str] = set()
        self.tagged_now: set[str] = set()
        self.removed: list[str] = []
        self.asked: dict[str, Any] = {}

    def ping(self) -> None:
        pass

    def images(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        return self.dangling if filters.get("dangling") else self.tagged

    def inspect_image(self, image: str) -> dict[str, Any]:
        moment = datetime.fromtimestamp(NEW if image in self.tagged_now else OLD, UTC)
        # The engine gives nanoseconds.
        return {"Metadata": {"LastTagTime": f"{moment:%Y-%m-%dT%H:%M:%S.%f}789Z"}}

    def build(self, **asked: Any) -> Iterator[dict[str, Any]]:
        self.asked = asked
        return iter(self.said)

    def remove_image(self, image: str) -> None:
        if image in self.in_use:
            raise api_error(409, "container is using its referenced image")
        self.removed.append(image)


class Client:
    def __init__(self, api: Api) -> None:
        self.api = api


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()
    monkeypatch.setattr("docker.from_env", lambda timeout: Client(made))
    return made


def build(tmp_path: Path) -> None:
    arguments = {"BASE_IMAGE": "base:1"}
    Engine().build("kafka", "millrace-local/kafka:new", io.BytesIO(), "Dockerfile", arguments, tmp_path / "kafka.log")


def test_a_build_is_asked_for_with_name_label_and_parent(api: Api, tmp_path: Path) -> None:
    api.said = [{"stream": "Step 1/1 : FROM x\n"}, {"stream": " ---> 0123456789ab\n"}]
    build(tmp_path)
    assert api.asked["tag"] == "millrace-local/kafka:new"
    assert api.asked["buildargs"] == {"BASE_IMAGE": "base:1"}
    assert api.asked["labels"] == {"dev.millrace.image": "kafka"}
    assert api.asked["custom_context"] is True
    assert (tmp_path / "kafka.log").read_text() == "Step 1/1 : FROM x\n ---> 0123456789ab\n"


def test_a_failed_build_is_a_line_with_what_was_said_last(api: Api, tmp_path: Path) -> None:
    api.said = [
        {"stream": "E: Failed to fetch the package\n"},
        {"stream": "Removing intermediate container 12\n"},
        {"error": "The command '/bin/sh -c apt-get update\n && more' returned a non-zero code: 100"},
    ]
    with pytest.raises(ImagesError) as raised:
        build(tmp_path)
    log = tmp_path / "kafka.log"
    assert str(raised.value) == f"the build failed: E: Failed to fetch the package: exit code 100 ({log} has all of it)"


def test_leftovers_of_earlier_builds_go_but_what_this_one_used(api: Api, tmp_path: Path) -> None:
    def dangling(identifier: str, created: float) -> dict[str, Any]:
        return {"Id": f"sha256:{identifier}{'0' * 52}", "Created": created}

    api.said = [{"stream": " ---> aaaaaaaaaaaa\n"}, {"stream": " ---> bbbbbbbbbbbb\n"}]
    api.dangling = [dangling("aaaaaaaaaaaa", OLD), dangling("cccccccccccc", OLD), dangling("dddddddddddd", NEW)]
    build(tmp_path)
    assert [one[:12] for one in api.removed] == ["cccccccccccc"]


def test_superseded_tags_go_but_the_young_and_those_in_use(api: Api) -> None:
    names = ["kafka:new", "kafka:old", "kafka:used", "kafka:young", "kafka-ui:old", "base:old"]
    tags = [f"millrace-local/{name}" for name in names]
    api.tagged = [{"Id": tag, "RepoTags": [tag], "Size": 1, "Created": OLD} for tag in tags]
    api.tagged.append({"Id": "untagged", "RepoTags": None, "Size": 1, "Created": OLD})
    api.tagged_now = {"millrace-local/kafka:young"}
    api.in_use = {"millrace-local/kafka:used"}
    assert Engine().remove_superseded("kafka", "millrace-local/kafka:new") == ["millrace-local/kafka:old"]
    assert api.removed == ["millrace-local/kafka:old"]
    assert set(Engine().images()) == set(tags)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (
            FileNotFoundError(2, "No such file or directory"),
            r"no container engine answers \(No such file or directory\)",
        ),
        (ConnectionRefusedError(111, "Connection refused"), r"\(Connection refused\): start it"),
        (PermissionError(13, "Permission denied"), "this user may not talk to the container engine"),
    ],
)
def test_an_engine_that_is_away_is_a_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, cause: OSError, said: str
) -> None:
    def away(timeout: int) -> None:
        try:
            raise cause
        except OSError as error:
            raise DockerException("Error while fetching\nserver API version") from error

    monkeypatch.setattr("docker.from_env", away)
    with pytest.raises(ImagesError, match=said) as raised:
        Engine()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("host", ["", "unix:///run/user/1000/docker.sock"])
def test_it_knows_which_engine_it_was_told(api: Api, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert Engine().address() == host
