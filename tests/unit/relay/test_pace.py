"""How long the relay rests."""

import pytest

from services.relay.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def look(pace: Pace, clock: Clock, took: float, worked: bool = True) -> float:
    """A look of so many seconds, and the rest after it."""
    clock.now += took
    rest = pace.rest(worked=worked, more=False)
    clock.now += rest
    return rest


def test_behind_a_full_batch_there_is_no_rest() -> None:
    assert Pace(5).rest(worked=True, more=True) == 0


def test_with_work_or_work_just_now_it_rests_ten_milliseconds() -> None:
    clock = Clock()
    pace = Pace(5, clock)
    assert look(pace, clock, took=0.002) == 0.01
    assert look(pace, clock, took=0.002, worked=False) == 0.01


def test_it_rests_as_long_as_a_slow_look_took_and_no_longer_than_the_interval() -> None:
    clock = Clock()
    pace = Pace(0.25, clock)
    assert look(pace, clock, took=0.08) == pytest.approx(0.08)
    assert look(pace, clock, took=3) == 0.25
    assert look(pace, clock, took=0.002) == 0.01


def test_a_full_batch_before_is_no_part_of_what_a_look_took() -> None:
    clock = Clock()
    pace = Pace(5, clock)
    clock.now += 1
    pace.rest(worked=True, more=True)
    assert look(pace, clock, took=0.03) == pytest.approx(0.03)


def test_idle_it_slows_down_step_by_step_to_the_interval() -> None:
    clock = Clock()
    pace = Pace(0.25, clock)
    look(pace, clock, took=0.001)
    clock.now += 2
    rests = [look(pace, clock, took=0.001, worked=False) for _ in range(20)]
    assert rests == sorted(rests)
    assert rests[0] <= 0.015
    assert rests[-1] == 0.25
    assert look(pace, clock, took=0.001) <= 0.01


def test_an_interval_below_the_shortest_rest_is_kept() -> None:
    assert Pace(0.001).rest(worked=False, more=False) == 0.001
