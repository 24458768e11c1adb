"""The loop of a consuming process: read a batch, work until it is done, have its offsets committed."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Message

from services.clients.consumer import BatchConsumer, Rebalanced
from services.observability import metrics
from services.observability.heartbeat import beat
from services.observability.process import StopSignal

_SLICE_SECONDS: Final = 0.25
_LAG_EVERY_SECONDS: Final = 1.0
_LONGEST_LINGER: Final = 0.5
_WORK_SECONDS: Final = 120
"""How long work may take without a pause: an INSERT is given up after 90 s."""


class Stopped(Exception):
    """The process is to stop; the batch in hand is left to whoever reads it next."""


Pause = Callable[[float], None]
"""Waits so many seconds within the work on a batch, 0 too, with the group served: long work that does not call it loses
its partitions. Raises Stopped or Rebalanced: nothing is committed then."""

Work = Callable[[Sequence[Message], Pause], None]
"""Works on a batch. When it returns, its effects are stored; when it is broken off anywhere, it bears repetition."""


def run_batches(process: str, consumer: BatchConsumer, work: Work, stop: StopSignal) -> None:
    """Until told to stop, batch after batch.

    A batch that is not full waits for more as long as the work on the one before took: on a machine that is full, fewer
    and larger batches leave half of the time to others.
    """

    def pause(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            if stop.stopped:
                raise Stopped
            beat(within=_WORK_SECONDS)
            consumer.wait(min(max(deadline - time.monotonic(), 0), _SLICE_SECONDS))
            if time.monotonic() >= deadline:
                return

    lag_at = took = 0.0
    while not stop.stopped:
        beat(within=_WORK_SECONDS)
        batch = consumer.read(min(took, _LONGEST_LINGER))
        if batch:
            began = time.monotonic()
            _one(process, consumer, work, batch, pause)
            took = time.monotonic() - began
        if time.monotonic() >= lag_at:
            lag_at = time.monotonic() + _LAG_EVERY_SECONDS
            metrics.CONSUMER_LAG.clear()  # of partitions that went to another member
            for (topic, partition), messages in consumer.lag().items():
                metrics.CONSUMER_LAG.labels(topic, str(partition)).set(messages)


def _one(process: str, consumer: BatchConsumer, work: Work, batch: Sequence[Message], pause: Pause) -> None:
    """Work, then offsets: never the other way round, or what a dying process had in hand would be lost."""
    metrics.CONSUMER_BATCH.labels(process).observe(len(batch))
    try:
        with metrics.CONSUMER_WORK_SECONDS.labels(process).time():
            work(batch, pause)
    except (Rebalanced, Stopped):
        return
    consumer.done(batch)
    for topic, count in Counter(message.topic() or "" for message in batch).items():
        metrics.CONSUMED.labels(process, topic).inc(count)
