"""How far the connector's consumer group is, for the metrics that the sink of SINK_MODE=python has by itself."""

import time
from typing import Final

from services.clients.messages import BrokerAway
from services.clients.unread import Offsets
from services.observability import metrics
from services.observability.logging import get_logger

_PARTITION_WITHOUT_COMMIT: Final = 0
_TOLD_AGAIN_SECONDS: Final = 30.0

log = get_logger()


class Progress:
    """Messages done and messages not yet read, by what the group has committed."""

    def __init__(self, process: str, offsets: Offsets, topic: str) -> None:
        self._process, self._offsets, self._topic = process, offsets, topic
        self._done: dict[int, int] = {}
        self._tell_at = 0.0

    def look(self) -> None:
        """Sets the metrics. While no broker answers they stand still."""
        try:
            ends = self._offsets.ends(self._topic)
            done = self._offsets.committed(self._topic, ends)
        except BrokerAway as away:
            if time.monotonic() >= self._tell_at:
                self._tell_at = time.monotonic() + _TOLD_AGAIN_SECONDS
                log.warning("no connection to Kafka: how far the connector is cannot be told", error=str(away))
            return
        for partition, end in ends.items():
            committed = done.get(partition, _PARTITION_WITHOUT_COMMIT)
            metrics.CONSUMER_LAG.labels(self._topic, str(partition)).set(max(end - committed, 0))
            moved = committed - self._done.get(partition, committed)
            if moved > 0:  # less than before: somebody has reset it
                metrics.CONSUMED.labels(self._process, self._topic).inc(moved)
        self._done = done
