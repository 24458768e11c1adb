"""What the container engine says about itself: read before the program, never by it."""

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, NotFound

from infra.components.site import ROLE_LABEL, STACK_LABEL
from infra.faults import Refusal

JOB_SUFFIX = "-job"


@dataclass(frozen=True)
class Container:
    """A container of the engine, running or not, with the ports of this machine it publishes."""

    name: str
    labels: Mapping[str, str]
    ports: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Facts:
    """One look at an engine. `volumes` and `networks`: name to labels; `images`: references it has.

    `memory` is bytes. `free_disk`, bytes where the engine keeps its data, and `here`, whether it runs on this machine:
    None and False when that cannot be told. `version` is Docker's, empty for another engine or one that cannot be read;
    `desktop`: it runs in Docker Desktop's virtual machine; `image_store`: containerd's, not the engine's own.
    """

    memory: int
    containers: tuple[Container, ...] = ()
    volumes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    networks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    free_disk: int | None = None
    data_folder: str = ""
    here: bool = False
    version: tuple[int, ...] = ()
    desktop: bool = False
    image_store: bool = False


@contextlib.contextmanager
def connected() -> Iterator[docker.DockerClient]:
    """A client of the engine that DOCKER_HOST names, or of this machine's. Raises Refusal when it does not answer."""
    try:
        client = docker.from_env(timeout=20)
    except DockerException as away:
        raise Refusal(_away(away)) from None
    with contextlib.closing(client):
        try:
            client.ping()
        except (DockerException, OSError) as away:
            raise Refusal(_away(away)) from None
        yield client


def _away(error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    if "Permission denied" in reason:
        return (
            "this user may not use the container engine: join its group (sudo usermod -aG docker $USER, then log in "
            f"again), or name another engine with DOCKER_HOST ({reason})"
        )
    return (
        "the container engine does not answer: start Docker (Linux: sudo systemctl start docker), "
        f"or name another engine with DOCKER_HOST ({reason})"
    )


def look(client: docker.DockerClient) -> Facts:
    """Everything a stack could trip over, in a few requests."""
    info = client.info()
    folder = str(info.get("DockerRootDir", ""))
    return Facts(
        memory=int(info["MemTotal"]),
        containers=tuple(_container(found) for found in client.api.containers(all=True)),
        volumes={found.name: _labels(found.attrs) for found in client.volumes.list()},
        networks={str(found.name): _labels(found.attrs) for found in client.networks.list()},
        images=frozenset(tag for found in client.api.images() for tag in found.get("RepoTags") or ()),
        free_disk=_free(folder),
        data_folder=folder,
        here=client.api.base_url.startswith(("http+docker://", "unix://")),
        version=_version(client.version()),
        desktop=info.get("OperatingSystem") == "Docker Desktop",
        image_store="io.containerd.snapshotter.v1" in str(info.get("DriverStatus", "")),
    )


def _version(answer: Mapping[str, Any]) -> tuple[int, ...]:
    """Major, minor and patch number of Docker's engine; engines that only speak its language name another component."""
    for component in answer.get("Components") or ():
        if component.get("Name") == "Engine":
            found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(component.get("Version", "")))
            return tuple(int(number or 0) for number in found.groups()) if found else ()
    return ()


def _container(found: Mapping[str, Any]) -> Container:
    published = (port.get("PublicPort") for port in found.get("Ports") or ())
    return Container(
        name=str((found.get("Names") or ["?"])[0]).lstrip("/"),  # none while it is being removed
        labels=_labels(found),
        ports=frozenset(int(port) for port in published if port),
    )


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    return found.get("Labels") or {}


def _free(folder: str) -> int | None:
    """Bytes left where the engine keeps its data; None when that is not a folder of this machine."""
    try:
        return shutil.disk_usage(Path(folder)).free if folder else None
    except OSError:
        return None


def remove_failed_jobs(client: docker.DockerClient, stack: str) -> list[str]:
    """Removes the jobs of a stack that ended with an error, so that `pulumi up --refresh` runs them again.

    Without this Pulumi has them for done: a job whose command and environment did not change is not run twice.
    Returns their names.
    """
    removed = []
    ended: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={stack}", "status": "exited"}
    for found in client.containers.list(all=True, filters=ended, ignore_removed=True):
        role = str(found.labels.get(ROLE_LABEL, ""))
        if role.endswith(JOB_SUFFIX) and int(found.attrs["State"]["ExitCode"]) != 0:
            with contextlib.suppress(NotFound):
                found.remove(force=True)
            removed.append(str(found.name))
    return sorted(removed)
