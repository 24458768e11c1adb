"""What is looked at before anything is created: each finding is one line with the key and the remedy."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Mapping

import pytest

from infra import preflight
from infra.components.images import local_references
from infra.components.kafka import NODES_LABEL
from infra.components.site import IMAGES_LABEL, ROLE_LABEL, STACK_LABEL, ZONE_LABEL
from infra.config import Config
from infra.engine import Container, Facts
from infra.faults import Refusal
from tests.infra.variants import DEFAULT, captured
from tests.support.stack.capture import capture

GIB = 2**30
SOUND = Facts(memory=16 * GIB, free_disk=50 * GIB, data_folder="/var/lib/docker", here=True)
OURS = {STACK_LABEL: "millrace"}


def config(**given: str) -> Config:
    """The configuration the program would work with."""
    seen: list[Config] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.preflight.check", seen.append)
        capture({key.replace("_", "."): value for key, value in given.items()})
    return seen[0]


@pytest.fixture(scope="module")
def upstream() -> Config:
    """The default configuration."""
    return config()


def found(config: Config, facts: Facts, taken: Mapping[int, str] | None = None) -> list[str]:
    """Every fault as a person reads it."""
    lines = [str(fault) for fault in preflight.faults(config, facts, lambda port: (taken or {}).get(port))]
    assert not [line for line in lines if "\n" in line or ": " not in line]
    return lines


def test_a_sound_engine_has_no_fault(upstream: Config) -> None:
    assert found(upstream, SOUND) == []


def test_too_little_memory(upstream: Config) -> None:
    (line,) = found(upstream, dataclasses.replace(SOUND, memory=GIB))
    assert line.startswith("the container engine has 1.0 GiB of memory and this stack needs ")
    assert "set millrace:kafkaNodes to 1" in line


def test_too_little_disk(upstream: Config) -> None:
    (line,) = found(upstream, dataclasses.replace(SOUND, free_disk=GIB))
    assert line.startswith("/var/lib/docker, where the container engine keeps its data, has 1.0 GiB left")
    assert found(upstream, dataclasses.replace(SOUND, free_disk=None)) == []


def test_published_images_take_more_disk_than_the_local_set(upstream: Config) -> None:
    local = config(images="local", sink="python")
    facts = dataclasses.replace(SOUND, free_disk=6 * GIB, images=frozenset(local_references(None).values()))
    (line,) = found(upstream, facts)
    assert "has 6.0 GiB left and this stack needs 10.0 GiB: " in line
    assert found(local, facts) == []


@pytest.mark.parametrize(
    ("version", "image_store", "refused"),
    [((27, 4, 1), True, True), ((27, 5, 0), True, False), ((27, 4, 1), False, False), ((), True, False)],
)
def test_an_engine_that_cannot_build_the_images(
    upstream: Config, version: tuple[int, ...], image_store: bool, refused: bool
) -> None:
    facts = dataclasses.replace(SOUND, version=version, image_store=image_store)
    lines = found(upstream, facts)
    assert bool(lines) is refused
    if refused:
        assert lines[0].startswith("Docker Engine 27.4.1 with containerd's image store cannot build the stack's images")
    local = config(images="local", sink="python")
    assert found(local, dataclasses.replace(facts, images=frozenset(local_references(None).values()))) == []


@pytest.mark.parametrize(
    ("version", "desktop", "bind", "warned"),
    [
        ((20, 10, 24), False, "127.0.0.1", True),
        ((27, 5, 1), False, "127.0.0.1", True),
        ((28, 0, 0), False, "127.0.0.1", False),
        ((27, 5, 1), True, "127.0.0.1", False),  # its virtual machine has no neighbours
        ((27, 5, 1), False, "0.0.0.0", False),  # noqa: S104 - neighbours are meant to reach it
        ((), False, "127.0.0.1", False),
    ],
)
def test_neighbours_of_an_old_engine_are_warned_of(
    version: tuple[int, ...], desktop: bool, bind: str, warned: bool
) -> None:
    facts = dataclasses.replace(SOUND, version=version, desktop=desktop)
    lines = list(preflight.warnings(config(bind=bind), facts))
    assert [line.startswith(f"Docker Engine {'.'.join(map(str, version))} lets other") for line in lines] == [
        True
    ] * warned
    assert not any("\n" in line for line in lines)


def test_a_warning_is_logged_and_stops_nothing(upstream: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    old = dataclasses.replace(SOUND, version=(20, 10, 24), here=False)
    said: list[str] = []
    monkeypatch.setattr(preflight, "connected", lambda: contextlib.nullcontext())
    monkeypatch.setattr(preflight, "look", lambda _client: old)
    monkeypatch.setattr("pulumi.log.warn", said.append)
    preflight.check(upstream)
    assert len(said) == 1


def test_a_taken_port_names_its_key(upstream: Config) -> None:
    (line,) = found(upstream, SOUND, {19093: "address already in use"})
    assert line.startswith("millrace:portKafka (node 2) is port 19093, which is taken (address already in use): ")


def test_a_port_of_another_container_names_it(upstream: Config) -> None:
    other = Container("their-database", {}, frozenset({3306}))
    (line,) = found(upstream, dataclasses.replace(SOUND, containers=(other,), here=False))
    assert line.startswith("millrace:portMysql is port 3306, which is taken (the container their-database has it): ")


def test_ports_of_this_stack_are_its_own(upstream: Config) -> None:
    own = Container("mysql", {**OURS, ROLE_LABEL: "mysql"}, frozenset({3306}))
    assert found(upstream, dataclasses.replace(SOUND, containers=(own,)), {3306: "in use"}) == []


def test_ports_of_an_engine_elsewhere_are_not_tried(upstream: Config) -> None:
    assert found(upstream, dataclasses.replace(SOUND, here=False), {3306: "in use"}) == []


@pytest.mark.parametrize("labels", [{}, {STACK_LABEL: "x-"}, {ROLE_LABEL: "mysql"}])
def test_a_name_of_somebody_else(upstream: Config, labels: dict[str, str]) -> None:
    facts = dataclasses.replace(
        SOUND,
        containers=(Container("mysql", labels), Container("unrelated", {})),
        volumes={"millrace-mysql": labels, "unrelated": {}},
        networks={"millrace": labels, "bridge": {}},
    )
    lines = found(upstream, facts)
    assert [line.split(",")[0] for line in lines] == [
        "millrace:prefix makes a container mysql",
        "millrace:prefix makes a volume millrace-mysql",
        "millrace:prefix makes a network millrace",
    ]
    assert "docker volume rm millrace-mysql" in lines[1]


def test_names_of_this_stack_are_its_own(upstream: Config) -> None:
    facts = dataclasses.replace(
        SOUND,
        containers=(Container("mysql", OURS),),
        volumes={"millrace-mysql": OURS},
        networks={"millrace": OURS},
    )
    assert found(upstream, facts) == []


@pytest.mark.parametrize(
    ("volume", "label", "key", "made_with", "other"),
    [
        ("kafka1", NODES_LABEL, "kafkaNodes", "3", "1"),
        ("mysql", ZONE_LABEL, "timezone", "UTC", "Asia/Seoul"),
        ("mysql", IMAGES_LABEL, "images", "upstream", "local"),
    ],
)
def test_what_the_data_was_made_with_cannot_change_under_it(
    volume: str, label: str, key: str, made_with: str, other: str
) -> None:
    local = frozenset(local_references(None).values())
    facts = dataclasses.replace(SOUND, volumes={f"millrace-{volume}": {**OURS, label: made_with}}, images=local)
    assert found(config(**{key: made_with}), facts) == []
    (line,) = found(config(sink="python", **{key: other}), facts)
    assert line.startswith(f"millrace:{key} is {other}, but the data of this stack was made with {made_with}: set it")
    assert "`make clean`" in line
    unlabelled = dataclasses.replace(facts, volumes={f"millrace-{volume}": OURS})
    assert found(config(sink="python", **{key: other}), unlabelled) == []


def test_the_volumes_say_what_their_data_was_made_with() -> None:
    program = captured(DEFAULT, timezone="Asia/Seoul", kafkaNodes="1")
    volumes = program.of("docker:index/volume:Volume")
    of = {name: {one["label"]: one["value"] for one in made.inputs["labels"]} for name, made in volumes.items()}
    assert of["mysql-data"].items() >= {IMAGES_LABEL: "upstream", ZONE_LABEL: "Asia/Seoul"}.items()
    assert of["kafka1-data"][NODES_LABEL] == "1"


def test_local_images_that_are_missing_or_stale_are_named() -> None:
    local = config(images="local", sink="python")
    references = dict(local_references(None))
    present = frozenset(references.values())
    assert found(local, dataclasses.replace(SOUND, images=present)) == []
    stale = present - {references["mysql"]} | {"millrace-local/mysql:000000000000"}
    (line,) = found(local, dataclasses.replace(SOUND, images=stale))
    assert line.startswith("millrace:images is local, but the image mysql is missing or older than its sources")
    assert line.endswith("run `make images`")
    assert len(found(local, SOUND)) == len(set(references))


def test_upstream_images_are_fetched_not_looked_for(upstream: Config) -> None:
    assert found(upstream, dataclasses.replace(SOUND, images=frozenset())) == []


def test_a_port_that_something_listens_on_is_seen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert preflight.bindable("127.0.0.1", listener.getsockname()[1]) == "address already in use"


def test_a_free_port_is_free() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert preflight.bindable("127.0.0.1", port) is None


def test_an_address_of_another_machine() -> None:
    with pytest.raises(Refusal, match=r"^millrace:bind is 192\.0\.2\.1: give an address that this machine has$"):
        preflight.bindable("192.0.2.1", 3000)


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program as `pulumi up` runs it, preflight and all, before it registers anything."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{closed.getsockname()[1]}")

    def nothing(type_: str, name: str, _inputs: object) -> tuple[str, dict[str, object]]:
        raise AssertionError(f"{type_} {name} was registered")

    with pytest.raises(Refusal, match="the container engine does not answer: start Docker") as refused:
        capture({}, create=nothing)
    assert "\n" not in str(refused.value)
