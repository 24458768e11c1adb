"""Waiting longer after each failure in a row, with jitter so that waiters do not come back together."""

import random


def exponential(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row (1 or more): doubled each time, then 50 to 100 % of it."""
    ceiling = min(longest, first * 2.0 ** min(failures - 1, 62))
    return ceiling * random.uniform(0.5, 1)  # noqa: S311 - spread, not secrecy


class Backoff:
    """Consecutive failures of one neighbour."""

    def __init__(self, first: float = 0.1, longest: float = 5) -> None:
        self._first, self._longest, self._failures = first, longest, 0

    def failed(self) -> float:
        """Counts a failure and returns the seconds to wait."""
        self._failures += 1
        return exponential(self._failures, self._first, self._longest)

    def succeeded(self) -> None:
        """Starts anew."""
        self._failures = 0
