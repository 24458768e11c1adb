"""Starts the pipeline in order, restarts what dies, and stops everything within five seconds.

The broker keeps its messages in memory, so its death is special: the workers that still speak to it are ended first,
their lease is revoked (late marks of theirs then change nothing), and only then a new broker and new workers start.
What the old broker lost is found by comparing versions (the reconciler's pass), not by trusting "processed".
"""

import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

import urllib3

from services import events
from services.clients.clickhouse import connect as connect_clickhouse
from services.clients.clickhouse_schema import ClickHouseSchemaError, migrate_clickhouse
from services.clients.database import connect
from services.clients.lease import revoke
from services.clients.relational_schema import SchemaError, migrate, require_current
from services.domain.catalogue import load_catalogue
from services.embedded.demo.child import Child
from services.embedded.demo.folder import DemoFolder, FolderInUse
from services.observability.process import StopSignal
from services.settings import DatabaseSettings

WORKERS = ("relay", "transformer", "sink")
_LEASES = ("relay", "aggregator")
_METRICS_SETTINGS = tuple(f"{name}_METRICS_PORT" for name in ("RELAY", "TRANSFORMER", "SINK", "AGGREGATOR", "VERIFY"))
_READY_SECONDS, _STOP_SECONDS, _LOOK_SECONDS = 60.0, 3.2, 0.1
_MAX_UNREAD_BYTES = 3_500_000
# a killed worker's partitions are handed on after the session timeout (6 s); what waits for that is not lost
_IN_FLIGHT_SECONDS = 15


class DemoError(Exception):
    """The demo cannot start or go on; the message is one line that says what to do."""


@dataclass(frozen=True)
class DemoOptions:
    """What a demo can be told. Ports of 0 for metrics turn them off."""

    port: int = 3000
    clickhouse_port: int = 8123
    business_timezone: str = "UTC"
    partitions: int = 6
    metrics_ports: tuple[int, int, int, int, int] = (9101, 9102, 9103, 9104, 9105)


