"""Histories in which a wrong program is known to go wrong: examples of the property, and bait for deliberate bugs."""

from __future__ import annotations

from tests.property.history import History, Insert, Late, Repeat, Step, Tick
from tests.property.strategies import MOMENTS
from tests.support.actions import Cancel, Create, Delete, Import, Pay, Refund, Restate

_OCTOBER, _NEW_YEARS_EVE, _TODAY = MOMENTS[2], MOMENTS[6], MOMENTS[-1]
_ONE = (("101", 1),)
_ORDERED = Create(_OCTOBER, "1", _ONE)
_CANCELLED = (_ORDERED, Cancel(_OCTOBER, 0))
_PAID = (_ORDERED, Pay(_OCTOBER, 0))
_TWO_DAYS = (Create(_OCTOBER, "1", _ONE), Create(_NEW_YEARS_EVE, "2", _ONE))

TRAPS = {
    "the old state arrives last": History(_PAID, (Insert((1, 2)), Insert((0,)))),
    "the old state arrives last, after a recompute": History(_PAID, (Insert((2,)), Tick("days"), Insert((0, 1)))),
    "a deletion arrives before its order": History(
        (*_PAID, Delete(_OCTOBER, 0)), (Insert((3,)), Tick("days"), Tick("users"), Insert((2, 1, 0)))
    ),
    "every batch arrives twice": History(_PAID, (Insert((0, 1)), Repeat(0), Tick("days"), Repeat(0), Repeat(1))),
    "killed when one day was done": History(_TWO_DAYS, (Insert((0, 1)), Tick("days", crash=6))),
    "killed between sums and mark": History(
        (*_TWO_DAYS, Cancel(_OCTOBER, 0)), (Insert((0, 1)), Tick("days"), Insert((2,)), Tick("days", crash=4))
    ),
    "killed between users and their mark": History(_PAID, (Insert((0,)), Tick("users", crash=2), Insert((1,)))),
    "a row comes in within the millisecond of a recompute": History(
        _TWO_DAYS, (Insert((0,)), Tick("days"), Tick("users"), Insert((1,)))
    ),
    "rows seen after their count": History(_TWO_DAYS, (Late((0, 1)), Tick("days"), Tick("users"))),
    "a change seen after its count": History(
        _CANCELLED, (Insert((0,)), Step(31), Tick("days"), Late((1,)), Tick("days"), Tick("users"), Step(3))
    ),
    "the clock is set back": History(
        (*_PAID, Refund(_OCTOBER, 0)),
        (Insert((0,)), Tick("days"), Tick("users"), Step(-3600), Insert((1, 2)), Tick("days"), Tick("users")),
    ),
    "all that a day had is gone": History(
        (_ORDERED, Delete(_OCTOBER, 0)), (Insert((0,)), Tick("days"), Tick("users"), Insert((1,)))
    ),
    "a cancelled order leaves its hour, its product and its user": History(
        _CANCELLED, (Insert((0,)), Tick("days"), Tick("users"), Insert((1,)))
    ),
    "the same product in two lines": History((Create(_OCTOBER, "1", (("104", 1), ("103", 2), ("104", 3))),)),
    "averages with half a cent": History(
        (Create(_TODAY, "1", (("104", 1),)), Create(_TODAY, "1", (("104", 2),)), Import(_TODAY, "2", (("9", 3),)))
    ),
    "said anew after everything": History(
        (*_PAID, Restate(_OCTOBER, 0, at_least=9), Refund(_OCTOBER, 0)), (Insert((4,)), Insert((3,)), Insert((0,)))
    ),
    "both hours of the long night": History(
        (Create(MOMENTS[2], "1", _ONE), Create(MOMENTS[3], "1", _ONE), Create(MOMENTS[4], "2", _ONE))
    ),
}
