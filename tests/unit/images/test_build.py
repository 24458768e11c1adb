"""What is built, in which order, and what is said when it cannot be."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from images import build as building
from images.build import build, with_parents
from images.engine import Engine, Image
from images.errors import ImagesError, PluginsError
from images.files import Entry, Source, context, entries
from images.recipes import Recipe
from tests.support.process import wait_until


class FakeEngine(Engine):
    """An engine in memory: remembers what it was asked to build."""

    def __init__(self) -> None:
        self.there: dict[str, Image] = {}
        self.contexts: dict[str, dict[str, bytes]] = {}
        self.arguments: dict[str, dict[str, str]] = {}
        self.fails: set[str] = set()

    def address(self) -> str:
        return ""

    def data_root(self) -> Path:
        return Path("/none")

    def images(self) -> dict[str, Image]:
        return dict(self.there)

    def build(
        self, name: str, reference: str, context: IO[bytes], dockerfile: str, arguments: Mapping[str, str], log: Path
    ) -> None:
        if name in self.fails:
            raise ImagesError("the build failed")
        with tarfile.open(fileobj=io.BytesIO(context.read())) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
        self.contexts[reference] = {path: file.read() for path, file in files.items() if file}
        self.arguments[reference] = dict(arguments)
        self.add(reference)

    def add(self, reference: str) -> None:
        self.there[reference] = Image(reference, 1_000_000)

    def remove_superseded(self, name: str, keep: str) -> list[str]:
        return []


class World:
    """Four recipes over a folder: base, under it left and right, and over right top."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = FakeEngine()
        self.said: list[str] = []
        for name in ("base", "left", "right", "top"):
            (folder / name).mkdir(parents=True)
            (folder / name / "Dockerfile").write_text(name)
        recipe = {
            "base": Recipe("base", 10, (Source("base", ""),)),
            "left": Recipe("left", 10, (Source("left", ""),), "base"),
            "right": Recipe("right", 10, (Source("right", ""),), "base"),
            "top": Recipe("top", 10, (Source("top", ""),), "right", "RIGHT"),
        }
        self.recipes = recipe

    def reference(self, name: str, plugins: Path | None = None) -> str:
        """As the real one, in short: the contents down to the base."""
        recipe = self.recipes[name]
        below = self.reference(recipe.parent).partition(":")[2] if recipe.parent else ""
        return f"millrace-local/{name}:{below}{(self.folder / name / 'Dockerfile').read_text()}"

    def build(self, *names: str) -> list[str]:
        return [each.name for each in build(self.engine, names, None, self.said.append)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path / "project")
    monkeypatch.setattr(building, "RECIPES", made.recipes)
    monkeypatch.setattr(building, "reference", made.reference)
    monkeypatch.setattr(building, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(Recipe, "files", lambda self: entries(self.sources, made.folder))
    monkeypatch.setattr(building, "_check_tools", lambda engine, missing: None)

    def bootstrap(engine: FakeEngine, recipe: Recipe, reference: str, work: Path, log: Path) -> None:
        engine.add(reference)

    monkeypatch.setattr(building, "_bootstrap", bootstrap)
    return made


def test_parents_come_first_and_once(world: World) -> None:
    assert with_parents(["top", "left"]) == ["base", "right", "top", "left"]
    built = world.build("top", "left")
    assert sorted(built) == ["base", "left", "right", "top"]
    assert built.index("base") < built.index("right") < built.index("top")
    assert world.engine.arguments == {
        world.reference("left"): {"BASE_IMAGE": "millrace-local/base:base"},
        world.reference("right"): {"BASE_IMAGE": "millrace-local/base:base"},
        world.reference("top"): {"RIGHT": "millrace-local/right:baseright"},
    }


def test_nothing_is_built_when_nothing_changed(world: World) -> None:
    world.build("top", "left")
    world.said.clear()
    assert world.build("top", "left") == []
    assert world.said == []


def test_only_what_changed_is_built_anew(world: World) -> None:
    world.build("top", "left")
    (world.folder / "right" / "Dockerfile").write_text("new")
    assert world.build("top", "left") == ["right", "top"]


def test_a_file_saved_during_a_build_does_not_get_under_another_tag(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[bool] = []

    def slow(files: list[Entry], out: IO[bytes]) -> None:
        if files[0].path.parent.name == "left" and not saved:
            saved.append(True)
            files[0].path.write_text("saved")
        context(files, out)

    monkeypatch.setattr(building, "context", slow)
    world.build("left")
    assert saved
    assert world.engine.contexts == {"millrace-local/left:basesaved": {"Dockerfile": b"saved"}}


def test_a_failure_names_the_image_and_stops_what_is_built_upon_it(world: World) -> None:
    world.engine.fails = {"right"}
    with pytest.raises(ImagesError, match=r"^right: the build failed$"):
        world.build("right", "top")
    assert set(world.engine.there) == {"millrace-local/base:base"}
    world.engine.fails = set()
    assert world.build("right", "top") == ["right", "top"]


def test_an_unknown_name_is_refused(world: World) -> None:
    with pytest.raises(ImagesError, match="there is no image grafana: there are base, left, right, top"):
        world.build("left", "grafana")
    assert world.engine.there == {}


def test_connect_is_refused_with_a_folder_of_no_use_before_anything_is_built(world: World, tmp_path: Path) -> None:
    world.recipes["connect"] = Recipe("connect", 1, (Source("left", ""),), "base", "KAFKA_IMAGE")
    (world.folder / "connect").mkdir()
    (world.folder / "connect" / "Dockerfile").write_text("connect")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "a.zip").write_bytes(b"")
    with pytest.raises(PluginsError, match=r"a\.zip is broken"):
        build(world.engine, ["connect"], tmp_path / "plugins", world.said.append)
    assert world.engine.there == {}


def test_too_little_room_is_said_before_anything_is_built(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100 << 20))
    with pytest.raises(ImagesError, match=r"has 100 MiB free and building base, left takes about 520: make room"):
        world.build("left")
    assert world.engine.there == {}


