"""Writes into the project what the published images' names mean today: `make pin-images`.

A reference is NAME:TAG@DIGEST. The engine asks the image's registry (its API: GET /distribution/{name}/json), which
gives the digest of the index, the same for every architecture.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import docker
import docker.errors

PROJECT: Final = Path(__file__).resolve().parents[1]
FILES: Final = (
    "infra/versions.py",
    "images/connect/Dockerfile",
    "images/grafana/Dockerfile",
    "images/millrace/Dockerfile",
)
# In versions.py a long one is in two pieces.
_PINNED: Final = re.compile(r"(?P<name>[a-z][a-z/-]+:v?\d[\w.-]*)(?P<gap>\"\s+\")?@(?P<digest>sha256:[0-9a-f]{64})")


class Unanswered(Exception):
    """The registry did not say; the message says why."""


def pinned(text: str) -> Iterator[tuple[str, str]]:
    """Every reference of a file: NAME:TAG and digest."""
    return ((found["name"], found["digest"]) for found in _PINNED.finditer(text))


def repinned(text: str, digest_of: Callable[[str], str]) -> str:
    """The text with the digest that `digest_of` gives for each NAME:TAG."""
    return _PINNED.sub(lambda found: f"{found['name']}{found['gap'] or ''}@{digest_of(found['name'])}", text)


def ask_registry(name: str) -> str:
    """The digest of NAME:TAG today. Raises Unanswered."""
    try:
        return str(docker.from_env().images.get_registry_data(name).id)
    except docker.errors.DockerException as error:
        raise Unanswered(f"{name}: {error}") from error


def main(
    arguments: Sequence[str] | None = None, digest_of: Callable[[str], str] = ask_registry, project: Path = PROJECT
) -> int:
    """Returns 0 when all is as it was or was written, 1 with `--check` when something is not, 2 when nobody says."""
    parser = argparse.ArgumentParser(prog="make pin-images", description="Pin the published images by digest.")
    parser.add_argument("--check", action="store_true", help="say what would change, and change nothing")
    check = parser.parse_args(arguments).check
    changed = 0
    for file in FILES:
        path = project / file
        text = path.read_text(encoding="utf-8")
        try:
            new = repinned(text, digest_of)
        except Unanswered as error:
            print(
                f"millrace: no digest to be had of {error}; is the engine up, and its registry in reach?",
                file=sys.stderr,
            )
            return 2
        for (name, before), (_, after) in zip(pinned(text), pinned(new), strict=True):
            if before != after:
                changed += 1
                print(f"{file}: {name} was {before}, is {after}")
        if not check:
            path.write_text(new, encoding="utf-8")
    print(
        "every image is what its name means" if not changed else f"{changed} digests {'differ' if check else 'written'}"
    )
    return int(bool(changed and check))


if __name__ == "__main__":
    sys.exit(main())
