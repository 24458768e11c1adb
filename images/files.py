"""The files that go into an image: which ones, their digest, and the archive that the engine is sent."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Final

from images.errors import ImagesError

PROJECT: Final = Path(__file__).resolve().parents[1]
# What editors, Python and people leave beside the files that git tracks.
_LEFT_OVER_SUFFIXES: Final = {".pyc", ".pyo", ".swp", ".orig", ".rej", ".tmp"}
_EXECUTABLE: Final = 0o111


@dataclass(frozen=True)
class Source:
    """A file or folder of the project and its place in the build context ("" for the context itself)."""

    path: str
    target: str

    @classmethod
    def same(cls, path: str) -> Source:
        """A source that has the same place in the context as in the project."""
        return cls(path, path)


@dataclass(frozen=True)
class Entry:
    """A file of a build context: its name there, its content's place on this machine."""

    name: str
    path: Path

    @property
    def executable(self) -> bool:
        """Whether the file may be run; all else of its mode is the same for every file."""
        return bool(self.path.stat().st_mode & _EXECUTABLE)


def entries(sources: Iterable[Source], project: Path = PROJECT) -> list[Entry]:
    """The files of the sources, ordered by name in the context; raises ImagesError for a source that is missing."""
    found: dict[str, Entry] = {}
    for source in sources:
        path = project / source.path
        if path.is_file():
            name = source.target
            found[name] = Entry(name, path)
            continue
        if not path.is_dir():
            raise ImagesError(f"{source.path} is missing, of which an image is made: restore it (git status says more)")
        for file in _files_below(path):
            name = "/".join(filter(None, (source.target, file.relative_to(path).as_posix())))
            found[name] = Entry(name, file)
    return [found[name] for name in sorted(found)]


def _files_below(folder: Path) -> Iterable[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and not name.endswith("~") and Path(name).suffix not in _LEFT_OVER_SUFFIXES:
                yield Path(path, name)


def digest(files: Iterable[Entry], extra: Mapping[str, str]) -> str:
    """SHA-256, in hex, of names, contents and executable bits of `files` (in their order) and of `extra`."""
    total = hashlib.sha256()
    for key in sorted(extra):
        total.update(f"{key}={extra[key]}\0".encode())
    for entry in files:
        total.update(f"{entry.name}\0{'x' if entry.executable else '-'}{sha256(entry.path)}\0".encode())
    return total.hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size, status.st_ino)


@cache
def _sha256(path: Path, mtime: int, size: int, inode: int) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def context(files: Iterable[Entry], out: IO[bytes]) -> None:
    """Write the build context as a tar archive that is the same for the same files: no times, owners or odd modes."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in files:
            content = entry.path.read_bytes()
            member = tarfile.TarInfo(entry.name)
            member.size = len(content)
            member.mode = 0o755 if entry.executable else 0o644
            archive.addfile(member, io.BytesIO(content))
