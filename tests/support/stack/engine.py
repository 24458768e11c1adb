"""The container engine, and whose the things on it are.

Everything made here carries testcontainers' session labels, so that its reaper removes it where that image can be
had; and the process that made it, so that the next run removes what a killed one left where it cannot.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import docker
import docker.errors
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID, create_labels

STACK_LABEL = "dev.millrace.stack"
ROLE_LABEL = "dev.millrace.role"
TEST_PREFIX = "e2e-"
_OWNER_LABEL = "dev.millrace.test-process"
_POOL = 64

unlabelled_volumes: set[str] = set()
"""Volumes that images declared for containers of this process: nobody else would know whose they are."""


class NoEngine(Exception):
    """No engine answers; the message is one line."""


def connect() -> docker.DockerClient:
    """A client on the engine that DOCKER_HOST (or the default socket) names. Raises NoEngine."""
    try:
        client = DockerClient(max_pool_size=_POOL, timeout=120).client
        client.ping()
    except (docker.errors.DockerException, OSError) as away:
        raise NoEngine(f"no container engine answers ({str(away).splitlines()[0][:200]}): start docker") from None
    return client


def labelled(image: str, labels: dict[str, str]) -> dict[str, str]:
    """The program's own labels, testcontainers' and the test process's."""
    return {**create_labels(image, labels), **owner_labels(os.getpid())}


def owner_labels(pid: int) -> dict[str, str]:
    """The label that says which process something belongs to."""
    return {_OWNER_LABEL: _process(pid)}


def _process(pid: int) -> str:
    """A process by machine, id and start: an id alone is given out again. Without a start when it is gone."""
    with contextlib.suppress(OSError, IndexError):
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{socket.gethostname()}/{pid}/{started}"
    return f"{socket.gethostname()}/{pid}/"


def _lives(pid: int, owner: str) -> bool:
    return Path(f"/proc/{pid}").exists() and _process(pid) == owner


def sweep(client: docker.DockerClient) -> list[str]:
    """Removes what test processes of this machine left that are dead, and names it."""
    gone = []
    for kind, name, labels, remove in everything(client):
        owner = labels.get(_OWNER_LABEL, "")
        if not labels.get(STACK_LABEL, "").startswith(TEST_PREFIX) or not owner:
            continue
        machine, pid, _ = owner.split("/")
        if machine == socket.gethostname() and not _lives(int(pid), owner):
            with contextlib.suppress(docker.errors.NotFound):
                remove()
                gone.append(f"{kind} {name}")
    return gone


def remove_session(client: docker.DockerClient, session: str = SESSION_ID) -> list[str]:
    """Removes everything of a test session, and names it."""
    gone = []
    for kind, name, labels, remove in everything(client):
        if labels.get(LABEL_SESSION_ID) == session:
            with contextlib.suppress(docker.errors.NotFound):
                remove()
                gone.append(f"{kind} {name}")
    return gone


def made_here(client: docker.DockerClient) -> set[str]:
    """Kind and name of everything on the engine that this process made, or that is named like it and nobody's."""
    return {f"{kind} {name}" for kind, name, labels, _ in everything(client) if _is_ours(name, labels)}


def _is_ours(name: str, labels: dict[str, str]) -> bool:
    if LABEL_SESSION_ID in labels:
        return labels[LABEL_SESSION_ID] == SESSION_ID
    return name.startswith(TEST_PREFIX) or name in unlabelled_volumes


def everything(client: docker.DockerClient) -> Iterable[tuple[str, str, dict[str, str], Any]]:
    """Kind, name, labels and remover of all containers, then networks, then volumes: the order they can go in."""
    for container in client.containers.list(all=True, ignore_removed=True, sparse=True):
        labels: dict[str, str] = container.attrs.get("Labels") or {}
        name = str(container.attrs["Names"][0]).lstrip("/") if container.attrs.get("Names") else str(container.id)
        yield "container", name, labels, lambda one=container: one.remove(force=True, v=True)
    for network in client.networks.list():
        yield "network", str(network.name), network.attrs.get("Labels") or {}, network.remove
    for volume in client.volumes.list():
        yield "volume", volume.name, volume.attrs.get("Labels") or {}, lambda one=volume: one.remove(force=True)
