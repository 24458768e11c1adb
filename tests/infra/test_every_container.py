"""Every promise holds for every container of every variant, and each of them can be broken."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.promises import PROMISES
from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.stack.capture import Resource


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_every_container_keeps(promise: str, variant: Variant) -> None:
    containers = captured(variant).containers
    assert len(containers) >= 12
    broken = {one.name: why for one in containers.values() if (why := PROMISES[promise](one))}
    assert broken == {}


Break = Callable[[dict[str, Any]], object]
SERVER, JOB = "mysql", "topics-job"


def _set(key: str, value: object) -> Break:
    return lambda inputs: inputs.update({key: value})


def _drop(key: str) -> Break:
    return lambda inputs: inputs.pop(key)


def _health(key: str, value: object) -> Break:
    return lambda inputs: inputs["healthcheck"].update({key: value})


def _port(key: str, value: object) -> Break:
    return lambda inputs: inputs["ports"][0].update({key: value})


# Promise, container, what is done to its inputs. The ways in which each can be lost without anybody noticing.
BREAKS: list[tuple[str, str, str, Break]] = [
    ("health", SERVER, "no health check", _drop("healthcheck")),
    ("health", SERVER, "a check that is turned off", _health("tests", ["NONE"])),
    ("health", SERVER, "no interval", _health("interval", "0s")),
    ("health", SERVER, "no retries", _health("retries", 0)),
    ("waited_for", SERVER, "no wait", _drop("wait")),
    ("waited_for", SERVER, "the provider's short timeout", _set("waitTimeout", 10)),
    ("waited_for", JOB, "not attached", _drop("attach")),
    ("waited_for", JOB, "must run", _set("mustRun", True)),
    ("memory", SERVER, "no limit", _drop("memory")),
    ("memory", SERVER, "swap", _set("memorySwap", 4096)),
    ("memory", SERVER, "no limit of swap", _drop("memorySwap")),
    ("restart", SERVER, "no restart", _set("restart", "no")),
    ("restart", JOB, "a job for ever", _set("restart", "unless-stopped")),
    ("logs_rotate", SERVER, "no options", _drop("logOpts")),
    ("logs_rotate", SERVER, "one file of any size", _set("logOpts", {"max-file": "1"})),
    ("logs_rotate", SERVER, "the engine's driver", _drop("logDriver")),
    ("init", SERVER, "no init", _drop("init")),
    ("grace", SERVER, "no grace", _drop("destroyGraceSeconds")),
    ("loopback", SERVER, "everywhere", _port("ip", "0.0.0.0")),  # noqa: S104
    ("loopback", SERVER, "the provider's default", lambda inputs: inputs["ports"][0].pop("ip")),
    ("loopback", SERVER, "a port that Docker chooses", lambda inputs: inputs["ports"][0].pop("external")),
    ("loopback", SERVER, "twice", lambda inputs: inputs["ports"].append(inputs["ports"][0])),
    ("own_networks", SERVER, "no alias", lambda inputs: inputs["networksAdvanced"][0].update(aliases=[])),
    ("own_networks", SERVER, "no alias on one of them", lambda inputs: inputs["networksAdvanced"][-1].pop("aliases")),
    ("own_networks", SERVER, "no network", _drop("networksAdvanced")),
    ("own_networks", SERVER, "the host's network", _set("networkMode", "host")),
    ("own_networks", SERVER, "another host name", _set("hostname", "other")),
    ("labels", SERVER, "no labels", _drop("labels")),
    ("labels", SERVER, "another role", lambda inputs: inputs["labels"][0].update(value="other")),
    ("privileges", SERVER, "capabilities", _drop("capabilities")),
    ("privileges", SERVER, "privileged", _set("privileged", True)),
    ("privileges", SERVER, "new privileges", _drop("securityOpts")),
    ("not_root", SERVER, "no user", _drop("user")),
    ("not_root", SERVER, "root by number", _set("user", "0:0")),
    ("read_only_root", JOB, "a root that can be written", _set("readOnly", False)),
    ("open_files", SERVER, "no limit", _drop("ulimits")),
    ("pinned", SERVER, "latest", _set("image", "mysql:latest")),
    ("pinned", SERVER, "no tag", _set("image", "localhost:5000/mysql")),
    ("canonical", SERVER, "seconds beyond a minute", _health("interval", "90s")),
    ("canonical", SERVER, "a minute without seconds", _health("startPeriod", "1m")),
    ("canonical", SERVER, "half a second as a fraction", _health("timeout", "0.5s")),
    ("canonical", SERVER, "a start interval", _health("startInterval", "1s")),
    ("canonical", SERVER, "short capabilities", _set("capabilities", {"drops": ["ALL"], "adds": ["CHOWN"]})),
    ("canonical", SERVER, "whole cpus", _set("cpus", "1")),
    ("canonical", SERVER, "a slash", _set("workingDir", "/srv/")),
    ("canonical", SERVER, "a platform", _set("platform", "linux/amd64")),
    ("canonical", SERVER, "another order", lambda inputs: inputs["envs"].reverse()),
    ("canonical", SERVER, "another order of networks", lambda inputs: inputs["networksAdvanced"].reverse()),
    ("canonical", SERVER, "an empty upload", _set("uploads", [{"file": "/x", "content": ""}])),
]


@pytest.mark.parametrize(
    ("promise", "container", "what", "damage"), BREAKS, ids=[f"{one[0]}-{one[1]}-{one[2]}" for one in BREAKS]
)
def test_a_broken_promise_is_seen(promise: str, container: str, what: str, damage: Break) -> None:
    sound = captured(DEFAULT).containers[container]
    assert PROMISES[promise](sound) is None
    inputs: dict[str, Any] = copy.deepcopy(dict(sound.inputs))
    damage(inputs)
    assert PROMISES[promise](dataclasses.replace(sound, inputs=inputs)) is not None, what


class Wire:
    """A registration's options, one of them changed."""

    def __init__(self, resource: Resource, **changed: object) -> None:
        self._wire, self._changed = resource.wire, changed

    def __getattr__(self, option: str) -> object:
        return self._changed[option] if option in self._changed else getattr(self._wire, option)


WIRE_BREAKS = [
    ("replaced_when_it_must", SERVER, {"replaceOnChanges": []}),
    ("replaced_when_it_must", SERVER, {"replaceOnChanges": ["healthcheck", "init"]}),
    ("replaced_when_it_must", SERVER, {"deleteBeforeReplace": False}),
    ("replaced_when_it_must", SERVER, {"deletedWith": "urn"}),
    ("logs_of_jobs_are_secret", JOB, {"additionalSecretOutputs": []}),
]


@pytest.mark.parametrize(("promise", "container", "changed"), WIRE_BREAKS)
def test_a_broken_option_is_seen(promise: str, container: str, changed: dict[str, object]) -> None:
    sound = captured(DEFAULT).containers[container]
    assert PROMISES[promise](dataclasses.replace(sound, wire=Wire(sound, **changed))) is not None


def test_every_promise_is_shown_to_break() -> None:
    assert {one[0] for one in BREAKS} | {one[0] for one in WIRE_BREAKS} == set(PROMISES)