class Supervisor:
    """One demo on one data folder. ``say`` gets a line for whatever a person should know."""

    def __init__(self, folder: DemoFolder, options: DemoOptions, say: Callable[[str], None]) -> None:
        self._folder, self._options, self._say = folder, options, say
        self._children: dict[str, Child] = {}

    @property
    def link(self) -> str:
        """The dashboard."""
        return f"http://localhost:{self._options.port}/"

    @property
    def admin_token(self) -> str:
        """Of this demo; made with its folder."""
        return self._secrets.admin_token

    def run(self, stop: StopSignal, ready: Callable[["Supervisor"], None]) -> None:
        """Works until told to stop. Raises DemoError when it cannot start."""
        try:
            self._folder.lock()
        except FolderInUse as taken:
            raise DemoError(f"{taken}: stop it, or choose another folder with --data") from None
        except OSError as unwritable:
            raise DemoError(f"{self._folder.root} cannot be written ({unwritable.strerror}): choose --data") from None
        try:
            self._check_ports()
            self._secrets = self._folder.secrets()
            self._folder.write_clickhouse_users(self._secrets)
            self._start(stop)
            if not stop.stopped:
                ready(self)
                self._launch("reconciler", "services.reconciler")
            while not stop.wait(_LOOK_SECONDS):
                self._look(stop)
        finally:
            self._stop_all()
            self._folder.unlock()

    # ---- start

    def _check_ports(self) -> None:
        wanted = {"PORT (--port)": self._options.port, "CLICKHOUSE_DEMO_PORT": self._options.clickhouse_port}
        metrics = ("RELAY", "TRANSFORMER", "SINK", "AGGREGATOR", "VERIFY")
        wanted |= {
            f"{name}_METRICS_PORT": port for name, port in zip(metrics, self._options.metrics_ports, strict=True)
        }
        for setting, port in wanted.items():
            if port:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        probe.bind(("127.0.0.1", port))
                    except OSError as taken:
                        raise DemoError(
                            f"port {port} is taken ({taken.strerror}; another demo?): stop what listens there, "
                            f"or set {setting} to a free one"
                        ) from None

    def _start(self, stop: StopSignal) -> None:
        self._launch(
            "clickhouse",
            "services.embedded.clickhouse",
            "--data",
            str(self._folder.clickhouse),
            "--port",
            str(self._options.clickhouse_port),
            "--timezone",
            self._options.business_timezone,
            "--users",
            str(self._folder.clickhouse_users),
            "--parent-pid",
            str(os.getpid()),
        )
        self._launch_broker()
        self._prepare_database()
        self._launch("api", "services.api")
        self._wait("ClickHouse", "clickhouse", self._clickhouse_answers, stop)
        self._prepare_clickhouse()
        self._launch("aggregator", "services.aggregator")
        self._wait("the broker", "broker", self._broker_answers, stop)
        self._folder.write_environment(self.environment())
        for worker in WORKERS:
            self._launch(worker, f"services.{worker}")
        self._wait("the API", "api", self._api_answers, stop)

    def _launch(self, name: str, *arguments: str) -> None:
        child = self._children.setdefault(name, Child(name, arguments, self._folder.logs / f"{name}.log"))
        child.start(self._child_environment())

    def _launch_broker(self) -> None:
        self._folder.bootstrap.unlink(missing_ok=True)
        topics = (f"--topic={topic}:{self._options.partitions}" for topic in events.all_topics())
        address = ("--bootstrap-file", str(self._folder.bootstrap), "--parent-pid", str(os.getpid()))
        self._launch("broker", "services.embedded.broker", *address, *topics)

    def _prepare_database(self) -> None:
        engine = connect(DatabaseSettings(database_url=f"sqlite:///{self._folder.database}"))
        try:
            try:
                require_current(engine, self._options.business_timezone)
            except SchemaError:
                migrate(engine, self._options.business_timezone)
            load_catalogue(engine)
            revoke(engine, "relay")
        except SchemaError as unusable:
            raise DemoError(f"{unusable} (data folder {self._folder.root})") from None
        finally:
            engine.dispose()

    def _prepare_clickhouse(self) -> None:
        client = connect_clickhouse(
            self._clickhouse_url(), user="writer", password=self._secrets.writer_password, database="analytics"
        )
        try:
            migrate_clickhouse(client, self._options.business_timezone)
        except ClickHouseSchemaError as unusable:
            raise DemoError(f"{unusable} (data folder {self._folder.root})") from None
        finally:
            client.close()

    def _wait(self, what: str, name: str, answers: Callable[[], bool], stop: StopSignal) -> None:
        deadline, child = time.monotonic() + _READY_SECONDS, self._children[name]
        while not answers():
            how = child.ended()
            if how is not None:
                raise DemoError(f"{what} did not start ({how}): {child.last_words()}")
            if time.monotonic() > deadline:
                raise DemoError(f"{what} is not ready after {_READY_SECONDS:g} s: see {child.log}")
            if stop.wait(0.02):
                return

    # ---- what the processes are told

    def _clickhouse_url(self) -> str:
        return f"http://127.0.0.1:{self._options.clickhouse_port}"

    def environment(self) -> dict[str, str]:
        """The settings of this demo's processes and of commands that speak to it."""
        metrics = zip(_METRICS_SETTINGS, map(str, self._options.metrics_ports), strict=True)
        address = self._folder.bootstrap.read_text().strip() if self._folder.bootstrap.exists() else "127.0.0.1:9"
        return {
            "BUSINESS_TIMEZONE": self._options.business_timezone,
            "DATABASE_URL": f"sqlite:///{self._folder.database}",
            "KAFKA_BROKERS": address,
            "KAFKA_COMPRESSION": "zstd",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "KAFKA_MAX_UNREAD_BYTES": str(_MAX_UNREAD_BYTES),
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "CLICKHOUSE_HOST": self._clickhouse_url(),
            "CLICKHOUSE_USER": "writer",
            "CLICKHOUSE_PASSWORD": self._secrets.writer_password,
            "CLICKHOUSE_DATABASE": "analytics",
            "CLICKHOUSE_READER_USER": "reader",
            "CLICKHOUSE_READER_PASSWORD": self._secrets.reader_password,
            "PORT": str(self._options.port),
            "VERIFY_IN_FLIGHT": str(_IN_FLIGHT_SECONDS),
            "MILLRACE_ADMIN_TOKEN": self._secrets.admin_token,
            "PAYMENT_SANDBOX_FILE": str(self._folder.payment_sandbox),
            **dict(metrics),
        }

    def _child_environment(self) -> dict[str, str]:
        return {**self.environment(), "MILLRACE_PARENT_PID": str(os.getpid())}

    # ---- readiness

    def _broker_answers(self) -> bool:
        return self._folder.bootstrap.exists()

    def _clickhouse_answers(self) -> bool:
        return _answers(f"{self._clickhouse_url()}/ping")

    def _api_answers(self) -> bool:
        return _answers(f"http://127.0.0.1:{self._options.port}/readyz")

    # ---- watching

    def _look(self, stop: StopSignal) -> None:
        for child in list(self._children.values()):
            how = child.ended()
            if how is not None and child.name == "broker":
                self._replace_broker(how, stop)
                return
            if how is not None:
                if child.name in _LEASES:
                    self._revoke(child.name)
                pause = child.schedule_restart()
                self._say(f"{child.name} died ({how}); starting it again in {pause:.1f} s (log: {child.log})")
            elif child.due is not None and time.monotonic() >= child.due:
                child.start(self._child_environment())
                self._say(f"{child.name} is back (pid {child.pid}, restart {child.restarts})")

    def _replace_broker(self, how: str, stop: StopSignal) -> None:
        self._say(f"broker died ({how}), and what was unread in it with it; replacing it and its workers")
        for worker in (*WORKERS, "reconciler"):
            self._children[worker].kill()
        self._revoke("relay")
        self._children["broker"].restarts += 1
        self._launch_broker()
        self._wait("the broker", "broker", self._broker_answers, stop)
        self._folder.write_environment(self.environment())
        for worker in (*WORKERS, "reconciler"):
            self._children[worker].restarts += 1
            self._children[worker].start(self._child_environment())
        self._say("broker and workers are back; orders it had lost are restated within a minute")

    def _revoke(self, lease: str) -> None:
        """The holder is dead for certain: its successor need not wait until the lease expires."""
        engine = connect(DatabaseSettings(database_url=f"sqlite:///{self._folder.database}"))
        try:
            revoke(engine, lease)
        finally:
            engine.dispose()

    # ---- stop

    def _stop_all(self) -> None:
        servers = [self._children[name] for name in ("broker", "clickhouse") if name in self._children]
        workers = [child for child in self._children.values() if child not in servers]
        _end(workers, _STOP_SECONDS)
        _end(servers, 1.5)


def _end(children: Iterable[Child], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    group = list(children)
    for child in group:
        child.terminate()
    for child in group:
        if not child.wait(deadline):
            child.kill()


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, timeout=1.0, retries=False).status == HTTPStatus.OK
    except urllib3.exceptions.HTTPError:
        return False
