"""How much a batch may hold so that it takes about as long as wanted."""

from dataclasses import dataclass

TARGET_SECONDS = 0.7
_GROWTH = 2.0


@dataclass(slots=True)
class Budget:
    """A size that follows how long batches of it took.

    It falls as far as one batch says, and rises by at most twice a batch, and only after one that used at least half of
    it: a small batch is mostly fixed cost and says nothing about a large one.
    """

    size: int
    least: int
    most: int
    target: float = TARGET_SECONDS

    def took(self, used: int, seconds: float) -> None:
        """Learns from a batch of size ``used`` that took so many seconds."""
        fitting = int(used * self.target / max(seconds, 1e-3))
        if seconds > self.target:
            self.size = max(self.least, min(self.size, fitting))
        elif used * 2 >= self.size:
            self.size = min(self.most, max(self.size, min(fitting, int(self.size * _GROWTH))))
