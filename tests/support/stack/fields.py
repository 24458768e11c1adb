"""Inputs of a resource, of which every single key has to be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any


class UnknownInput(Exception):
    """The program gives a resource an input that this harness would leave out: teach it, do not skip it."""


class Fields:
    """A mapping of inputs used in a with block, at whose end every key must have been taken.

    A test that silently skipped an input would pass with a stack that nobody ships.
    """

    def __init__(self, inputs: Mapping[str, Any], where: str) -> None:
        """`where` names the resource (and the nested input) in the error."""
        self._inputs, self._where = inputs, where
        self._taken: set[str] = set()

    def __enter__(self) -> Fields:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unknown = sorted(set(self._inputs) - self._taken)
        if kind is None and unknown:
            raise UnknownInput(f"{self._where}: tests/support/stack does not know the input {', '.join(unknown)}")

    def take(self, key: str, default: Any = None) -> Any:
        """The value of an input, or the provider's default when the program does not give it."""
        self._taken.add(key)
        value = self._inputs.get(key)
        return default if value is None else value

    def require(self, key: str) -> Any:
        """The value of an input that the provider insists on; UnknownInput when it is not there."""
        value = self.take(key)
        if value is None:
            raise UnknownInput(f"{self._where}: the provider requires {key}")
        return value

    def each(self, key: str) -> list[Fields]:
        """The entries of a list of objects, each to be used in a with block."""
        entries: list[Mapping[str, Any]] = self.take(key, [])
        return [Fields(entry, f"{self._where}.{key}[{index}]") for index, entry in enumerate(entries)]

    def labels(self) -> dict[str, str]:
        """The provider's list of label and value as the engine's mapping."""
        found = {}
        for entry in self.each("labels"):
            with entry:
                found[entry.require("label")] = entry.require("value")
        return found
