"""What a check found, and all of it together for people (render) and programs (``to_json``)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

EXIT_HEALTHY, EXIT_FAILING, EXIT_UNKNOWN = 0, 1, 2


class State(StrEnum):
    """What is the matter with a subject."""

    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"
    LEFT_OUT = "left out"
    """Nothing to look at in this installation; no fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. ``detail`` is what was found, or why nothing was; ``remedy`` is what to do about a failing one."""

    subject: str
    state: State
    detail: str
    remedy: str = ""


def ok(subject: str, detail: str) -> Finding:
    """All is well."""
    return Finding(subject, State.OK, detail)


def failing(subject: str, detail: str, remedy: str) -> Finding:
    """Something is wrong, and ``remedy`` says in one line what to do."""
    return Finding(subject, State.FAILING, detail, remedy)


def unknown(subject: str, why: str) -> Finding:
    """It could not be told."""
    return Finding(subject, State.UNKNOWN, why)


def left_out(subject: str, why: str) -> Finding:
    """There is no such thing here."""
    return Finding(subject, State.LEFT_OUT, why)


@dataclass(frozen=True)
class Section:
    """What one check found."""

    name: str
    findings: tuple[Finding, ...]


@dataclass
class Report:
    """One examination. ``examined`` names the installation; ``seconds`` is how long it took, waiting included."""

    examined: str
    sections: list[Section] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def state(self) -> State:
        """The worst of all findings: failing before unknown before ok."""
        states = {finding.state for finding in self.findings()}
        return next((state for state in (State.FAILING, State.UNKNOWN) if state in states), State.OK)

    @property
    def exit_code(self) -> int:
        """0: all is well; 1: something is failing; 2: nothing is known to fail, but not all could be told."""
        return {State.OK: EXIT_HEALTHY, State.FAILING: EXIT_FAILING}.get(self.state, EXIT_UNKNOWN)

    def findings(self) -> Iterable[Finding]:
        """Of all sections, in order."""
        return (finding for section in self.sections for finding in section.findings)

    def to_json(self) -> str:
        """One object; fields may be added, never renamed or dropped.

        ``state`` ok | failing | unknown, ``exit_code``, ``examined``, ``seconds``, ``findings``: a list of {check,
        subject, state, detail, remedy}, where the state may also be "left out" and the remedy is "" unless failing.
        """
        told: dict[str, Any] = {
            "state": self.state.value,
            "exit_code": self.exit_code,
            "examined": self.examined,
            "seconds": round(self.seconds, 3),
            "findings": [
                {
                    "check": section.name,
                    "subject": finding.subject,
                    "state": finding.state.value,
                    "detail": finding.detail,
                    "remedy": finding.remedy,
                }
                for section in self.sections
                for finding in section.findings
            ],
        }
        return json.dumps(told, ensure_ascii=False, indent=2)
