"""The domain does what the state machine in plain Python does: answers, events, rows, stock."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.property.strategies import MOMENTS, changes, creations, imports, moments, stock_changes
from tests.support.actions import Action, ActionShop, AdjustStock, Cancel, Create, Delete, Pay, Refund
from tests.support.audit import check_events, check_state, outbox_after
from tests.support.databases import on_mysql
from tests.support.state_machine import ModelShop

_AT = MOMENTS[1]
_CUPS = (("102", 2), ("102", 2))
_refused = st.builds(
    Create,
    at=moments,
    user=st.sampled_from(["1", "nobody"]),
    lines=st.sampled_from([(("101", 1),), (("102", 5),), (("102", 2), ("102", 3)), (("101", 1), ("ghost", 1))]),
    price_off=st.none(),
    total_off=st.sampled_from([None, 0, 1]),
)
_actions = st.lists(st.one_of(creations, imports, changes, changes, stock_changes, _refused), min_size=1, max_size=15)


@pytest.mark.real_servers
@settings(max_examples=40 if on_mysql() else 300)
@given(actions=_actions)
@example(actions=[Create(_AT, "1", _CUPS), Create(_AT, "2", (("102", 1),)), Cancel(_AT, 0), Create(_AT, "2", _CUPS)])
@example(actions=[Create(_AT, "1", _CUPS), Delete(_AT, 0), Delete(_AT, 0), Pay(_AT, 0), Refund(_AT, 0)])
@example(actions=[Create(_AT, "1", _CUPS), Pay(_AT, 0, accepted=False), Pay(_AT, 0), Refund(_AT, 0, restock=True)])
@example(actions=[Create(_AT, "1", _CUPS), AdjustStock(_AT, "102", -1), AdjustStock(_AT, "102", -5)])
@example(actions=[Create(MOMENTS[5], "1", _CUPS), Pay(_AT, 0), Refund(_AT, 0)])
def test_the_domain_is_the_state_machine(shop: ActionShop, actions: list[Action]) -> None:
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
