"""What a job did, thing by thing, and why it could not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal[
    "created", "altered", "unchanged", "started", "stopped", "removed", "absent", "checked", "not checked"
]


class ProvisionError(Exception):
    """The job cannot be done; the message is one line that says what to do. ``code``: the process's exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


@dataclass(frozen=True, slots=True)
class Done:
    """One thing and what became of it; ``detail`` says more where there is more to say."""

    what: str
    outcome: Outcome
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.outcome}{f' ({self.detail})' if self.detail else ''}"


Tell = Callable[[Done], None]
