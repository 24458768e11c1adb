"""A clock that stands until it is set, and a kill at a chosen point."""

from __future__ import annotations

from datetime import UTC, datetime

ZONE = "Europe/Berlin"
NOON = datetime(2024, 3, 15, 11, 0, tzinfo=UTC)


class Clock:
    """Milliseconds since 1970; begins at noon in Berlin on 15 March 2024."""

    def __init__(self) -> None:
        self.now = int(NOON.timestamp() * 1000)

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


class Killed(Exception):
    """Stands for the end of the process: nothing after it is done."""


class KillAt:
    """Raises Killed when ``point`` ("before append_days") is reached for the ``nth`` time, and then never again."""

    def __init__(self, point: str, nth: int = 1) -> None:
        self.point, self.left = point, nth

    def __call__(self, where: str) -> None:
        if where == self.point:
            self.left -= 1
            if self.left == 0:
                raise Killed(where)


def _points(*statements: str) -> list[str]:
    return [f"{when} {statement}" for statement in statements for when in ("before", "after")]


DAY_POINTS = _points("append_hours", "append_products", "append_days")
USER_POINTS = _points("append_users", "append_buckets")
