"""Builds the images that are missing, parents first, what does not depend on each other side by side."""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import IO, Final, cast

from images.engine import Engine
from images.errors import ImagesError
from images.fetch import CACHE, downloaded, fetch, last_line
from images.files import Entry, Source, context, entries
from images.plugins import check_plugins, unpack
from images.recipes import RECIPES, Recipe, reference

# Two builds wait for the network and unpack in turns; more of them wait for the same two.
_AT_ONCE: Final = 2
_SPARE_MIB: Final = 500
# What Debian signs its archive with.
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SECONDS: Final = 1800

Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """An image that was built; seconds and bytes."""

    name: str
    reference: str
    seconds: float
    size: int


def with_parents(names: Iterable[str]) -> list[str]:
    """The names with all that they are built upon, parents first; raises ImagesError for one that there is not."""
    wanted: dict[str, None] = {}
    for name in names:
        chain = [name]
        while parent := _recipe(chain[-1]).parent:
            chain.append(parent)
        wanted |= dict.fromkeys(reversed(chain))
    return list(wanted)


def build(engine: Engine, names: Collection[str], plugins: Path | None, say: Say) -> list[Built]:
    """Build those of `names`, and of what they are built upon, that the engine does not have.

    Raises:
        ImagesError: one cannot be built; the others were finished first.
    """
    if not _missing(engine, names, plugins):
        return []  # whoever may not write here can still use what there is
    with _alone(say):
        missing = _missing(engine, names, plugins)  # the build that was waited for may have made them
        if not missing:
            return []
        _check_tools(engine, missing)
        _check_disk(engine, missing)
        return _Builder(engine, plugins, say).run(missing)


def _missing(engine: Engine, names: Iterable[str], plugins: Path | None) -> list[str]:
    wanted = {name: reference(name, plugins if name == "connect" else None) for name in with_parents(names)}
    if "connect" in wanted and plugins is not None:
        check_plugins(plugins)
    there = engine.images()
    return [name for name in wanted if wanted[name] not in there]


class _Builder:
    """One run: the work of every missing image, as a graph of steps."""

    def __init__(self, engine: Engine, plugins: Path | None, say: Say) -> None:
        self._engine = engine
        self._plugins = plugins
        self._say = say
        self._built: list[Built] = []

    def run(self, missing: list[str]) -> list[Built]:
        """Build them all; raises the first ImagesError once nothing more is under way."""
        steps: TopologicalSorter[tuple[str, str]] = TopologicalSorter()
        for name in missing:
            recipe = RECIPES[name]
            before = [("build", recipe.parent)] if recipe.parent in missing else []
            if recipe.downloads:
                before.append(("fetch", name))
            steps.add(("build", name), *before)
        steps.prepare()
        pool = concurrent.futures.ThreadPoolExecutor(_AT_ONCE)
        try:
            failure = self._run(steps, pool)
        finally:
            # Not to wait here lets Ctrl-C through; there is nothing to wait for otherwise.
            pool.shutdown(wait=False, cancel_futures=True)
        if failure is not None:
            raise failure
        return self._built

    def _run(self, steps: TopologicalSorter[tuple[str, str]], pool: concurrent.futures.Executor) -> ImagesError | None:
        """Take every step once those before it are done; after a failure, only end what is under way."""
        failure: ImagesError | None = None
        running: dict[concurrent.futures.Future[None], tuple[str, str]] = {}
        while running or (failure is None and steps.is_active()):
            if failure is None:
                running |= {pool.submit(self._step, *step): step for step in steps.get_ready()}
            finished, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                step = running.pop(future)
                try:
                    future.result()
                except ImagesError as error:
                    failure = failure or ImagesError(f"{step[1]}: {error}")
                except PermissionError as denied:
                    failure = failure or ImagesError(f"{step[1]}: {_unusable(denied)}")
                else:
                    steps.done(step)
        return failure

    def _step(self, kind: str, name: str) -> None:
        recipe = RECIPES[name]
        log = CACHE / "log" / f"{name}.log"
        if kind == "fetch":
            log.unlink(missing_ok=True)
            started = time.monotonic()
            fetch(recipe, log)
            self._say(f"{name}: what it is made of is here ({time.monotonic() - started:.0f} s)")
            return
        if not recipe.downloads:
            log.unlink(missing_ok=True)
        self._say(f"{name}: building")
        started = time.monotonic()
        made = self._build(recipe, log)
        size = self._engine.images()[made].size
        self._built.append(Built(name, made, time.monotonic() - started, size))
        self._say(f"{name}: built in {time.monotonic() - started:.0f} s, {size / 1e6:.0f} MB")
        for tag in self._engine.remove_superseded(name, made):
            self._say(f"{name}: removed {tag}, which it replaces")

    def _build(self, recipe: Recipe, log: Path) -> str:
        plugins = self._plugins if recipe.name == "connect" else None
        while True:
            made = reference(recipe.name, plugins)
            with tempfile.TemporaryDirectory(dir=_scratch(), prefix=recipe.name) as work:
                if not recipe.parent:
                    _bootstrap(self._engine, recipe, made, Path(work), log)
                    return made
                with tempfile.TemporaryFile(dir=work) as archive:
                    context(self._context(recipe, log, Path(work)), archive)
                    # Somebody may have saved a file meanwhile: an image must be what its tag says.
                    if made != reference(recipe.name, plugins):
                        continue
                    archive.seek(0)
                    arguments = {recipe.parent_argument: reference(recipe.parent)}
                    self._engine.build(recipe.name, made, archive, recipe.dockerfile, arguments, log)
                return made

    def _context(self, recipe: Recipe, log: Path, work: Path) -> list[Entry]:
        files = recipe.files() + downloaded(recipe, log, work)
        if recipe.name == "connect" and self._plugins is not None:
            for plugin in check_plugins(self._plugins):
                unpack(plugin.archive, work / "plugins" / plugin.name)
            files += entries([Source("plugins", "plugins")], work)
        return files


