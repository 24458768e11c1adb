"""The sandbox provider: each trouble of docs/payments.md, and a book that forgets nothing."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from services.payments.provider import Accepted, NoAnswer, Refused
from services.payments.sandbox import TROUBLES, Sandbox
from tests.support.process import PROJECT, wait_until

DEADLINE = 0.05


def ask(sandbox: Sandbox, amount: str, payment_id: str = "p", deadline: float = DEADLINE) -> Accepted | Refused:
    return sandbox.charge(payment_id, "o", Decimal(amount), "CARD", deadline)


def silent(sandbox: Sandbox, amount: str) -> None:
    with pytest.raises(NoAnswer):
        ask(sandbox, amount)


def test_an_amount_that_asks_for_no_trouble_is_accepted_and_asked_again_answered_with_the_same_charge() -> None:
    sandbox = Sandbox()
    first = ask(sandbox, "25000.00")
    assert isinstance(first, Accepted)
    assert ask(sandbox, "25000.00") == sandbox.look_up("p", DEADLINE) == first
    assert sandbox.counts("o") == (1, 0)
    assert isinstance(ask(sandbox, "25000.00", "another"), Accepted)
    assert sandbox.counts("o") == (2, 0)


@pytest.mark.parametrize(("amount", "reason"), [("0.50", "insufficient funds"), ("0.55", "the card has expired")])
def test_refusals(amount: str, reason: str) -> None:
    sandbox = Sandbox()
    assert ask(sandbox, amount) == ask(sandbox, amount) == sandbox.look_up("p", DEADLINE) == Refused(reason)
    assert sandbox.counts("o") == (0, 0)


def test_what_is_slow_is_answered_within_a_deadline_that_is_longer_and_not_within_a_shorter_one() -> None:
    sandbox = Sandbox()
    silent(sandbox, "0.60")
    assert isinstance(ask(sandbox, "0.60", deadline=30), Accepted)
    assert sandbox.counts("o") == (1, 0)


def test_a_charge_that_does_not_arrive_is_not_known_until_it_is_asked_for_again() -> None:
    sandbox = Sandbox()
    silent(sandbox, "0.65")
    assert sandbox.look_up("p", DEADLINE) is None
    assert sandbox.counts("o") == (0, 0)
    assert isinstance(ask(sandbox, "0.65"), Accepted)
    assert sandbox.counts("o") == (1, 0)


@pytest.mark.parametrize("amount", ["0.70", "0.80"])
def test_a_charge_without_an_answer_may_have_been_made(amount: str) -> None:
    sandbox = Sandbox()
    silent(sandbox, amount)
    assert isinstance(sandbox.look_up("p", DEADLINE), Accepted)
    assert sandbox.counts("o") == (1, 0)


def test_a_refusal_may_be_lost_too() -> None:
    sandbox = Sandbox()
    silent(sandbox, "0.75")
    assert sandbox.look_up("p", DEADLINE) == Refused("insufficient funds")


def test_a_look_up_may_go_unanswered() -> None:
    sandbox = Sandbox()
    silent(sandbox, "0.85")
    for _ in range(2):
        with pytest.raises(NoAnswer):
            sandbox.look_up("p", DEADLINE)
    assert isinstance(sandbox.look_up("p", DEADLINE), Accepted)


def test_a_charge_that_comes_twice_over_is_made_once() -> None:
    sandbox = Sandbox()
    assert isinstance(ask(sandbox, "0.90"), Accepted)
    assert sandbox.counts("o") == (1, 0)


@pytest.mark.parametrize(("amount", "done_at_first"), [("0.35", 0), ("0.40", 1)])
def test_a_refund_may_be_lost_or_its_answer(amount: str, done_at_first: int) -> None:
    sandbox = Sandbox()
    charge = ask(sandbox, amount)
    assert isinstance(charge, Accepted)
    with pytest.raises(NoAnswer):
        sandbox.refund("p", charge.charge_id, Decimal(amount), DEADLINE)
    assert sandbox.counts("o") == (1, done_at_first)
    assert sandbox.refund("p", charge.charge_id, Decimal(amount), DEADLINE) is None
    assert sandbox.refund("p", charge.charge_id, Decimal(amount), DEADLINE) is None
    assert sandbox.counts("o") == (1, 1)


def test_whoever_hangs_is_let_go_when_it_closes() -> None:
    sandbox = Sandbox()
    ended = threading.Event()

    def hang() -> None:
        with pytest.raises(NoAnswer):
            ask(sandbox, "0.80", deadline=3600)
        ended.set()

    threading.Thread(target=hang, daemon=True).start()
    wait_until(lambda: sandbox.counts("o") == (1, 0), "the charge")
    assert not ended.is_set()
    sandbox.close()
    wait_until(ended.is_set, "the end of the charge that hung")


def test_a_book_in_a_file_is_shared_and_outlives_its_sandbox(tmp_path: Path) -> None:
    one, other = Sandbox(tmp_path / "book.db"), Sandbox(tmp_path / "book.db")
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda number: ask((one, other)[number % 2], "1.00"), range(64)))
    assert len(answers) == 1
    assert one.counts("o") == other.counts("o") == (1, 0)
    one.close()
    other.close()
    assert Sandbox(tmp_path / "book.db").look_up("p", DEADLINE) in answers


def test_a_file_that_cannot_be_opened_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Sandbox(tmp_path / "nowhere" / "book.db")


def test_every_trouble_is_documented() -> None:
    page = (PROJECT / "docs" / "payments.md").read_text(encoding="utf-8")
    assert {Decimal(found) for found in re.findall(r"^\| (0\.\d\d) \|", page, re.MULTILINE)} == set(TROUBLES)
