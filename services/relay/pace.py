"""How long the relay rests between looks at the outbox."""

import time
from collections.abc import Callable
from typing import Final

_SHORTEST: Final = 0.01
_JUST_NOW: Final = 1.0
_SLOWER: Final = 1.5


class Pace:
    """No rest behind a full batch, 10 ms while there is work or was within a second, then slower step by step."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`longest`: seconds, the configured polling interval."""
        self._longest, self._clock = longest, clock
        self._last_work = -_JUST_NOW
        self._rest = min(_SHORTEST, longest)

    def rest(self, worked: bool, more: bool) -> float:
        """Seconds until the next look: `worked` says whether the last one found work, `more` that it filled a batch."""
        if worked:
            self._last_work = self._clock()
        if more:
            return 0.0
        if self._clock() - self._last_work < _JUST_NOW:
            self._rest = min(_SHORTEST, self._longest)
        else:
            self._rest = min(self._rest * _SLOWER, self._longest)
        return self._rest
