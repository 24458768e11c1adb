"""Run after run, only what differs is touched, and data never is."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.stack.capture import CONTAINER, NETWORK, VOLUME
from tests.support.stack.containers import Cancelled
from tests.support.stack.deployment import Changes, Deployment, Registration


class FakeContainers:
    """Remembers what was changed in place."""

    def __init__(self) -> None:
        self.changed: list[tuple[str, Mapping[str, Any]]] = []

    def change(self, container_id: str, inputs: Mapping[str, Any]) -> None:
        self.changed.append((container_id, inputs))


class FakeProvider:
    """Numbers what it makes and remembers what it deletes."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.containers = FakeContainers()
        self.calls: list[str] = []
        self.gone: set[str] = set()
        self.broken: set[str] = set()

    def create(self, kind: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        if name in self.broken:
            raise RuntimeError(name)
        self.calls.append(f"+{name}")
        return f"{name}#{len(self.calls)}", {"made": len(self.calls)}

    def is_gone(self, kind: str, resource_id: str, inputs: Mapping[str, Any]) -> bool:
        return resource_id.partition("#")[0] in self.gone

    def delete(self, kind: str, resource_id: str, inputs: Mapping[str, Any]) -> None:
        self.calls.append(f"-{resource_id.partition('#')[0]}")


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def deployment(provider: FakeProvider) -> Deployment:
    return Deployment(provider)  # type: ignore[arg-type]  # stands in for it


def asked(name: str, kind: str = CONTAINER, needs: tuple[str, ...] = (), **inputs: Any) -> Registration:
    options = {key: inputs.pop(key) for key in ("retain", "protect", "replace_on_changes") if key in inputs}
    return Registration(
        urn=f"urn:{name}",
        kind=kind,
        name=name,
        inputs={"name": name, **inputs},
        property_sources=frozenset(f"urn:{one}" for one in needs),
        **options,
    )


def run(deployment: Deployment, *registrations: Registration, refresh: bool = False) -> Changes:
    deployment.begin(refresh)
    for one in registrations:
        deployment.register(one)
    return deployment.finish()


def test_the_second_run_changes_nothing_and_hands_out_what_the_first_made(
    deployment: Deployment, provider: FakeProvider
) -> None:
    wanted = [asked("net", NETWORK), asked("api", envs=["A=1"])]
    assert run(deployment, *wanted).created == {"Network net", "Container api"}
    first = deployment.find(CONTAINER, "api")
    again = run(deployment, *wanted)
    assert again.nothing
    assert again.unchanged == {"Network net", "Container api"}
    assert provider.calls == ["+net", "+api"]
    deployment.begin(refresh=False)
    assert deployment.register(wanted[1]) == (first.id, first.outputs)
    assert first.outputs["made"] == 2


def test_a_changed_container_is_deleted_before_its_successor_is_made(
    deployment: Deployment, provider: FakeProvider
) -> None:
    run(deployment, asked("api", envs=["A=1"]), asked("relay"))
    changes = run(deployment, asked("api", envs=["A=2"]), asked("relay"))
    assert (changes.replaced, changes.unchanged) == ({"Container api"}, {"Container relay"})
    assert not changes.created | changes.deleted | changes.updated
    assert provider.calls == ["+api", "+relay", "-api", "+api"]


def test_limits_and_restart_policy_change_in_place(deployment: Deployment, provider: FakeProvider) -> None:
    run(deployment, asked("api", memory=128, memorySwap=128))
    changes = run(deployment, asked("api", memory=256, memorySwap=256))
    assert changes.updated == {"Container api"}
    assert provider.calls == ["+api"]
    ((_, inputs),) = provider.containers.changed
    assert inputs["memory"] == 256
    assert run(deployment, asked("api", memory=256, memorySwap=256)).nothing


def test_what_only_the_provider_knows_changes_nothing_on_the_engine(
    deployment: Deployment, provider: FakeProvider
) -> None:
    run(deployment, asked("api", waitTimeout=60))
    assert run(deployment, asked("api", waitTimeout=90)).updated == {"Container api"}
    assert (provider.calls, provider.containers.changed) == (["+api"], [])


def test_a_changed_health_check_is_lost_in_silence_unless_the_program_asks_for_a_replacement(
    deployment: Deployment, provider: FakeProvider
) -> None:
    run(deployment, asked("api", healthcheck={"interval": "1s"}))
    assert run(deployment, asked("api", healthcheck={"interval": "2s"})).updated == {"Container api"}
    assert provider.calls == ["+api"], "the provider's own trap"
    careful = asked("api", healthcheck={"interval": "3s"}, replace_on_changes=frozenset({"healthcheck"}))
    assert run(deployment, careful).replaced == {"Container api"}


def test_what_is_asked_for_no_more_is_deleted_last_made_first(deployment: Deployment, provider: FakeProvider) -> None:
    run(deployment, asked("net", NETWORK), asked("a", needs=("net",)), asked("b", needs=("net",)), asked("c"))
    changes = run(deployment, asked("c"))
    assert changes.deleted == {"Network net", "Container a", "Container b"}
    assert provider.calls[-3:] == ["-b", "-a", "-net"]


def test_retained_volumes_are_never_deleted(deployment: Deployment, provider: FakeProvider) -> None:
    kept = asked("data", VOLUME, retain=True)
    run(deployment, kept, asked("other", VOLUME))
    run(deployment, asked("data", VOLUME, retain=True, labels=["new"]), asked("other", VOLUME))
    run(deployment)
    deployment.destroy()
    assert "-data" not in provider.calls
    assert "-other" in provider.calls


def test_a_replaced_network_takes_what_is_on_it_along(deployment: Deployment, provider: FakeProvider) -> None:
    first = [asked("net", NETWORK), asked("a", needs=("net",)), asked("b", needs=("a",)), asked("c")]
    run(deployment, *first)
    changes = run(deployment, asked("net", NETWORK, internal=True), *first[1:])
    assert changes.replaced == {"Network net", "Container a", "Container b"}
    assert changes.unchanged == {"Container c"}
    assert provider.calls[4:] == ["-b", "-a", "-net", "+net", "+a", "+b"]


def test_a_refresh_finds_what_was_removed_by_hand(deployment: Deployment, provider: FakeProvider) -> None:
    run(deployment, asked("api"), asked("relay"))
    provider.gone = {"relay"}
    assert run(deployment, asked("api"), asked("relay")).nothing, "without a refresh nobody looks"
    changes = run(deployment, asked("api"), asked("relay"), refresh=True)
    assert (changes.created, changes.unchanged) == ({"Container relay"}, {"Container api"})


def test_after_a_failure_the_next_run_makes_the_rest_and_deletes_nothing_it_had_not_come_to(
    deployment: Deployment, provider: FakeProvider
) -> None:
    run(deployment, asked("api"), asked("relay"))
    provider.broken = {"new"}
    deployment.begin(refresh=False)
    deployment.register(asked("api"))
    with pytest.raises(RuntimeError, match="new"):
        deployment.register(asked("new"))
    assert "-relay" not in provider.calls
    provider.broken = set()
    changes = run(deployment, asked("api"), asked("new"), asked("relay"))
    assert (changes.created, changes.unchanged) == ({"Container new"}, {"Container api", "Container relay"})


def test_nothing_more_is_made_once_something_failed(deployment: Deployment, provider: FakeProvider) -> None:
    deployment.begin(refresh=False)
    provider.cancelled.set()
    with pytest.raises(Cancelled):
        deployment.register(asked("api"))
    assert provider.calls == []


def test_what_is_not_there_cannot_be_found(deployment: Deployment) -> None:
    with pytest.raises(LookupError, match="no Container api"):
        deployment.find(CONTAINER, "api")


def test_what_is_protected_outlives_a_destroy(deployment: Deployment, provider: FakeProvider) -> None:
    run(deployment, asked("password", "random:index/randomPassword:RandomPassword", protect=True), asked("server"))
    made = deployment.find("random:index/randomPassword:RandomPassword", "password")
    deployment.destroy()
    assert deployment.find("random:index/randomPassword:RandomPassword", "password") == made
    assert not deployment.every(CONTAINER)
