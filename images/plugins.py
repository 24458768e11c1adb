"""Connect plugin archives: what makes one usable, and how one is unpacked.

An archive is refused here, by name, rather than found missing by a worker later: a worker passes over what it cannot
load and only says so in its log.
"""

from __future__ import annotations

import fnmatch
import io
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from images.errors import PluginsError
from images.files import sha256

SUFFIXES: Final = (".zip", ".tar.gz", ".tgz")
# How a jar says that it holds a connector, converter or transformation.
_SERVICES: Final = "META-INF/services/org.apache.kafka.connect."
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 1 << 30
# What reading a damaged, encrypted or unknown archive raises.
_BROKEN: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class Plugin:
    """An archive and the name of the folder that it becomes in the worker's plugin path."""

    name: str
    archive: Path


def find_plugins(folder: Path) -> list[Plugin]:
    """The archives of a folder, by name; raises PluginsError when it is no folder or holds none that can be named."""
    if not folder.is_dir():
        raise PluginsError(f"{folder} is not a folder: name one that holds Connect plugin archives")
    plugins: dict[str, Plugin] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((one for one in SUFFIXES if path.name.endswith(one)), None)
        if suffix is None or not path.is_file():
            continue
        name = path.name.removesuffix(suffix)
        if not _NAME.match(name):
            raise PluginsError(f"{path}: rename it, with letters, digits and . _ - only: its name becomes a folder's")
        if name in plugins:
            raise PluginsError(f"{path}: {plugins[name].archive.name} would be unpacked to the same place: remove one")
        plugins[name] = Plugin(name, path)
    if not plugins:
        raise PluginsError(f"{folder} holds no plugin archive ({', '.join(SUFFIXES)}): put one in, or name another")
    return list(plugins.values())


def check_plugins(folder: Path) -> list[Plugin]:
    """The archives of a folder, each read to its end and found usable.

    Raises:
        PluginsError: no folder, no archive; or an archive whose SHA-256 is not that of FILE.sha256 beside it, that is
            broken, would be unpacked outside its folder, holds no jar, or none with a Connect plugin.
    """
    plugins = find_plugins(folder)
    for plugin in plugins:
        _check_sum(plugin.archive)
        _check_content(plugin.archive)
    return plugins


def unpack(archive: Path, target: Path, exclude: Sequence[str] = ()) -> None:
    """Unpack an archive below `target`, without the files whose names match a pattern of `exclude`.

    Raises:
        PluginsError: the archive is broken, too large, or holds what does not belong below `target`.
    """
    for name, content in _members(archive):
        if any(fnmatch.fnmatch(PurePosixPath(name).name, pattern) for pattern in exclude):
            continue
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            shutil.copyfileobj(content, out)


def _check_sum(archive: Path) -> None:
    beside = archive.with_name(f"{archive.name}.sha256")
    if not beside.exists():
        return
    words = beside.read_text(errors="replace").split()
    expected = words[0].lower() if words else ""
    if not _SHA256.match(expected):
        raise PluginsError(f"{beside} does not begin with a SHA-256: write one with sha256sum {archive.name}")
    if sha256(archive) != expected:
        raise PluginsError(f"{archive} does not have the SHA-256 that {beside.name} says: fetch it again")


def _check_content(archive: Path) -> None:
    jars = 0
    usable = False
    for name, content in _members(archive):
        if not name.endswith(".jar"):
            continue
        jars += 1
        usable = usable or _holds_plugin(archive, name, content.read())
    if not jars:
        raise PluginsError(f"{archive} holds no .jar: it is not a Connect plugin")
    if not usable:
        raise PluginsError(f"{archive} holds no Connect plugin: no jar of it has {_SERVICES}*")


def _holds_plugin(archive: Path, name: str, content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as jar:
            return any(entry.startswith(_SERVICES) for entry in jar.namelist())
    except _BROKEN as error:
        raise PluginsError(f"{archive} is broken, at {name} ({error}): fetch it again") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of an archive; raises PluginsError for one that is broken or reaches outside the folder it becomes."""
    files = size = 0
    try:
        for name, length, content in _zip_files(archive) if archive.suffix == ".zip" else _tar_files(archive):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.name:
                raise PluginsError(f"{archive} is refused: {name!r} lies outside the folder it is unpacked to")
            files, size = files + 1, size + length
            if files > _MOST_FILES or size > _MOST_BYTES:
                raise PluginsError(
                    f"{archive} is refused: it unpacks to more than {_MOST_FILES} files or {_MOST_BYTES >> 20} MiB"
                )
            yield path.as_posix(), content
    except _BROKEN as error:
        raise PluginsError(f"{archive} is broken ({error}): fetch it again") from error


def _zip_files(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            # The upper half holds the mode of a file that was zipped on Unix.
            if (member.external_attr >> 28) == 0o12:
                raise PluginsError(f"{archive} is refused: {member.filename} is a link")
            if not member.is_dir():
                # Whole, so that its checksum is looked at.
                yield member.filename, member.file_size, io.BytesIO(opened.read(member))


def _tar_files(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(archive, "r:gz") as opened:
        for member in opened:
            content = opened.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name.removeprefix("./"), member.size, content
            elif not member.isdir():
                raise PluginsError(f"{archive} is refused: {member.name} is a link or a device")
