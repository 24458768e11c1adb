"""What Pulumi's engine does with the resources a program registers: compare with the state, create what differs.

Kept as small as the questions the tests ask: same, changed, replaced (the old one deleted first, which is what a
fixed name makes Pulumi do), new, gone. Gone and replaced resources that are retained stay on the engine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.stack.capture import CONTAINER, NETWORK, VOLUME
from tests.support.stack.containers import BOOKKEEPING, IN_PLACE, SILENT, Cancelled
from tests.support.stack.provider import Provider


@dataclass(frozen=True)
class Registration:
    """A resource as the program asks for it. `property_sources`: the URNs its inputs come from."""

    urn: str
    kind: str
    name: str
    inputs: Mapping[str, Any]
    retain: bool = False
    protect: bool = False
    replace_on_changes: frozenset[str] = frozenset()
    property_sources: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """How tests name it: its kind and logical name, for example "Container relay"."""
        return f"{self.kind.rpartition(':')[2]} {self.name}"


@dataclass(frozen=True)
class Existing:
    """A resource that was made: the registration it came from, its id and all outputs."""

    asked: Registration
    id: str
    outputs: Mapping[str, Any]


@dataclass
class Changes:
    """What a run did, by the resources' labels."""

    created: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)

    @property
    def nothing(self) -> bool:
        """Whether everything was as the program wants it."""
        return not (self.created or self.replaced or self.updated or self.deleted)


class Deployment:
    """The state of one stack, in the order in which its resources were made."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._state: dict[str, Existing] = {}
        self._lock = threading.Lock()
        self._changes, self._seen, self._forced = Changes(), set[str](), set[str]()
        self.failure: Exception | None = None

    def begin(self, refresh: bool) -> None:
        """A new run; with `refresh` the state forgets what is gone from the engine."""
        self._changes, self._seen, self._forced, self.failure = Changes(), set(), set(), None
        self._provider.cancelled.clear()
        if refresh:
            for urn, one in list(self._state.items()):
                if self._provider.is_gone(one.asked.kind, one.id, one.asked.inputs):
                    del self._state[urn]

    def register(self, asked: Registration) -> tuple[str, dict[str, Any]]:
        """Makes it so, and returns id and outputs. Called from several threads; everything it needs exists."""
        try:
            return self._register(asked)
        except Cancelled:
            raise
        except Exception as failed:
            self.failure = self.failure or failed
            raise

    def _register(self, asked: Registration) -> tuple[str, dict[str, Any]]:
        if self._provider.cancelled.is_set():
            raise Cancelled(asked.name)
        with self._lock:
            self._seen.add(asked.urn)
            old = self._state.get(asked.urn)
        if old is not None and _differences(old.asked.inputs, asked.inputs):
            old = self._change(old, asked)
        elif old is not None:
            self._changes.unchanged.add(asked.label)
            self._keep(replace(old, asked=asked))
        if old is None:
            old = self._create(asked)
        return old.id, dict(old.outputs)

    def _change(self, old: Existing, asked: Registration) -> Existing | None:
        """Changes in place what can be; else deletes the old one and returns None."""
        changed = _differences(old.asked.inputs, asked.inputs)
        harmless = IN_PLACE | BOOKKEEPING | (SILENT - asked.replace_on_changes)
        if asked.kind == CONTAINER and changed <= harmless:
            if changed & IN_PLACE:
                self._provider.containers.change(old.id, asked.inputs)
            self._changes.updated.add(asked.label)
            return self._keep(Existing(asked, old.id, {**old.outputs, **asked.inputs}))
        if asked.kind in (CONTAINER, NETWORK, VOLUME):
            self._delete(self._dependents(asked.urn))
        self._delete([old])
        return None

    def _create(self, asked: Registration) -> Existing:
        made_id, outputs = self._provider.create(asked.kind, asked.name, asked.inputs)
        target = self._changes.replaced if asked.urn in self._forced else self._changes.created
        target.add(asked.label)
        return self._keep(Existing(asked, made_id, {**asked.inputs, **outputs}))

    def _keep(self, one: Existing) -> Existing:
        with self._lock:
            self._state.pop(one.asked.urn, None)
            self._state[one.asked.urn] = one
        return one

    def _dependents(self, urn: str) -> list[Existing]:
        """What was made from a resource's outputs: it goes before the resource that is replaced."""
        found: list[Existing] = []
        wanted = {urn}
        with self._lock:
            known = list(self._state.values())
        for one in known:
            if one.asked.property_sources & wanted:
                wanted.add(one.asked.urn)
                found.append(one)
        return found

    def _delete(self, ones: Iterable[Existing]) -> None:
        for one in reversed(list(ones)):
            self._forced.add(one.asked.urn)
            with self._lock:
                self._state.pop(one.asked.urn, None)
            if not one.asked.retain:
                self._provider.delete(one.asked.kind, one.id, one.asked.inputs)

    def finish(self) -> Changes:
        """Deletes what the program did not ask for any more, last made first, and says what the run did."""
        gone = [one for urn, one in self._state.items() if urn not in self._seen]
        self._delete(gone)
        self._changes.deleted |= {one.asked.label for one in gone}
        return self._changes

    def destroy(self) -> None:
        """Deletes everything but what is protected, as `make down` does; what is retained stays on the engine."""
        self._delete([one for one in self._state.values() if not one.asked.protect])

    def find(self, kind: str, name: str) -> Existing:
        """A resource by type and logical name. Raises LookupError."""
        for one in self._state.values():
            if one.asked.kind == kind and one.asked.name == name:
                return one
        raise LookupError(f"the stack has no {kind.rpartition(':')[2]} {name}")

    def every(self, kind: str) -> list[Existing]:
        """All resources of a type."""
        return [one for one in self._state.values() if one.asked.kind == kind]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    return {key for key in {*old, *new} if old.get(key) != new.get(key)}
