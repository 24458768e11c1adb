"""What keeps the follower from marking."""

import time
from collections.abc import Callable
from enum import StrEnum

from services.observability import metrics, troubles


class Trouble(StrEnum):
    """A kind of trouble; the metric's label."""

    CONNECT_AWAY = "connect_away"
    CONNECTOR_MISSING = "connector_missing"
    CONNECTOR_FAILED = "connector_failed"
    CONNECTOR_STOPPED = "connector_stopped"
    NO_OFFSET = "no_offset"
    SNAPSHOT = "snapshot"
    STUCK = "stuck"
    ANOTHER_LOG = "another_log"
    PURGED = "purged"


class Troubles(troubles.Troubles[Trouble]):
    """The one that explains why nothing is marked now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(metrics.FOLLOWER_TROUBLE, "following again", clock)