def _bootstrap(engine: Engine, recipe: Recipe, made: str, work: Path, log: Path) -> None:
    """Make an image without a parent: a root file system by debootstrap."""
    script = next(entry.path for entry in recipe.files() if entry.name == "debootstrap.sh")
    root = work / "root"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab") as out:
            done = subprocess.run(
                [script, root, CACHE / "packages"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                timeout=_SECONDS, check=False,
            )  # fmt: skip
        if done.returncode:
            raise ImagesError(f"debootstrap failed: {last_line(log)} ({log} has all of it)")
        command = ["tar", "--sort=name", "--numeric-owner", "-C", str(root), "-c", "."]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
            engine.load(recipe.name, made, cast(IO[bytes], tar.stdout), ['CMD ["bash"]'])
        if tar.returncode:
            raise ImagesError(f"tar ended with {tar.returncode} on the root file system in {root}")
    finally:
        # Only what debootstrap unpacked, never what it may have mounted.
        subprocess.run(["rm", "-rf", "--one-file-system", root], check=False)


def _recipe(name: str) -> Recipe:
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ImagesError(f"there is no image {name}: there are {', '.join(RECIPES)}")
    return recipe


def _scratch() -> Path:
    folder = CACHE / "work"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _alone(say: Say) -> Iterator[None]:
    """One build on this checkout at a time. Raises ImagesError when the lock cannot be had."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        opened = (CACHE / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise ImagesError(_unusable(error)) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            say(f"waiting for the build that process {lock.read().strip() or 'unknown'} runs")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        # What an interrupted build left.
        subprocess.run(["rm", "-rf", "--one-file-system", CACHE / "work"], check=False)
        yield


def _unusable(error: OSError) -> str:
    """A file of the cache that is in the way, most often root's since `sudo make images`; and what to do about it."""
    return f"{error.filename or CACHE} cannot be used ({error.strerror}): sudo chown -R $(id -u) {CACHE}"


def _check_tools(engine: Engine, missing: list[str]) -> None:
    if "base" in missing:
        if platform.system() != "Linux":
            raise ImagesError(
                "the local images are made on Linux alone: take upstream's here (millrace:images: upstream)"
            )
        if shutil.which("debootstrap") is None and not Path("/usr/sbin/debootstrap").exists():
            raise ImagesError("debootstrap is not installed: install it (Debian, Ubuntu: apt install debootstrap)")
        if not _KEYRING.exists():
            # debootstrap would go on without checking signatures
            raise ImagesError(f"{_KEYRING} is missing: install it (Debian, Ubuntu: apt install debian-archive-keyring)")
        if os.geteuid() != 0:
            # root's own engine need not be this one
            where = f"DOCKER_HOST={engine.address()} " if engine.address() else ""
            raise ImagesError(f"debootstrap needs root to make the base image: run sudo {where}make images")
    if "kafka" in missing and shutil.which("mvn") is None:
        raise ImagesError("mvn is not installed: install it (Debian, Ubuntu: apt install maven)")


def _check_disk(engine: Engine, missing: list[str]) -> None:
    needed = sum(RECIPES[name].disk for name in missing) + _SPARE_MIB
    for folder in (engine.data_root(), CACHE):
        # The engine may keep its images on another machine.
        if folder.is_dir() and (free := shutil.disk_usage(folder).free >> 20) < needed:
            raise ImagesError(
                f"{folder} has {free} MiB free and building {', '.join(missing)} takes about {needed}: "
                "make room (docker system df shows what the engine keeps)"
            )
