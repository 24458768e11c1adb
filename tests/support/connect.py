"""A Kafka Connect worker's REST interface over real HTTP, with connectors that are dictionaries."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.http_server import Answer, Request, answering


@dataclass
class FakeConnector:
    """What a test may change at any time; ``failed`` maps a task's number to its trace."""

    config: dict[str, str]
    state: str = "RUNNING"
    failed: dict[int, str] = field(default_factory=dict)
    offsets: list[dict[str, Any]] = field(default_factory=list)
    stale: list[dict[str, Any] | None] = field(default_factory=list)
    """What the next looks at its status see in place of it; None: that there is none yet."""

    def status(self, name: str) -> dict[str, Any]:
        """As GET /connectors/NAME/status answers; a stopped connector has no tasks."""
        count = 0 if self.state == "STOPPED" else int(self.config.get("tasks.max", "1"))
        return {
            "name": name,
            "type": "sink",
            "connector": {"state": self.state, "worker_id": "worker:8083"},
            "tasks": [self._task(number) for number in range(count)],
        }

    def _task(self, number: int) -> dict[str, Any]:
        if number in self.failed:
            return {"id": number, "state": "FAILED", "worker_id": "worker:8083", "trace": self.failed[number]}
        return {"id": number, "state": self.state, "worker_id": "worker:8083"}


class FakeConnect:
    """The worker: its connectors, what was asked of it, and answers that a test puts before its own."""

    def __init__(self) -> None:
        self.url = ""
        self.plugins = [{"class": "com.example.Sink", "type": "sink", "version": "1.0"}]
        self.connectors: dict[str, FakeConnector] = {}
        self.requests: list[tuple[str, str]] = []
        self.credentials: tuple[str, str] | None = None
        """User and password that it wants; None: it answers everybody."""
        self.trace_of_new_tasks: str | None = None
        self.answers_to_put: Answer | None = None
        """In place of taking a configuration."""
        self.lag = 0
        """So many looks at a connector that was just changed see what it was before."""
        self._answers: list[Answer] = []
        self._go = threading.Event()
        self._go.set()

    def fail_task(self, name: str, number: int, trace: str) -> None:
        """That task is FAILED from now on."""
        self.connectors[name].failed[number] = trace

    def answer_next(self, status: int, body: Any, times: int = 1) -> None:
        """Answers so many requests like this, whatever they ask; a str goes as it is."""
        self._answers += [(status, body)] * times

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Within it nothing is answered."""
        self._go.clear()
        try:
            yield
        finally:
            self._go.set()

    def lets_in(self, authorization: str) -> bool:
        """Whether a request with this header is answered."""
        if self.credentials is None:
            return True
        return authorization == f"Basic {base64.b64encode(':'.join(self.credentials).encode()).decode()}"

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """What the worker says to a request."""
        self._go.wait(60)
        self.requests.append((method, target))
        if self._answers:
            return self._answers.pop(0)
        path = urlsplit(target).path.strip("/")
        if path == "":
            return 200, {"version": "4.3.1", "commit": "0", "kafka_cluster_id": "x"}
        if path == "connector-plugins":
            return 200, self.plugins
        if path == "connectors":
            if "expand=status" in target:
                return 200, {name: {"status": made.status(name)} for name, made in self.connectors.items()}
            return 200, list(self.connectors)
        name, _, what = path.removeprefix("connectors/").partition("/")
        return self._of_connector(method, unquote(name), what, body)

    def _of_connector(self, method: str, name: str, what: str, body: Any) -> Answer:
        if (method, what) == ("PUT", "config"):
            return self._configure(name, body)
        connector = self.connectors.get(name)
        if connector is None:
            return 404, {"error_code": 404, "message": f"Connector {name} not found"}
        if (method, what) == ("DELETE", "offsets"):
            if connector.state != "STOPPED":
                return 400, {
                    "error_code": 400,
                    "message": "Connectors must be in the STOPPED state",
                }
            connector.offsets = []
            return 200, {"message": "The offsets for this connector have been reset successfully"}
        if method == "DELETE":
            del self.connectors[name]
            return 204, None
        states = {"pause": "PAUSED", "stop": "STOPPED", "resume": "RUNNING", "restart": "RUNNING"}
        if what in states:
            if connector.state != states[what] or what == "restart":
                connector.stale = [connector.status(name)] * self.lag
                connector.state = states[what]
                self._start_tasks(connector)
            return (204 if what == "stop" else 202), None
        if what == "status" and connector.stale:
            before = connector.stale.pop(0)
            return (200, before) if before else (404, {"error_code": 404, "message": f"No status found for {name}"})
        answers = {
            "config": {**connector.config, "name": name},
            "status": connector.status(name),
            "offsets": {"offsets": connector.offsets},
        }
        return 200, answers[what]

    def _configure(self, name: str, body: dict[str, str]) -> Answer:
        if self.answers_to_put is not None:
            return self.answers_to_put
        known = self.connectors.get(name)
        if known is not None:
            known.stale = [known.status(name)] * self.lag
            known.config = body
            self._start_tasks(known)
            return 200, {"name": name, "config": body}
        made = self.connectors[name] = FakeConnector(body, stale=[None] * self.lag)
        self._start_tasks(made)
        return 201, {"name": name, "config": body}

    def _start_tasks(self, connector: FakeConnector) -> None:
        connector.failed = {} if self.trace_of_new_tasks is None else {0: self.trace_of_new_tasks}


@contextmanager
def serve_connect() -> Iterator[FakeConnect]:
    """A worker on a free port of 127.0.0.1."""
    fake = FakeConnect()

    def answer(request: Request) -> Answer:
        given = {name.lower(): value for name, value in request.headers.items()}
        if not fake.lets_in(given.get("authorization", "")):
            return 401, b"User cannot access the resource."
        status, body = fake.answer(request.method, request.target, json.loads(request.body or b"null"))
        return status, body.encode() if isinstance(body, str) else body

    with answering(answer) as fake.url:
        yield fake
