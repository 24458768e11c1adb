"""Which image each part runs: as its makers publish it, or out of the set built from packages on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from images.errors import ImagesError
from images.recipes import reference
from infra.components.files import PROJECT
from infra.faults import refuse
from infra.versions import UPSTREAM


@dataclass(frozen=True, kw_only=True)
class Images:
    """One reference a part; None where the set has none."""

    kafka: pulumi.Input[str]
    connect: pulumi.Input[str]
    mysql: pulumi.Input[str]
    clickhouse: pulumi.Input[str]
    prometheus: pulumi.Input[str]
    millrace: pulumi.Input[str]
    grafana: pulumi.Input[str] | None = None
    kafka_ui: pulumi.Input[str] | None = None


def upstream() -> Images:
    """Published images, and three built here on top of them."""
    found = {name: _present(name, wanted) for name, wanted in UPSTREAM.items() if name != "grafana"}
    return Images(
        kafka=found["kafka"],
        connect=_built("connect", "millrace-connect"),
        mysql=found["mysql"],
        clickhouse=found["clickhouse"],
        prometheus=found["prometheus"],
        millrace=_built("millrace", "millrace"),
        grafana=_built("grafana", "millrace-grafana"),
        kafka_ui=found["kafka-ui"],
    )


def local_references(plugins: Path | None) -> Mapping[str, str]:
    """Name to reference of the local set. A tag is the digest of all an image is made of: a stale one is missing."""
    names = ("kafka", "mysql", "clickhouse", "prometheus", "millrace")
    try:
        found = {name: reference(name) for name in names}
        return {**found, "connect": reference("connect", plugins) if plugins else found["kafka"]}
    except ImagesError as incomplete:
        raise refuse("images", "is local, but an image cannot be named", str(incomplete)) from None


def local(plugins: Path | None) -> Images:
    """The set that `make images` builds; it has neither Grafana nor Kafka UI."""
    references = local_references(plugins)
    found = {name: _present(name, wanted) for name, wanted in references.items() if name != "connect" or plugins}
    return Images(
        kafka=found["kafka"],
        connect=found.get("connect", found["kafka"]),
        mysql=found["mysql"],
        clickhouse=found["clickhouse"],
        prometheus=found["prometheus"],
        millrace=found["millrace"],
    )


def _present(name: str, wanted: str) -> pulumi.Output[str]:
    """An image the engine has, or fetches. It stays when the stack goes: others may use it."""
    return docker.RemoteImage(f"{name}-image", name=wanted, keep_locally=True).name


def _built(name: str, tag: str) -> pulumi.Output[str]:
    """An image built by BuildKit. Containers get its digest: by its name they would not notice that it changed."""
    image = docker.Image(
        f"{name}-image",
        image_name=f"{tag}:local",
        build=docker.DockerBuildArgs(
            context=str(PROJECT),
            dockerfile=str(PROJECT / "images" / name / "Dockerfile"),
            builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT,
        ),
        skip_push=True,
    )
    return image.repo_digest
