"""The table of faults that docs/failures.md has, as this run measured it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest


@dataclass
class Measured:
    """Seconds by fault and sink, from the fault's end (of a bad row: from its arrival) until every row was there."""

    seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """A fault a line."""
        faults = list(dict.fromkeys(fault for fault, _ in self.seconds))
        return [
            f"{fault:42}" + "".join(f"{sink} {self.seconds[fault, sink]:5.1f} s   " for sink in ("connect", "python")
            if (fault, sink) in self.seconds)
            for fault in faults
        ]  # fmt: skip


MEASURED = pytest.StashKey[Measured]()
