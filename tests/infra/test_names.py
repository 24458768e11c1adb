"""Names that the original's users know, and everything of a stack found again by its label."""

from __future__ import annotations

import pytest

from infra.config import Config
from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.stack import capture

ORIGINAL = {
    "mysql", "clickhouse", "kafka-local1", "kafka-local2", "kafka-local3", "kafka-connect", "grafana", "kafka-ui"
}  # fmt: skip


def test_the_original_container_names() -> None:
    assert {one.physical for one in captured(DEFAULT).containers.values()} >= ORIGINAL


@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[-1]], ids=name)
def test_a_prefix_goes_before_everything_but_the_plain_names_inside(variant: Variant) -> None:
    program = captured(variant, prefix="x-")
    for container in program.containers.values():
        assert container.physical == f"x-{container.name}"
        assert container.inputs["networksAdvanced"] == [{"name": "x-millrace", "aliases": [container.name]}]
    assert {one.physical for one in program.of(capture.NETWORK).values()} == {"x-millrace"}
    assert all(one.physical.startswith("x-millrace-") for one in program.of(capture.VOLUME).values())
    # Another container's name in what a container is made of would replace one for the other.
    for container in program.containers.values():
        text = str([container.inputs.get(key) for key in ("command", "envs", "uploads", "healthcheck")])
        assert not [other for other in program.containers if f"x-{other}" in text], container.name


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_volumes(variant: Variant) -> None:
    given = dict(variant)
    expected = {"mysql", "clickhouse", "prometheus"} | {f"kafka{node + 1}" for node in range(int(given["kafkaNodes"]))}
    expected |= {"grafana"} if given["images"] == "upstream" else set()
    program = captured(variant)
    volumes = {one.physical: one for one in program.of(capture.VOLUME).values()}
    assert set(volumes) == {f"millrace-{part}" for part in expected}
    assert all(one.wire.retainOnDelete for one in volumes.values()), "`pulumi destroy` must not remove data"
    mounted = [one["volumeName"] for c in program.containers.values() for one in c.inputs.get("volumes", [])]
    assert sorted(mounted) == sorted(volumes), "each volume belongs to one container"


@pytest.mark.parametrize(("prefix", "stack"), [("", "millrace"), ("x-", "x-")])
def test_everything_carries_the_label_of_its_stack(prefix: str, stack: str) -> None:
    program = captured(DEFAULT, prefix=prefix)
    for resource in program.resources.values():
        if resource.type in (capture.CONTAINER, capture.NETWORK, capture.VOLUME):
            labels = {one["label"]: one["value"] for one in resource.inputs["labels"]}
            assert labels["dev.millrace.stack"] == stack, resource.name


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_the_configuration_knows_what_the_program_will_make(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The preflight looks for these names and ports before the program makes them."""
    seen: list[Config] = []
    monkeypatch.setattr("infra.preflight.check", seen.append)
    captured.__globals__["_captured"].cache_clear()
    program = captured(variant, preflight="true")
    (config,) = seen
    assert sorted(config.roles) == sorted(program.containers)
    published = [port["external"] for one in program.containers.values() for port in one.inputs.get("ports", [])]
    assert sorted(config.published_ports.values()) == sorted(published)
    limits = [one.inputs["memory"] for one in program.containers.values() if not one.name.endswith("-job")]
    assert config.memory_limits == sum(limits) + config.memory["jobs"]


def test_aliases_are_unique() -> None:
    program = captured(DEFAULT, sink="python")
    aliases = [alias for one in program.containers.values() for alias in one.inputs["networksAdvanced"][0]["aliases"]]
    assert len(set(aliases)) == len(aliases) == len(program.containers)
