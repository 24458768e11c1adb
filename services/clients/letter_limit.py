"""How many dead letters are a few bad messages, and from when on they are a bad deploy that a person has to end."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

_WINDOW_SECONDS: Final = 3600.0


class LetterLimit:
    """At most so many letters within an hour. Once there would be more, none is admitted until the process restarts.

    Messages that cannot be used then wait where they are, instead of all being put aside one by one.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``most`` 0: no limit."""
        self.most, self._clock = most, clock
        self._stored: deque[tuple[float, int]] = deque()
        self._reached = False

    def admits(self, letters: int) -> bool:
        """Whether so many more may be stored; they count as stored then."""
        if not letters or not self.most:
            return True
        now = self._clock()
        while self._stored and self._stored[0][0] < now - _WINDOW_SECONDS:
            self._stored.popleft()
        if sum(count for _, count in self._stored) + letters > self.most:
            self._reached = True
        if not self._reached:
            self._stored.append((now, letters))
        return not self._reached