def test_builds_of_a_checkout_take_turns(world: World, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with (tmp_path / "cache" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        other = threading.Thread(target=world.build, args=("left",))
        other.start()
        wait_until(lambda: bool(world.said), "the other build's word")
        assert world.said == ["waiting for the build that process 4711 runs"]
        assert world.engine.there == {}
    other.join(30)
    assert set(world.engine.there) == {"millrace-local/base:base", "millrace-local/left:baseleft"}


def test_a_build_that_was_waited_for_is_not_done_again(world: World, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with (tmp_path / "cache" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=world.build, args=("left",))
        other.start()
        wait_until(lambda: bool(world.said), "the other build's word")
        for name in ("base", "left"):
            world.engine.add(world.reference(name))
    other.join(30)
    assert world.engine.contexts == {}


def denied(path: Path) -> PermissionError:
    """What an ordinary user gets of a file that `sudo make images` left; root may open it."""
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


@pytest.fixture
def cache_of_root(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what images are made of, after `sudo make images`, for everybody else."""
    cache, opened = tmp_path / "cache", Path.open

    def refuse(path: Path, mode: str = "r", *rest: Any, **named: Any) -> IO[Any]:
        if path.is_relative_to(cache) and mode != "r":
            raise denied(path)
        return opened(path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", refuse)
    return cache


def test_who_lacks_no_image_needs_no_lock(world: World, cache_of_root: Path) -> None:
    for name in ("base", "left"):
        world.engine.add(world.reference(name))
    assert world.build("left") == []


def test_a_lock_of_root_is_one_line_with_its_remedy(world: World, cache_of_root: Path) -> None:
    with pytest.raises(ImagesError) as refused:
        world.build("left")
    assert str(refused.value) == (
        f"{cache_of_root}/lock cannot be used (Permission denied): sudo chown -R $(id -u) {cache_of_root}"
    )


def test_what_else_root_left_is_one_line_too(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def bootstrap(*_: object) -> None:
        raise denied(tmp_path / "cache" / "log" / "base.log")

    monkeypatch.setattr(building, "_bootstrap", bootstrap)
    with pytest.raises(ImagesError, match=r"^base: .*/cache/log/base\.log cannot be used .*: sudo chown -R"):
        world.build("left")


@pytest.mark.parametrize(
    ("missing", "system", "which", "user", "said"),
    [
        (["base"], "Darwin", "/bin/x", 0, "on Linux alone"),
        (["base"], "Linux", "/bin/x", 0, r"none\.gpg is missing: .* apt install debian-archive-keyring"),
        (["base"], "Linux", "/bin/x", 1000, "debootstrap needs root to make the base image: run sudo make images"),
        (["kafka"], "Linux", None, 0, r"mvn is not installed: install it \(Debian, Ubuntu: apt install maven\)"),
    ],
)
def test_what_this_machine_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    missing: list[str],
    system: str,
    which: str | None,
    user: int,
    said: str,
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("shutil.which", lambda name: which)
    monkeypatch.setattr("os.geteuid", lambda: user)
    keyring = tmp_path / "none.gpg"
    if user:
        keyring.touch()
    monkeypatch.setattr(building, "_KEYRING", keyring)
    with pytest.raises(ImagesError, match=said):
        building._check_tools(FakeEngine(), missing)


def test_root_is_told_which_engine_the_image_is_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own need not be the one that lacks the image: a rootless engine, for one."""
    for name, value in (("platform.system", "Linux"), ("shutil.which", "/bin/x"), ("os.geteuid", 1000)):
        monkeypatch.setattr(name, lambda *_, value=value: value)
    monkeypatch.setattr(building, "_KEYRING", tmp_path)
    engine = FakeEngine()
    monkeypatch.setattr(engine, "address", lambda: "unix:///run/user/1000/docker.sock")
    with pytest.raises(ImagesError, match=r": run sudo DOCKER_HOST=unix:///run/user/1000/docker\.sock make images$"):
        building._check_tools(engine, ["base"])
