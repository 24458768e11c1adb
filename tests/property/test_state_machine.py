"""The domain does what the state machine in plain Python does: answers, events, rows, stock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from services.domain import orders, payments, settling
from services.domain.attempts import change_attempt, read_attempt, refund_done
from services.domain.locking import Locked
from services.domain.model import Payment
from services.payments import desk
from tests.property.strategies import MOMENTS, changes, creations, imports, moments, payment_stories, stock_changes
from tests.support.action_shop import ActionShop
from tests.support.actions import (
    Action,
    AdjustStock,
    Begin,
    Cancel,
    Create,
    Delete,
    Expire,
    GiveBack,
    Pay,
    Refund,
    Settle,
)
from tests.support.audit import check_events, check_state, outbox_after
from tests.support.databases import on_mysql
from tests.support.state_machine import ModelShop

_AT, _LATER = MOMENTS[1], MOMENTS[5]
_CUPS = (("102", 2), ("102", 2))
_refused = st.builds(
    Create,
    at=moments,
    user=st.sampled_from(["1", "nobody"]),
    lines=st.sampled_from([(("101", 1),), (("102", 5),), (("102", 2), ("102", 3)), (("101", 1), ("ghost", 1))]),
    price_off=st.none(),
    total_off=st.sampled_from([None, 0, 1]),
)
_alone: st.SearchStrategy[Action] = st.one_of(creations, imports, changes, changes, stock_changes, _refused)
_actions = st.lists(_alone.map(lambda action: (action,)) | payment_stories(), min_size=5, max_size=12)


@st.composite
def _histories(draw: st.DrawFn) -> list[Action]:
    first = draw(creations)
    return [first, *(action for together in draw(_actions) for action in together)]


def _check(shop: ActionShop, actions: Sequence[Action]) -> None:
    """Raises AssertionError where the domain does not do what the model does."""
    shop.reset()
    model = ModelShop(shop.zone)
    seen = 0
    for action in actions:
        expected = model.do(action)
        assert shop.do(action) == expected.answer, action
        told = outbox_after(shop, seen)
        seen = told[-1].id if told else seen
        check_events(shop, told, expected.events)
    check_state(shop, model)


_ORDERED = Create(_AT, "1", _CUPS)
_BEGUN = (_ORDERED, Begin(_AT, 0))


@pytest.mark.real_servers
@settings(max_examples=30 if on_mysql() else 240)
@given(actions=_histories())
@example(actions=[_ORDERED, Create(_AT, "2", (("102", 1),)), Cancel(_AT, 0), Create(_AT, "2", _CUPS)])
@example(actions=[_ORDERED, Delete(_AT, 0), Delete(_AT, 0), Pay(_AT, 0), Refund(_AT, 0)])
@example(actions=[_ORDERED, Pay(_AT, 0, accepted=False), Pay(_AT, 0), Refund(_AT, 0, restock=True)])
@example(actions=[_ORDERED, AdjustStock(_AT, "102", -1), AdjustStock(_AT, "102", -5)])
@example(actions=[Create(_LATER, "1", _CUPS), Pay(_AT, 0), Refund(_AT, 0)])
@example(actions=[*_BEGUN, Begin(_AT, 0), Settle(_AT, 0), Settle(_AT, 0), Settle(_AT, 0, accepted=False)])
@example(actions=[*_BEGUN, Cancel(_AT, 0), Settle(_AT, 0), GiveBack(_AT, 0, done=False), GiveBack(_AT, 0)])
@example(actions=[*_BEGUN, Delete(_AT, 0), Settle(_AT, 0, accepted=False), Settle(_AT, 0), GiveBack(_AT, 0)])
@example(actions=[*_BEGUN, Settle(_AT, 0, accepted=False), Pay(_AT, 0, method="CASH"), Settle(_AT, 0), Refund(_AT, 0)])
@example(actions=[*_BEGUN, Expire(_LATER, 0), Settle(_AT, 0, accepted=False), Expire(_LATER, 0), Settle(_AT, 0)])
def test_the_domain_is_the_state_machine(shop: ActionShop, actions: list[Action]) -> None:
    _check(shop, actions)


# ---- deliberate bugs


def _owes_nothing(connection: Connection, locked: Locked, attempt: Payment, charge_id: str) -> settling.Outcome:
    outcome = _GIVE_BACK(connection, locked, attempt, charge_id)
    return replace(outcome, attempt=change_attempt(connection, outcome.attempt, due_at=None))


def _still_open(connection: Connection, payment_id: str) -> Payment:
    return replace(read_attempt(connection, payment_id), status="PENDING")


_GIVE_BACK = settling._give_back
BUGS: dict[str, tuple[ModuleType, str, Callable[..., Any], list[Action]]] = {
    "two attempts are under way": (payments, "in_force", lambda *_: None, [*_BEGUN, Begin(_AT, 0)]),
    "an order expires while it is being paid": (
        orders,
        "in_force",
        lambda *_: None,
        [*_BEGUN, Expire(_LATER, 0)],
    ),
    "a late charge is not owed back": (
        settling,
        "_give_back",
        _owes_nothing,
        [*_BEGUN, Cancel(_AT, 0), Settle(_AT, 0)],
    ),
    "a charge of an attempt that had failed is not owed back": (
        settling,
        "_give_back",
        _owes_nothing,
        [*_BEGUN, Settle(_AT, 0, accepted=False), Pay(_AT, 0), Settle(_AT, 0)],
    ),
    "a late charge pays what was deleted": (
        settling,
        "is_payable",
        lambda _order: True,
        [*_BEGUN, Delete(_AT, 0), _ORDERED, Settle(_AT, 0)],  # another's pieces, or the schema refuses it
    ),
    "a late refusal changes what was cancelled": (
        settling,
        "is_payable",
        lambda _order: True,
        [*_BEGUN, Cancel(_AT, 0), Settle(_AT, 0, accepted=False)],
    ),
    "the same answer counts twice": (
        settling,
        "read_attempt",
        _still_open,
        [*_BEGUN, Settle(_AT, 0), Settle(_AT, 0)],
    ),
    "a refund that is refused is held to be made": (
        desk,
        "refund_refused",
        lambda engine, payment, _reason, also: refund_done(engine, payment, also=also),
        [_ORDERED, Pay(_AT, 0), Refund(_AT, 0), GiveBack(_AT, 0, done=False)],
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_deliberate_bug_is_caught(bug: str, shop: ActionShop, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, broken, actions = BUGS[bug]
    _check(shop, actions)
    monkeypatch.setattr(module, name, broken)
    with pytest.raises(AssertionError):
        _check(shop, actions)
