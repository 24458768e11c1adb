"""Lock files, as far as images need them: what one names for a given machine."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from images.errors import ImagesError


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
        ImagesError: the file is no lock, or one of `names` is not in it.
    """
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#"))
    packages = []
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        text, *hashes = re.split(r"\s+--hash=", entry.strip())
        if not text:
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ImagesError(f"{path}: {text!r} is not a requirement ({error}): run make lock") from error
        if not hashes:
            raise ImagesError(f"{path}: {text} has no hash: run make lock")
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            name = canonicalize_name(requirement.name)
            packages.append(Locked(name, f"{name}{requirement.specifier}", tuple(hashes)))
    absent = set(names) - {package.name for package in packages}
    if absent:
        raise ImagesError(f"{path} does not name {', '.join(sorted(absent))}: run make lock")
    return [package for package in packages if not names or package.name in names]
