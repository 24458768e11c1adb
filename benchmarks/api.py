"""Orders a second: `python -m benchmarks.api [SECONDS ROUNDS]`. Takes about five minutes.

One api process, orders of two items with their stock reserved, 1, 16 and 64 clients that post as fast as they are
answered, on a durable MySQL in a container (the local image, through the engine's port proxy) and on SQLite. Beside
them the floors: the same statements in a bare pymysql loop, twelve light statements in such a loop, as many as the
original sends, and a bare Starlette POST. All of them take turns, round after round, so that what disturbs the machine
disturbs them alike; kept is the median round.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pulumi
import sqlalchemy as sa

from benchmarks.machine import keep, machine
from infra.components import images, network
from infra.components.mysql import MySQL, MySQLArgs
from infra.components.passwords import Passwords
from infra.config import load as load_config
from services.clients.database import connect
from services.clients.relational_schema import migrate
from services.domain.catalogue import load_catalogue
from services.domain.tables import inventory
from services.settings import DatabaseSettings
from tests.support.demo import free_port
from tests.support.process import Subprocess
from tests.support.stack.stack import Stack

CLIENTS = (1, 16, 64)
# the original on this kind of machine, through the engine's port proxy: orders a second by clients
ORIGINAL = {1: 110, 16: 228, 64: 240}


def durable_mysql() -> None:
    """The stack's MySQL alone, as it ships."""
    config = load_config()
    secret, site = Passwords(), network.place(config.prefix, config.bind, config.host)
    root = secret.of["mysql-root"]
    port = config.ports["mysql"]
    image = images.local(None).mysql
    MySQL(site, MySQLArgs(image=image, root_password=root, password=secret.of["mysql-admin"], port=port))
    pulumi.export("environment", {"url": pulumi.Output.concat("mysql://root:", root, f"@127.0.0.1:{port}/ecommerce")})


def prepared(url: str) -> str:
    """The database with schema, catalogue and more stock than anybody can buy; returns its URL."""
    engine = connect(DatabaseSettings.model_validate({"database_url": url}))
    migrate(engine, "UTC")
    load_catalogue(engine)
    with engine.begin() as connection:
        connection.execute(sa.update(inventory).values(quantity=2_000_000_000))
    engine.dispose()
    return url


class Server:
    """A process that answers HTTP on a port of its own; what it says goes to ``log``."""

    def __init__(self, arguments: list[str], environment: dict[str, str], port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._process = Subprocess(arguments, log, environment)
        self._process.wait_ready(self._answers, arguments[0], 30)
        self.stop = self._process.stop

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code in (200, 404)
        except httpx.TransportError:
            return False

    def cpu(self) -> float:
        """Processor seconds used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def hammered(self, clients: int, seconds: float) -> dict[str, Any]:
        """What the clients saw, and the processor seconds a thousand orders cost here."""
        before = self.cpu()
        said = _json(["benchmarks.hammer", self.url, str(clients), str(seconds)])
        placed = said["statuses"].get("201", 0)
        assert placed == sum(said["statuses"].values()), f"not every order was accepted: {said['statuses']}"
        return {**said, "cpu_s_per_1000": round((self.cpu() - before) / placed * 1000, 2)}


def _json(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@contextmanager
def everything(folder: Path) -> Iterator[dict[str, Any]]:
    """What is measured, by name: a callable of (clients, seconds)."""
    with ExitStack() as ends:
        stack = ends.enter_context(Stack({"images": "local", "sink": "python"}, program=durable_mysql))
        stack.up()
        stack.wait_healthy()
        mysql = prepared(stack.outputs["environment"]["url"])
        sqlite = prepared(f"sqlite:///{folder / 'shop.db'}")

        def api(url: str) -> Server:
            port = free_port()
            nowhere = {"CLICKHOUSE_HOST": "http://127.0.0.1:9", "CLICKHOUSE_PASSWORD": "none"}
            environment = {"DATABASE_URL": url, "PORT": str(port), "LOG_LEVEL": "WARNING", **nowhere}
            environment["MILLRACE_DEMO_DATA"] = str(folder / "no-demo")
            return Server(["services.api"], environment, port, folder / f"api-{port}.log")

        port = free_port()
        servers = {
            "api on MySQL": api(mysql),
            "api on SQLite": api(sqlite),
            "bare Starlette POST": Server(["benchmarks.floors", "http", str(port)], {}, port, folder / "floor.log"),
        }
        for server in servers.values():
            ends.callback(server.stop)
        yield {
            "api on MySQL": servers["api on MySQL"].hammered,
            "bare pymysql loop": lambda clients, seconds: _json(
                ["benchmarks.floors", "sql", mysql, str(clients), str(seconds)]
            ),
            "twelve statements": lambda clients, seconds: _json(
                ["benchmarks.floors", "twelve", mysql, str(clients), str(seconds)]
            ),
            "api on SQLite": servers["api on SQLite"].hammered,
            "bare Starlette POST": servers["bare Starlette POST"].hammered,
        }


def measured(seconds: float, rounds: int) -> dict[str, Any]:
    """The median round of each, and the ratios that matter."""
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory(prefix="millrace-api-") as folder, everything(Path(folder)) as contestants:
        for contestant in contestants.values():
            contestant(4, 2.0)  # warm-up
        for number in range(rounds):
            for clients in CLIENTS:
                for name, contestant in contestants.items():
                    print(f"round {number + 1} of {rounds}: {name}, {clients} clients", file=sys.stderr, flush=True)
                    found.setdefault(name, {}).setdefault(clients, []).append(contestant(clients, seconds))
                    time.sleep(0.2)
    median = {name: {clients: _median(runs) for clients, runs in by.items()} for name, by in found.items()}
    rate = {name: {clients: figures["per_second"] for clients, figures in by.items()} for name, by in median.items()}
    mysql = rate["api on MySQL"]
    return {
        "seconds": seconds,
        "rounds": rounds,
        "orders_per_second": rate,
        "of_the_original": {clients: round(mysql[clients] / ORIGINAL[clients], 2) for clients in CLIENTS},
        **{
            f"of_the_{name.replace(' ', '_')}": {n: round(mysql[n] / rate[name][n], 2) for n in CLIENTS}
            for name in ("bare pymysql loop", "twelve statements")
        },
        "each": median,
    }


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    middle = statistics.median_low([run["per_second"] for run in runs])
    return next(run for run in runs if run["per_second"] == middle)


def main(arguments: list[str]) -> int:
    """Runs all of it; returns the exit code."""
    where = machine()
    seconds, rounds = (*map(float, arguments), 5.0, 3.0)[:2] if len(arguments) != 1 else (float(arguments[0]), 3.0)
    keep("api", measured(seconds, int(rounds)), where)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
