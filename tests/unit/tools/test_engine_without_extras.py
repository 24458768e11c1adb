"""chdb-core and clickhouse-connect work without the packages that the locks leave out."""

from __future__ import annotations

import subprocess
import sys

# A name that sys.modules maps to None cannot be imported: as on a machine without the package.
PROBE = """
import sys
sys.modules.update(dict.fromkeys(["pandas", "pyarrow", "numpy", "dateutil"]))
import clickhouse_connect.driver.httpclient
from chdb import session
engine = session.Session()
engine.query("CREATE DATABASE probe")
engine.query("CREATE TABLE probe.t (a UInt64, b Decimal(18, 2)) ENGINE = MergeTree ORDER BY a")
engine.query("INSERT INTO probe.t VALUES (1, 0.10), (2, 0.20)")
print(engine.query("SELECT sum(b) FROM probe.t", "TabSeparated").bytes().decode().strip())
"""


def test_the_engine_answers_without_pandas_and_pyarrow() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("0.3\n", 0), done.stderr
