"""Whatever clients do, and however the events of it arrive, every view ends equal to the model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.property.history import History
from tests.property.laboratory import Laboratory
from tests.property.strategies import histories
from tests.property.traps import TRAPS


@pytest.mark.parametrize("trap", TRAPS)
def test_a_known_trap_catches_nothing(lab: Laboratory, trap: str) -> None:
    lab.check(TRAPS[trap])


@pytest.mark.timeout(900)
@settings(max_examples=440)
@given(history=histories())
def test_every_view_ends_equal_to_the_model(lab: Laboratory, history: History) -> None:
    lab.check(history)
