"""What an image needs from package registries, fetched on this machine, where they can be reached, and checked."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from images.errors import ImagesError
from images.files import PROJECT, Entry, digest, sha256
from images.locks import PYTHON, target_environment
from images.plugins import unpack
from images.recipes import Maven, Recipe, Wheels

CACHE: Final = PROJECT / "var" / "images"
_SECONDS: Final = 1800


def run(command: Sequence[str], log: Path, remedy: str, folder: Path | None = None) -> None:
    """Run a program, its output in `log`; raises ImagesError with the last line of it, `remedy` and the log's place."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=_SECONDS, check=False
            )
        except FileNotFoundError:
            raise ImagesError(f"{command[0]} is not installed: {remedy}") from None
        except subprocess.TimeoutExpired:
            raise ImagesError(f"{command[0]} did not end within {_SECONDS // 60} minutes: see {log}") from None
    if done.returncode:
        raise ImagesError(f"{command[0]} failed: {last_line(log)} ({log} has all of it)")


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def fetch(recipe: Recipe, log: Path) -> None:
    """Download what the recipe names unless it is there, and check it; raises ImagesError."""
    match recipe.downloads:
        case Maven() as maven:
            maven_files(maven, log)
        case Wheels() as wheels:
            _fetch_wheels(wheels, log)


def downloaded(recipe: Recipe, log: Path, work: Path) -> list[Entry]:
    """What was downloaded, as files of the build context; archives are unpacked in the folder `work`."""
    match recipe.downloads:
        case Maven() as maven:
            folder = maven_files(maven, log)
            for archive in sorted((folder / "archives").iterdir()):
                # Archives of one plugin each, which hold its folder.
                unpack(archive, work / "plugins", maven.leave_out)
            return _below(folder / "libs", "libs") + _below(work / "plugins", "plugins")
        case Wheels() as wheels:
            return _below(_fetch_wheels(wheels, log), "wheels")
    return []


def _below(folder: Path, target: str) -> list[Entry]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [Entry(f"{target}/{path.relative_to(folder).as_posix()}", path) for path in files]


def maven_files(maven: Maven, log: Path) -> Path:
    """The folder with `libs` and `archives`, downloaded unless it is there, and checked; raises ImagesError."""
    source = PROJECT / maven.folder
    made_of = [Entry(name, source / name) for name in ("SHA256SUMS", "pom.xml")]
    folder = CACHE / "maven" / digest(made_of, {})[:16]
    if not folder.is_dir():
        work = folder.with_suffix(".part")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        shutil.copy(source / "pom.xml", work)
        run(
            ["mvn", "-q", "-B", "-ntp", "package"],
            log,
            "install it (Debian, Ubuntu: apt install maven)",
            folder=work,
        )
        (work / "target").rename(folder)
        shutil.rmtree(work)
    try:
        check_sums(folder, source / "SHA256SUMS")
    except ImagesError:
        shutil.rmtree(folder)
        raise
    return folder


def _fetch_wheels(wheels: Wheels, log: Path) -> Path:
    """The wheels and, beside them, what they are as a lock without markers: packages.lock."""
    machine = target_environment()["platform_machine"]
    packages = wheels.packages(PROJECT)
    text = "".join(f"{package}\n" for package in packages)
    made_of = hashlib.sha256(f"{machine} {PYTHON}\n{text}".encode()).hexdigest()
    folder = CACHE / "wheels" / made_of[:16]
    if not folder.is_dir():
        work = folder.with_suffix(".part")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / "packages.lock").write_text(text)
        # pip holds every file to the hashes of the lock, here and once more in the build.
        command = [*_pip(), "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--require-hashes", "--python-version", PYTHON, "--implementation", "cp"]
        for tag in _platforms(machine):
            command += ["--platform", tag]
        run([*command, "--dest", str(work), "--requirement", str(work / "packages.lock")], log, "install pip")
        work.rename(folder)
    return folder


def _platforms(machine: str) -> list[str]:
    """The tags of wheels that run with the C library of Debian bookworm (2.36), newest first."""
    return [f"manylinux_2_{minor}_{machine}" for minor in range(36, 4, -1)] + [f"manylinux2014_{machine}"]


def _pip() -> list[str]:
    """The command of a pip: this interpreter's, or the PATH's."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise ImagesError("pip is not installed: install it (Debian, Ubuntu: apt install python3-pip)")
    return [found]


def check_sums(folder: Path, sums: Path) -> None:
    """Hold the files below `folder` to a list of SHA-256 sums; raises ImagesError for one more, less or different."""
    lines = [line.split(maxsplit=1) for line in sums.read_text().splitlines()]
    expected = {name: checksum for checksum, name in lines}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in sorted(expected.keys() | found.keys()):
        where = f"{sums.relative_to(PROJECT)}: {name}"
        if name not in found:
            raise ImagesError(f"{where} was not downloaded: do pom.xml and SHA256SUMS belong together?")
        if name not in expected:
            raise ImagesError(f"{where} was downloaded but is not listed: do pom.xml and SHA256SUMS belong together?")
        if sha256(found[name]) != expected[name]:
            raise ImagesError(f"{where} was downloaded with other content than listed: do not use it")
