"""Whatever clients do, and however the events of it arrive, every view ends equal to the model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, seed, settings

from tests.property.history import History
from tests.property.laboratory import Laboratory
from tests.property.strategies import histories
from tests.property.traps import TRAPS

PART = 110
"""Histories a test draws; the four tests draw different ones, so that several workers can share them."""


@pytest.mark.parametrize("trap", TRAPS)
def test_a_known_trap_catches_nothing(lab: Laboratory, trap: str) -> None:
    lab.check(TRAPS[trap])


def every_view_ends_equal_to_the_model(part: int) -> Callable[..., None]:
    """The property on the histories of one seed."""

    @pytest.mark.timeout(900)
    @seed(part)
    @settings(max_examples=PART)
    @given(history=histories())
    def check(lab: Laboratory, history: History) -> None:
        lab.check(history)

    made: Callable[..., None] = check
    return made


test_every_view_ends_equal_to_the_model_1 = every_view_ends_equal_to_the_model(1)
test_every_view_ends_equal_to_the_model_2 = every_view_ends_equal_to_the_model(2)
test_every_view_ends_equal_to_the_model_3 = every_view_ends_equal_to_the_model(3)
test_every_view_ends_equal_to_the_model_4 = every_view_ends_equal_to_the_model(4)
