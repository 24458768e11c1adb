"""What a check is, and running several at once so that none can hang."""

import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.doctor.findings import Finding, Section, unknown


class CannotLook(Exception):
    """The check cannot tell; the message is one line that says why."""


class Check(Protocol):
    """One concern of an installation's health. ``seconds`` is how long a look may take before it is given up."""

    @property
    def name(self) -> str:
        """As the report calls it, in a word or two."""

    @property
    def seconds(self) -> float:
        """The deadline of a look."""

    def look(self) -> Iterable[Finding]:
        """What is the matter now; changes nothing, unless it says so. Raises CannotLook."""


class Probing(Check, Protocol):
    """A check that changes something, and makes sense only where others found all well."""

    @property
    def needs(self) -> Collection[str]:
        """The names of those checks."""


@dataclass
class _Look:
    check: Check
    findings: tuple[Finding, ...] = ()
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            self.findings = tuple(self.check.look())
        except CannotLook as why:
            self.findings = (unknown(self.check.name, str(why)),)
        except Exception as fault:  # a fault of one check must not hide what the others found
            self.findings = (unknown(self.check.name, f"{type(fault).__name__}: {one_line(fault)}"),)
        self.done.set()

    def section(self) -> Section:
        if not self.done.is_set():
            return Section(
                self.check.name, (unknown(self.check.name, f"gave no answer within {self.check.seconds:g} s"),)
            )
        return Section(self.check.name, self.findings)


def look_at(checks: Sequence[Check]) -> list[Section]:
    """Runs the checks side by side; each gets its own time, and one that takes longer is left behind as unknown."""
    looks = [_Look(check) for check in checks]
    began = time.monotonic()
    for look in looks:
        threading.Thread(target=look.run, name=f"check {look.check.name}", daemon=True).start()
    for look in looks:
        look.done.wait(max(0.0, began + look.check.seconds - time.monotonic()))
    return [look.section() for look in looks]


def one_line(fault: object, longest: int = 200) -> str:
    """An error's text without line breaks, cut to a readable length."""
    text = " ".join(str(fault).split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
