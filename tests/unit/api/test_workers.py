"""Blocking work in threads: bounded, with a deadline, and apart from other work."""

import asyncio
import contextlib
import threading
from collections.abc import Callable

import pytest

from services.api.problems import Problem
from services.api.workers import Workers


def test_what_the_work_returns_or_raises_comes_back() -> None:
    async def scenario() -> None:
        workers = Workers("test", 1, 5)
        assert await workers.run(lambda: 42) == 42
        with pytest.raises(ValueError, match="none"):
            await workers.run(lambda: int("none"))
        workers.close()

    asyncio.run(scenario())


def blocked(workers: Workers, scenario: Callable[[threading.Event], None]) -> None:
    """Runs a scenario while the only thread waits for the event, which is set at its end."""
    gate = threading.Event()
    try:
        scenario(gate)
    finally:
        gate.set()
        workers.close()


@pytest.mark.parametrize("repeatable", [True, False])
def test_work_that_takes_too_long_is_a_problem_that_invites_to_ask_again_only_where_that_is_harmless(
    repeatable: bool,
) -> None:
    workers = Workers("test", 1, 0.5, repeatable=repeatable)

    def scenario(gate: threading.Event) -> None:
        begun = threading.Event()

        def hold() -> bool:
            begun.set()
            return gate.wait()

        async def waits() -> None:
            first = asyncio.ensure_future(workers.run(hold))
            await asyncio.to_thread(begun.wait, 10)
            with pytest.raises(Problem) as late:
                await first
            expected = ("unavailable", "1") if repeatable else ("outcome-unknown", None)
            assert (late.value.status, late.value.slug, late.value.headers.get("Retry-After")) == (503, *expected)

        asyncio.run(waits())

    blocked(workers, scenario)


def test_work_that_does_not_begin_in_time_is_refused_and_never_runs() -> None:
    workers = Workers("test", 1, 60, queue_seconds=0.5)
    begun = threading.Event()
    done: list[int] = []

    def scenario(gate: threading.Event) -> None:
        def hold() -> bool:
            begun.set()
            return gate.wait()

        async def waits() -> None:
            first = asyncio.ensure_future(workers.run(hold))
            await asyncio.to_thread(begun.wait, 10)
            with pytest.raises(Problem) as refused:
                await workers.run(lambda: done.append(1))
            assert (refused.value.status, refused.value.slug) == (503, "unavailable")
            assert int(refused.value.headers["Retry-After"]) >= 1
            gate.set()
            assert await first is True  # what had begun is waited for
            await workers.run(lambda: done.append(2))

        asyncio.run(waits())

    blocked(workers, scenario)
    assert done == [2]


def test_a_queue_is_as_long_as_can_be_waited_for_and_grows_again_with_the_pace() -> None:
    """Threads held up make the queue short, and those who come are refused at once; quick work lengthens it."""
    workers = Workers("test", 1, 60, queue_seconds=0.2)
    begun = threading.Event()

    def scenario(gate: threading.Event) -> None:
        def hold() -> bool:
            begun.set()
            return gate.wait()

        async def refused_at_once() -> int:
            """How many of 60 that come together are refused before any has waited."""
            tasks = [asyncio.ensure_future(workers.run(lambda: None)) for _ in range(60)]
            await asyncio.sleep(0)  # each has run up to its place in the queue, or its refusal
            early = sum(task.done() for task in tasks)
            await asyncio.gather(*tasks, return_exceptions=True)
            return early

        async def waits() -> None:
            first = asyncio.ensure_future(workers.run(hold))
            await asyncio.to_thread(begun.wait, 10)
            assert await refused_at_once() == 0  # nothing is known against it yet
            assert await refused_at_once() > 30
            gate.set()
            await first
            async with asyncio.timeout(30):
                while await refused_at_once():
                    pass

        asyncio.run(waits())

    blocked(workers, scenario)


def test_work_that_never_began_is_dropped_when_nobody_waits_any_more() -> None:
    workers = Workers("test", 1, 0.5)
    begun = threading.Event()
    done: list[int] = []

    def scenario(gate: threading.Event) -> None:
        def hold() -> bool:
            begun.set()
            return gate.wait()

        async def waits() -> None:
            first = asyncio.ensure_future(workers.run(hold))
            await asyncio.to_thread(begun.wait, 10)
            with pytest.raises(Problem):
                await workers.run(lambda: done.append(1))
            with pytest.raises(Problem):
                await first
            gate.set()
            while not done:  # the only thread takes its queue in order: this comes after the dropped work
                with contextlib.suppress(Problem):
                    await workers.run(lambda: done.append(2))

        asyncio.run(waits())

    blocked(workers, scenario)
    assert 1 not in done


def test_a_full_queue_refuses_at_once_and_has_room_again_later() -> None:
    workers = Workers("test", 1, 30)

    def scenario(gate: threading.Event) -> None:
        async def waits() -> None:
            room = 65  # one at work, 64 waiting
            waiting = [asyncio.ensure_future(workers.run(gate.wait)) for _ in range(room)]
            await asyncio.sleep(0)
            with pytest.raises(Problem) as full:
                await workers.run(lambda: None)
            assert full.value.status == 503
            gate.set()
            assert await asyncio.gather(*waiting) == [True] * room
            assert await workers.run(lambda: 1) == 1

        asyncio.run(waits())

    blocked(workers, scenario)
