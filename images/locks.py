"""Lock files, as far as images need them: what one names for a given machine."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from images.errors import ImagesError

# The interpreter of the local images: the branch of upstream's, which the project's image is built on.
PYTHON: Final = "3.13"


@dataclass(frozen=True)
class Locked:
    """A package of a lock: its pinned requirement without the marker, and its hashes (`sha256:…`)."""

    name: str
    pinned: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        """As lines of a requirements file."""
        return " \\\n    ".join([self.pinned, *(f"--hash={one}" for one in self.hashes)])


def read_lock(path: Path, environment: Mapping[str, str], names: Collection[str] = ()) -> list[Locked]:
    """The packages that a lock names for a machine with these marker values: all, or those called `names`.

    Raises:
        ImagesError: the file cannot be read or is no lock, or one of `names` is not in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ImagesError(f"{path} cannot be read: {error.strerror}") from error
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    packages = []
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        pinned, *hashes = re.split(r"\s+--hash=", entry.strip())
        if not pinned:
            continue
        try:
            requirement = Requirement(pinned)
        except InvalidRequirement as error:
            raise ImagesError(f"{path}: {pinned!r} is not a requirement ({error}): run make lock") from error
        if not hashes:
            raise ImagesError(f"{path}: {pinned} has no hash: run make lock")
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            name = canonicalize_name(requirement.name)
            packages.append(Locked(name, f"{name}{requirement.specifier}", tuple(hashes)))
    absent = set(names) - {package.name for package in packages}
    if absent:
        raise ImagesError(f"{path} does not name {', '.join(sorted(absent))}: run make lock")
    return [package for package in packages if not names or package.name in names]


def target_environment() -> dict[str, str]:
    """The values of a lock's markers for the interpreter of the local images, on this machine's processor."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{PYTHON}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{PYTHON}.0",
        "python_version": PYTHON,
        "sys_platform": "linux",
        "extra": "",
    }
