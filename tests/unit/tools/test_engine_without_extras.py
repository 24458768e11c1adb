"""chdb-core and clickhouse-connect work without the packages that the locks leave out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# A name that sys.modules maps to None cannot be imported: as on a machine without the package.
# The engine as the front loads it: chDB's own package wants pyarrow for its sessions.
PROBE = """
import sys
from pathlib import Path
sys.modules.update(dict.fromkeys(["pandas", "pyarrow", "numpy", "dateutil"]))
import clickhouse_connect.driver.httpclient
from services.embedded.clickhouse.engine import Engine
connection = Engine(Path(sys.argv[1])).connect()
for statement in (
    "CREATE DATABASE probe",
    "CREATE TABLE probe.t (a UInt64, b Decimal(18, 2)) ENGINE = MergeTree ORDER BY a",
    "INSERT INTO probe.t VALUES (1, 0.10), (2, 0.20)",
):
    connection.query(statement, "TSVRaw")
print(connection.query("SELECT sum(b) FROM probe.t", "TSVRaw").data.decode().strip())
"""


def test_the_engine_answers_without_pandas_and_pyarrow(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROBE, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("0.3\n", 0), done.stderr
