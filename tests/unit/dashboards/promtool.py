"""Prometheus's own checker: the one on the PATH, or the one in the stack's local image of Prometheus."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol

import docker
import docker.errors
import pytest

from images.recipes import reference

_SECONDS: Final = 120
_FOLDER: Final = "/tmp/promtool"  # noqa: S108 - in the container


@dataclass(frozen=True)
class Outcome:
    """How it ended and what it said."""

    code: int
    output: str


class Promtool(Protocol):
    """Runs it in a folder made of these files (by relative path)."""

    def __call__(self, arguments: list[str], files: Mapping[str, str]) -> Outcome: ...


@contextmanager
def checker(folder: Path) -> Iterator[Promtool]:
    """The checker, working in `folder`. Skips the test, loudly, where there is none."""
    path = shutil.which("promtool")
    if path is not None:
        yield _OnThePath(path, folder)
        return
    image = reference("prometheus")
    with _engine(image) as engine:
        yield _InTheImage(engine, image)


@contextmanager
def _engine(image: str) -> Iterator[docker.DockerClient]:
    try:
        engine = docker.from_env()
    except docker.errors.DockerException:
        _skip("no promtool on the PATH, and no engine")
    try:
        engine.images.get(image)
        yield engine
    except docker.errors.ImageNotFound:
        _skip(f"no promtool on the PATH, and no image {image}")
    finally:
        engine.close()


def _skip(why: str) -> NoReturn:
    pytest.skip(f"PROMETHEUS'S RULES ARE NOT CHECKED: {why}: install Debian's package prometheus, or run `make images`")


@dataclass(frozen=True)
class _OnThePath:
    path: str
    folder: Path

    def __call__(self, arguments: list[str], files: Mapping[str, str]) -> Outcome:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        done = subprocess.run(
            [self.path, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        return Outcome(done.returncode, done.stdout + done.stderr)


@dataclass(frozen=True)
class _InTheImage:
    engine: docker.DockerClient
    image: str

    def __call__(self, arguments: list[str], files: Mapping[str, str]) -> Outcome:
        container = self.engine.containers.create(
            self.image,
            entrypoint=["promtool"],
            command=arguments,
            working_dir=_FOLDER,
            network_mode="none",
            labels={"dev.millrace.test": str(os.getpid())},
        )
        try:
            container.put_archive("/", _archive(files))
            container.start()
            code = int(container.wait(timeout=_SECONDS)["StatusCode"])
            return Outcome(code, container.logs().decode(errors="replace"))
        finally:
            container.remove(force=True, v=True)


def _archive(files: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"{_FOLDER[1:]}/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()
