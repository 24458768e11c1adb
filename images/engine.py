"""The container engine: which images it has, and what a build says."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env

from images.errors import ImagesError
from images.recipes import REPOSITORY

LABEL: Final = "dev.millrace.image"
# A build can be silent for as long as a package takes to install.
_SECONDS: Final = 1800
# What is younger stays: somebody may be building upon it, or about to start a container of it.
_GRACE_SECONDS: Final = 3600
_LAYER: Final = re.compile(r"^ ---> ([0-9a-f]{12})$", re.MULTILINE)


@dataclass(frozen=True)
class Image:
    """An image of the local set that the engine has; size in bytes."""

    reference: str
    size: int


class Engine:
    """The engine that the environment names (DOCKER_HOST), or the one at its usual socket."""

    def __init__(self) -> None:
        """Raises ImagesError when no engine answers."""
        try:
            self._api = docker.from_env(timeout=_SECONDS).api
            self._api.ping()
        except (DockerException, OSError) as error:
            raise ImagesError(_away(error)) from error

    def address(self) -> str:
        """DOCKER_HOST, or "" where it is this machine's usual engine."""
        return str(kwargs_from_env().get("base_url") or "")

    def data_root(self) -> Path:
        """Where the engine keeps images; it may be on another machine."""
        return Path(self._api.info()["DockerRootDir"])

    def images(self) -> dict[str, Image]:
        """The images of the local set, by reference."""
        listed = self._api.images(filters={"reference": f"{REPOSITORY}/*"})
        return {
            tag: Image(tag, image["Size"])
            for image in listed
            for tag in image["RepoTags"] or ()
            if tag.startswith(f"{REPOSITORY}/")
        }

    def build(
        self, name: str, reference: str, context: IO[bytes], dockerfile: str, arguments: Mapping[str, str], log: Path
    ) -> None:
        """Build an image from a context; raises ImagesError with what the failed step said last."""
        try:
            said = self._api.build(
                fileobj=context,
                custom_context=True,
                dockerfile=dockerfile,
                tag=reference,
                buildargs=dict(arguments),
                labels={LABEL: name},
                rm=True,
                forcerm=True,
                decode=True,
            )
            layers = self._follow(said, log)
        except APIError as error:
            raise ImagesError(f"the engine refuses to build it: {_short(error)}") from error
        self._remove_leftovers(name, layers)

    def load(self, name: str, reference: str, archive: IO[bytes], changes: Iterable[str]) -> None:
        """Make an image of one layer from a root file system's tar archive."""
        repository, tag = reference.rsplit(":", 1)
        try:
            self._api.import_image_from_stream(
                archive, repository=repository, tag=tag, changes=[*changes, f"LABEL {LABEL}={name}"]
            )
        except APIError as error:
            raise ImagesError(f"the engine refuses the root file system: {_short(error)}") from error

    def remove_superseded(self, name: str, keep: str) -> list[str]:
        """Remove the other tags of an image but the young and those in use; what was removed."""
        others = [tag for tag in self.images() if tag.startswith(f"{REPOSITORY}/{name}:") and tag != keep]
        return [tag for tag in others if not self._is_young(tag) and self._remove(tag)]

    def _follow(self, said: Iterable[Mapping[str, Any]], log: Path) -> set[str]:
        """Keep what a build says; the short ids of the layers it went through. Raises ImagesError when it failed."""
        log.parent.mkdir(parents=True, exist_ok=True)
        layers: set[str] = set()
        last = ""
        with log.open("a", encoding="utf-8") as out:
            for event in said:
                text = str(event.get("stream") or event.get("error") or event.get("status") or "")
                out.write(text)
                layers.update(_LAYER.findall(text))
                if "error" in event:
                    why = f"{last}: " if last else ""
                    raise ImagesError(f"the build failed: {why}{_short(event['error'])} ({log} has all of it)")
                if text.strip() and not text.startswith((" --->", "Removing intermediate")):
                    last = text.strip().splitlines()[-1].strip()
        return layers

    def _remove_leftovers(self, name: str, layers: set[str]) -> None:
        """Remove what earlier builds of an image left without a tag, but what the latest build took from them."""
        for image in self._api.images(filters={"dangling": True, "label": f"{LABEL}={name}"}):
            identifier = image["Id"].removeprefix("sha256:")
            if identifier[:12] not in layers and image["Created"] < time.time() - _GRACE_SECONDS:
                self._remove(identifier)

    def _is_young(self, tag: str) -> bool:
        # The time of the tag: an image that was built from the cache is as old as its layers.
        try:
            # No stub has it.
            tagged = self._api.inspect_image(tag)["Metadata"]["LastTagTime"]  # type: ignore[no-untyped-call]
        except NotFound:
            return True
        return datetime.fromisoformat(tagged) > datetime.now(UTC) - timedelta(seconds=_GRACE_SECONDS)

    def _remove(self, image: str) -> bool:
        """Remove an image unless something is made of it; whether it was removed."""
        try:
            self._api.remove_image(image)
        except APIError as error:
            if error.status_code not in (404, 409):
                raise ImagesError(f"{image} cannot be removed: {_short(error)}") from error
            return False
        return True


def _away(error: BaseException) -> str:
    """Why no engine answers, and what to do: the system's own reason lies below those of three libraries."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.strerror):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, PermissionError):
        return "this user may not talk to the container engine: run as root, or join the group docker"
    reason = cause.strerror if isinstance(cause, OSError) else _short(error)
    return (
        f"no container engine answers ({reason}): start it (Linux: systemctl start docker; macOS: Docker Desktop), "
        "or name it in DOCKER_HOST"
    )


def _short(error: object) -> str:
    """An error as one line, without the command that a failed step ran."""
    explanation = getattr(error, "explanation", None)
    text = " ".join(str(explanation or error).split())
    return re.sub(r"The command '.*' returned a non-zero code: (\d+)", r"exit code \1", text)
