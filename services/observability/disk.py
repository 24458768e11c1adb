"""Room on the disk: of the file system that this process's own root is on.

In the stack that is where the container engine keeps its data, the volumes of MySQL, Kafka and ClickHouse included, as
long as nobody has put these elsewhere. Neither MySQL nor Kafka tells its clients how much room it has.
"""

import shutil
from pathlib import Path
from typing import Final

from services.observability import metrics

_ROOT: Final = Path("/")


def export_disk() -> None:
    """Has the metrics ask whenever they are read."""
    metrics.DISK_FREE.set_function(lambda: shutil.disk_usage(_ROOT).free)
    metrics.DISK_SIZE.set_function(lambda: shutil.disk_usage(_ROOT).total)
