"""The ClickHouse process of the embedded mode and of the local image: `python -m services.embedded.clickhouse`."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import zoneinfo
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import uvicorn

from services.embedded.clickhouse.app import Front
from services.embedded.clickhouse.engine import Engine
from services.embedded.clickhouse.execution import Executor
from services.embedded.clickhouse.querylog import QueryLog
from services.embedded.clickhouse.rights import write_configuration
from services.embedded.clickhouse.server_users import read_server_users
from services.embedded.clickhouse.settings import identifier
from services.embedded.clickhouse.users import Users, read_users
from services.embedded.lifetime import StartError, fail, watch_parent, write_atomically

PROGRAM: Final = "clickhouse"
# INSERT … FROM INFILE reads a path with these as a pattern, finds nothing, and reports success.
_WILDCARD: Final = re.compile(r"[*?{}\[\]'\\]")
# Running statements get a second after SIGTERM; then the log gets half of one, and the process ends.
_GRACE_SECONDS: Final = 1
_LOG_SECONDS: Final = 2.0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line of the process."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="ClickHouse's HTTP interface over one chDB engine.")
    parser.add_argument("--data", type=Path, required=True, help="data folder; one process at a time")
    parser.add_argument("--users", type=Path, required=True, help="users: a JSON file, or a folder users.d")
    parser.add_argument("--database", default="", help="database to make unless it is there")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8123, help="port; 0 takes a free one (default %(default)s)")
    parser.add_argument("--timezone", default="UTC", help="session time zone of every user (default %(default)s)")
    parser.add_argument("--address-file", type=Path, help="file that gets the address, host:port")
    parser.add_argument("--parent-pid", type=int, help="end when this process, the parent, has ended")
    return parser.parse_args(arguments)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; raises StartError when it is taken or not of this host."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror}; choose another port (--port)") from error
    return listener


def make_spool(data: Path) -> Path:
    """An empty folder for the data of INSERTs; raises StartError where the engine would take its path for a pattern."""
    spool = data / "spool"
    if _WILDCARD.search(str(spool)):
        raise StartError(
            f"the path of the data folder {data} has one of * ? {{ }} [ ] ' \\ in it; choose another (--data)"
        )
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    return spool


def make_database(engine: Engine, name: str) -> None:
    """Make a database unless it is there or `name` is empty."""
    if name:
        with contextlib.closing(engine.connect()) as connection:
            connection.query(f"CREATE DATABASE IF NOT EXISTS {identifier(name)}", "Null")


def read_declared(path: Path) -> tuple[Users, Mapping[str, Sequence[str]] | None]:
    """The users of a folder users.d with their grants, or of a credentials file, which says nothing of grants."""
    if not path.is_dir():
        return read_users(path), None
    declared = read_server_users(path)
    return declared.users, declared.grants


def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent; raises StartError when it cannot start."""
    if options.timezone not in zoneinfo.available_timezones():
        raise StartError(f"{options.timezone} is not a time zone; use a name such as Europe/Berlin (--timezone)")
    users, grants = read_declared(options.users)
    listener = listen(options.host, options.port)
    engine = Engine(options.data, write_configuration(options.data.resolve(), grants) if grants else None)
    make_database(engine, options.database)
    log = QueryLog(engine)
    executor = Executor(engine, options.timezone, make_spool(engine.folder), holds_grants=grants is not None)
    front = Front(executor, users, log, engine.version)
    config = uvicorn.Config(
        front.application(),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    watch_parent(options.parent_pid, lambda: os.kill(os.getpid(), signal.SIGTERM))
    log.start()
    if options.address_file:
        host, port = listener.getsockname()[:2]
        write_atomically(options.address_file, f"{host}:{port}\n")
    # uvicorn raises the signal that stopped it once more at its end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])
    log.close(_LOG_SECONDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; 0 after a stop, 2 when it could not start."""
    options = parse_arguments(arguments)
    try:
        serve(options)
    except StartError as error:
        return fail(PROGRAM, error)
    return 0


if __name__ == "__main__":
    code = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # Statements that outlast the grace run in threads that cannot be ended, and the engine waits for its merges. Its
    # data is as safe as after a kill: what was answered is on disk.
    os._exit(code)
