"""Every input of every docker resource is one that these tests know: a new one has to be thought about first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.stack import capture
from tests.support.stack.capture import Program

LABELS = {"labels.label", "labels.value"}
KNOWN: Mapping[str, set[str]] = {
    capture.NETWORK: {"name", "driver", "labels", *LABELS},
    capture.VOLUME: {"name", "labels", *LABELS},
    capture.REMOTE_IMAGE: {"name", "keepLocally"},
    capture.BUILT_IMAGE: {
        "imageName", "skipPush", "buildOnPreview",
        "build", "build.context", "build.dockerfile", "build.builderVersion",
    },
    capture.CONTAINER: {
        "name", "hostname", "image", "command", "envs", "user",
        "networksAdvanced", "networksAdvanced.name", "networksAdvanced.aliases",
        "ports", "ports.internal", "ports.external", "ports.ip", "ports.protocol",
        "volumes", "volumes.volumeName", "volumes.containerPath",
        "uploads", "uploads.file", "uploads.content",
        "healthcheck", "healthcheck.tests", "healthcheck.interval", "healthcheck.timeout",
        "healthcheck.retries", "healthcheck.startPeriod",
        "wait", "waitTimeout", "restart", "attach", "logs", "mustRun", "init", "destroyGraceSeconds",
        "memory", "memorySwap", "readOnly", "tmpfs", "capabilities", "capabilities.drops", "securityOpts",
        "ulimits", "ulimits.name", "ulimits.soft", "ulimits.hard", "logDriver", "logOpts",
        *LABELS, "labels",
    },
    capture.PASSWORD: {"length", "special", "minLower", "minUpper", "minNumeric"},
    capture.RANDOM_ID: {"byteLength"},
}  # fmt: skip
# Mappings whose keys are ours, not the provider's.
FREE = {"tmpfs", "logOpts"}


def unknown(program: Program) -> dict[str, list[str]]:
    """Inputs that are not in KNOWN, by resource; components have none but what they hand out."""
    found = {}
    for resource in program.resources.values():
        if resource.type.startswith("millrace:"):
            continue
        extra = sorted(_keys(resource.inputs) - KNOWN.get(resource.type, set()))
        if extra:
            found[f"{resource.type} {resource.name}"] = extra
    return found


def _keys(inputs: Mapping[str, Any]) -> set[str]:
    keys = set(inputs)
    for key, value in inputs.items():
        for nested in value if isinstance(value, list) else [value]:
            if isinstance(nested, dict) and key not in FREE:
                keys |= {f"{key}.{inner}" for inner in nested}
    return keys


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_no_input_is_new(variant: Variant) -> None:
    assert unknown(captured(variant)) == {}


def test_every_known_input_is_in_use() -> None:
    used: dict[str, set[str]] = {}
    for variant in VARIANTS:
        for resource in captured(variant).resources.values():
            used.setdefault(resource.type, set()).update(_keys(resource.inputs))
    assert {type_: known - used.get(type_, set()) for type_, known in KNOWN.items()} == {
        type_: set() for type_ in KNOWN
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [("privileged", True), ("cpuShares", 512), ("healthcheck", {"startInterval": "1s"}), ("ports", [{"hostIp": "::"}])],
)
def test_a_new_input_fails(key: str, value: object) -> None:
    program = captured(DEFAULT)
    sound = program.containers["mysql"]
    changed = capture.Resource(
        sound.type, "changed", "urn", {**sound.inputs, key: value}, sound.depends_on, sound.parent, sound.wire
    )
    assert unknown(Program(resources={"urn": changed})) != {}
