"""Checks run side by side; one that hangs or breaks hides nothing and holds nothing up."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest
from rich.console import Console

from services.doctor.check import CannotLook, look_at, one_line
from services.doctor.examination import examine
from services.doctor.findings import Finding, Report, Section, State, failing, left_out, ok, unknown
from services.doctor.render import render

FAILING = failing("relay", "is exited", "start it")


@dataclass
class Look:
    """A check that does what it is told."""

    name: str
    does: Callable[[], Iterable[Finding]]
    seconds: float = 30.0
    needs: tuple[str, ...] = ("database",)

    def look(self) -> Iterable[Finding]:
        return self.does()


def states(report: Report) -> list[str]:
    return [finding.state.value for finding in report.findings()]


def test_a_check_that_hangs_is_left_behind_and_the_others_told() -> None:
    never = threading.Event()

    def hang() -> Iterable[Finding]:
        never.wait(60)
        return ()

    try:
        slow, quick = look_at([Look("kafka", hang, seconds=0.05), Look("mysql", lambda: [ok("mysql", "up")])])
    finally:
        never.set()
    assert slow.findings == (unknown("kafka", "gave no answer within 0.05 s"),)
    assert quick.findings == (ok("mysql", "up"),)


def test_checks_run_beside_each_other() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def meet() -> Iterable[Finding]:
        meeting.wait()
        return [ok("met", "")]

    assert [section.findings[0].state for section in look_at([Look("a", meet), Look("b", meet)])] == [State.OK] * 2


def test_what_cannot_be_looked_at_is_unknown_with_its_reason() -> None:
    def refuse() -> Iterable[Finding]:
        raise CannotLook("the engine does not answer")

    (section,) = look_at([Look("containers", refuse)])
    assert section.findings == (unknown("containers", "the engine does not answer"),)


def test_a_fault_of_a_check_is_told_in_one_line() -> None:
    def stumble() -> Iterable[Finding]:
        yield ok("first", "was fine")
        raise KeyError("offsets\nof what")

    (section,) = look_at([Look("lag", stumble)])
    assert section.findings[0].state is State.UNKNOWN
    assert "KeyError" in section.findings[0].detail
    assert "\n" not in section.findings[0].detail


@pytest.mark.parametrize(
    ("findings", "state", "code"),
    [
        ((ok("a", ""), left_out("b", "")), State.OK, 0),
        ((ok("a", ""), unknown("b", ""), FAILING), State.FAILING, 1),
        ((ok("a", ""), unknown("b", "")), State.UNKNOWN, 2),
    ],
)
def test_the_worst_finding_decides(findings: tuple[Finding, ...], state: State, code: int) -> None:
    report = Report("the stack", [Section("x", findings)])
    assert (report.state, report.exit_code) == (state, code)
    told = json.loads(report.to_json())
    assert (told["state"], told["exit_code"], len(told["findings"])) == (state.value, code, len(findings))


def test_json_names_check_subject_detail_and_remedy() -> None:
    told = json.loads(Report("the stack", [Section("containers", (FAILING,))], 1.23456).to_json())
    assert told["seconds"] == 1.235
    assert told["findings"] == [
        {"check": "containers", "subject": "relay", "state": "failing", "detail": "is exited", "remedy": "start it"}
    ]


class Patient:
    """A check that gets well at the given look, and a clock that only its pauses move."""

    def __init__(self, well_at: int) -> None:
        self.looks, self.well_at, self.now = 0, well_at, 0.0

    def look(self) -> Iterable[Finding]:
        self.looks += 1
        return [ok("relay", "up") if self.looks >= self.well_at else FAILING]

    def pause(self, seconds: float) -> None:
        self.now += seconds


def wait(patient: Patient, seconds: float, probed: list[float] | None = None) -> tuple[Report, list[Report]]:
    told: list[Report] = []

    def probe() -> Iterable[Finding]:
        assert probed is not None
        probed.append(patient.now)
        return [ok("freshness", "")]

    report = examine(
        "the stack",
        [Look("containers", patient.look)],
        None if probed is None else Look("probe", probe),
        seconds,
        clock=lambda: patient.now,
        pause=patient.pause,
        told=told.append,
    )
    return report, told


def test_without_waiting_it_looks_once_and_probes_whatever_it_found() -> None:
    probed: list[float] = []
    report, told = wait(Patient(well_at=2), 0, probed)
    assert (states(report), told, len(probed)) == (["failing", "ok"], [], 1)


def test_waiting_ends_when_all_is_well_and_only_then_it_probes() -> None:
    probed: list[float] = []
    report, told = wait(Patient(well_at=4), 60, probed)
    assert (states(report), len(told), probed) == (["ok", "ok"], 3, [3.0])
    assert report.seconds == 3.0


def test_waiting_ends_with_the_time() -> None:
    report, told = wait(Patient(well_at=100), 5, [])
    assert (states(report), len(told)) == (["failing", "ok"], 5)


def test_no_probe_is_no_finding() -> None:
    report, _ = wait(Patient(well_at=1), 0)
    assert states(report) == ["ok"]


def test_long_errors_are_cut() -> None:
    assert one_line("a\n  b") == "a b"
    assert len(one_line("x" * 500)) == 200


def test_a_probe_is_not_sent_through_a_part_that_is_down() -> None:
    def never() -> Iterable[Finding]:
        raise AssertionError("it was sent")

    def look(*findings: Finding) -> Report:
        return examine("the stack", [Look("database", lambda: findings)], Look("probe", never))

    for down in (unknown("database", "hangs"), FAILING):
        probed = list(look(ok("x", ""), down).findings())[-1]
        assert (probed.state, probed.detail) == (State.UNKNOWN, "not tried: see database")


def test_people_get_a_line_a_finding_and_below_a_failing_one_what_to_do() -> None:
    def shown(*findings: Finding) -> list[str]:
        console = Console(file=io.StringIO(), width=40)
        render(Report("the stack [x]", [Section("x", findings)], 1.25), console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().splitlines()

    long = "detail " * 20
    assert shown(FAILING, ok("database [1]", long), unknown("lag", "away"), left_out("grafana", "local")) == [
        "the stack [x]",
        "failing      relay         is exited",
        "             → start it",
        f"ok           database [1]  {long}",
        "cannot tell  lag           away",
        "left out     grafana       local",
        "1 failing, 1 ok, in 1.2 s",
    ]
    assert shown(ok("a", "b"))[-1] == "all is well: 1 ok, in 1.2 s"
    assert shown(ok("a", "b"), unknown("c", "d"))[-1] == "nothing fails, but 1 cannot be told, in 1.2 s"
