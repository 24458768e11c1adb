"""The Kafka broker of the embedded mode: librdkafka's mock cluster as a process of its own.

It keeps at most 5 MiB or 100,000 message sets a partition, in memory, and drops the oldest beyond that: nothing that
matters may live here alone. The address is written to `--bootstrap-file` once every topic exists.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from services.embedded.librdkafka import MockCluster, bundled_library
from services.embedded.lifetime import PARENT_POLL_SECONDS, StartError, fail, orphaned, write_atomically

PROGRAM = "broker"


class TopicSpec(NamedTuple):
    """A topic to create."""

    name: str
    partitions: int


def parse_topic(text: str) -> TopicSpec:
    """Read `NAME:PARTITIONS`; raises argparse's error for anything else."""
    name, separator, count = text.rpartition(":")
    if not separator or not name or not count.isascii() or not count.isdigit() or int(count) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:PARTITIONS with at least one partition")
    return TopicSpec(name, int(count))


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line of the broker process."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="A Kafka broker in memory, for the embedded mode.")
    parser.add_argument("--bootstrap-file", type=Path, required=True, help="file that gets the address, host:port")
    parser.add_argument(
        "--topic",
        type=parse_topic,
        action="append",
        default=[],
        metavar="NAME:PARTITIONS",
        help="repeat for each topic",
    )
    parser.add_argument("--parent-pid", type=int, help="end when this process, the parent, has ended")
    return parser.parse_args(arguments)


def serve(bootstrap_file: Path, topics: Sequence[TopicSpec], parent_pid: int | None) -> None:
    """Run the broker until SIGTERM, SIGINT or the end of the parent; raises StartError when it cannot start."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    bootstrap_file.unlink(missing_ok=True)
    cluster = MockCluster(bundled_library())
    for topic in topics:
        cluster.create_topic(topic.name, topic.partitions)
    write_atomically(bootstrap_file, cluster.bootstrap + "\n")
    while not orphaned(parent_pid):
        if stop.wait(PARENT_POLL_SECONDS):
            break
    bootstrap_file.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the broker process; 0 after a stop, 2 when it could not start."""
    options = parse_arguments(arguments)
    try:
        serve(options.bootstrap_file, options.topic, options.parent_pid)
    except StartError as error:
        return fail(PROGRAM, error)
    except OSError as error:
        return fail(PROGRAM, StartError(f"{options.bootstrap_file} cannot be written: {error.strerror}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
