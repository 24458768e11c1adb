"""How long the relay rests."""

from services.relay.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_behind_a_full_batch_there_is_no_rest() -> None:
    assert Pace(5).rest(worked=True, more=True) == 0


def test_with_work_or_work_just_now_it_rests_ten_milliseconds_at_most() -> None:
    clock = Clock()
    pace = Pace(5, clock)
    assert pace.rest(worked=True, more=False) <= 0.01
    clock.now += 0.9
    assert pace.rest(worked=False, more=False) <= 0.01


def test_idle_it_slows_down_step_by_step_to_the_interval() -> None:
    clock = Clock()
    pace = Pace(0.25, clock)
    pace.rest(worked=True, more=False)
    clock.now += 2
    rests = [pace.rest(worked=False, more=False) for _ in range(20)]
    assert rests == sorted(rests)
    assert rests[0] <= 0.015
    assert rests[-1] == 0.25
    assert pace.rest(worked=True, more=False) <= 0.01


def test_an_interval_below_the_shortest_rest_is_kept() -> None:
    assert Pace(0.001).rest(worked=False, more=False) == 0.001
