"""The docker and random providers: each resource of the program created for real."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

import docker
import docker.errors

from tests.support.stack import capture
from tests.support.stack.containers import Containers, CreationFailed
from tests.support.stack.engine import labelled
from tests.support.stack.fields import Fields, UnknownInput
from tests.support.stack.generated import random_id, random_password

Made = tuple[str, dict[str, Any]]
"""A resource's id and the outputs that are not its inputs."""


class Provider:
    """Creates, reads, changes and deletes resources by their type; a type it does not know fails."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.cancelled = threading.Event()
        self.containers = Containers(client, self.cancelled)

    def create(self, kind: str, name: str, inputs: Mapping[str, Any]) -> Made:
        """Id and outputs of a new resource. Raises CreationFailed or UnknownInput."""
        match kind:
            case capture.CONTAINER:
                return self.containers.create(inputs)
            case capture.NETWORK:
                return self._network(inputs)
            case capture.VOLUME:
                return self._volume(inputs)
            case capture.REMOTE_IMAGE:
                return self._image(inputs)
            case capture.PASSWORD:
                return random_password(inputs, name)
            case capture.RANDOM_ID:
                return random_id(inputs, name)
        raise UnknownInput(f"{name}: tests/support/stack does not know resources of type {kind}")

    def is_gone(self, kind: str, resource_id: str, inputs: Mapping[str, Any]) -> bool:
        """What a refresh finds."""
        match kind:
            case capture.CONTAINER:
                return self.containers.is_gone(resource_id, inputs)
            case capture.NETWORK:
                return not self.client.networks.list(ids=[resource_id])
            case capture.VOLUME:
                return resource_id not in {volume.name for volume in self.client.volumes.list()}
        return False

    def delete(self, kind: str, resource_id: str, inputs: Mapping[str, Any]) -> None:
        """Removes a resource; one that is gone already is fine."""
        with contextlib.suppress(docker.errors.NotFound):
            match kind:
                case capture.CONTAINER:
                    self.containers.delete(resource_id, inputs)
                case capture.NETWORK:
                    self.client.api.remove_network(resource_id)
                case capture.VOLUME:
                    self.client.api.remove_volume(resource_id)

    def _network(self, inputs: Mapping[str, Any]) -> Made:
        with Fields(inputs, f"network {inputs.get('name')}") as fields:
            name, labels = fields.require("name"), fields.labels()
            driver, internal = fields.take("driver", "bridge"), fields.take("internal", False)
            options = fields.take("options")
        try:
            network = self.client.networks.create(
                name,
                driver=driver,
                internal=internal,
                options=options,
                check_duplicate=True,
                labels=labelled("", labels),
            )
        except docker.errors.APIError as refused:
            raise CreationFailed(f"network {name}: {refused.explanation or refused}") from None
        return str(network.id), {"driver": driver, "scope": "local"}

    def _volume(self, inputs: Mapping[str, Any]) -> Made:
        with Fields(inputs, f"volume {inputs.get('name')}") as fields:
            name, labels = fields.require("name"), fields.labels()
            driver, options = fields.take("driver", "local"), fields.take("driverOpts")
        try:
            volume = self.client.volumes.create(name, driver=driver, driver_opts=options, labels=labelled("", labels))
        except docker.errors.APIError as refused:
            raise CreationFailed(f"volume {name}: {refused.explanation or refused}") from None
        return name, {"driver": driver, "mountpoint": volume.attrs["Mountpoint"]}

    def _image(self, inputs: Mapping[str, Any]) -> Made:
        with Fields(inputs, f"image {inputs.get('name')}") as fields:
            name = fields.require("name")
            fields.take("keepLocally")
            fields.take("pullTriggers")
        try:
            image = self.client.images.get(name)
        except docker.errors.ImageNotFound:
            image = self._pull(name)
        digests = image.attrs.get("RepoDigests") or [""]
        return f"{image.id}{name}", {"imageId": image.id, "repoDigest": digests[0]}

    def _pull(self, name: str) -> Any:
        try:
            return self.client.images.pull(name)
        except docker.errors.DockerException as refused:
            raise CreationFailed(f"image {name} is not on the engine and cannot be pulled: {refused}") from None
