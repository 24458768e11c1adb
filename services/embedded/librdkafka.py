"""The mock cluster inside the librdkafka that the confluent-kafka wheel bundles, called by ctypes.

confluent-kafka offers the mock cluster only through a client's `test.mock.num.brokers`, which leaves every topic with
four partitions. The C interface used here is librdkafka's `rdkafka_mock.h`.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Final

from services.embedded.lifetime import StartError

_PRODUCER: Final = 0
_ERROR_SIZE: Final = 512
_REPLICATION_FACTOR: Final = 1
# How long the coordinator waits for further members before a group's first assignment; librdkafka's own is 3 s.
_FIRST_REBALANCE_DELAY_MS: Final = 200


def bundled_library() -> Path:
    """The shared library inside the installed confluent-kafka wheel.

    Linux wheels keep it in `confluent_kafka.libs/`, macOS wheels in `confluent_kafka/.dylibs/`.

    Raises:
        StartError: confluent-kafka is not installed, or was built against a librdkafka of the system.
    """
    spec = importlib.util.find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise StartError("confluent-kafka is not installed; install the project's packages (make install)")
    package = Path(spec.origin).parent
    for folder in (package.with_name("confluent_kafka.libs"), package / ".dylibs"):
        for library in sorted(folder.glob("librdkafka*")):
            return library
    raise StartError(
        f"no bundled librdkafka beside {package}; install confluent-kafka from its wheel, not from source "
        "(pip install --force-reinstall --only-binary :all: confluent-kafka)"
    )


class MockCluster:
    """One mock broker on a free port of the loopback interface; it lives until the process ends."""

    def __init__(self, library: Path) -> None:
        """Start the broker's threads; raises StartError when the library refuses."""
        self._lib = _declare(library)
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        # The handle only carries the mock cluster: it owns conf from here on and is never used to produce.
        client = self._lib.rd_kafka_new(_PRODUCER, self._lib.rd_kafka_conf_new(), error, _ERROR_SIZE)
        if not client:
            raise StartError(f"librdkafka did not start: {error.value.decode()}")
        self._cluster = self._lib.rd_kafka_mock_cluster_new(client, 1)
        if not self._cluster:
            raise StartError("librdkafka did not start its mock cluster: is the loopback interface up?")
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, _FIRST_REBALANCE_DELAY_MS)

    @property
    def bootstrap(self) -> str:
        """The broker's address, host:port. The library picks the port; it cannot be chosen."""
        address: bytes = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Make an empty topic; raises StartError with librdkafka's reason when it refuses."""
        code = self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, _REPLICATION_FACTOR)
        if code != 0:
            reason: bytes = self._lib.rd_kafka_err2str(code)
            raise StartError(f"cannot create topic {name} with {partitions} partitions: {reason.decode()}")


def _declare(path: Path) -> ctypes.CDLL:
    """Load the library and give every function used its C signature (the default, int, would cut pointers)."""
    try:
        lib = ctypes.CDLL(str(path))
        lib.rd_kafka_conf_new.restype = ctypes.c_void_p
        lib.rd_kafka_new.restype = ctypes.c_void_p
        lib.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        lib.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
        lib.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
        lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        lib.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
        lib.rd_kafka_mock_topic_create.restype = ctypes.c_int
        lib.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
        lib.rd_kafka_mock_group_initial_rebalance_delay_ms.restype = None
        lib.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [ctypes.c_void_p, ctypes.c_int32]
        lib.rd_kafka_err2str.restype = ctypes.c_char_p
        lib.rd_kafka_err2str.argtypes = [ctypes.c_int]
    except (OSError, AttributeError) as error:
        raise StartError(f"{path} cannot be used as librdkafka ({error}); reinstall confluent-kafka") from error
    return lib
