"""Kafka Connect over its REST interface: what runs there, how it is doing, how far it has come.

A worker that is rebalancing answers 409 to whatever changes something; that passes, so such a request is made again.
"""

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import urllib3
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_random_exponential
from urllib3.util import make_headers

from services.settings import ConnectSettings

T = TypeVar("T")

SINK_CONNECTOR: Final = "clickhouse-sink-orders"
"""What loads ClickHouse in the stack with `sink: connect`."""
_CAUSE: Final = "Caused by: "
_CONFLICT, _NOT_FOUND, _UNAUTHORIZED, _OK_BELOW = 409, 404, 401, 300
_SECONDS_OF_REBALANCE: Final = 60
_LONGEST_MESSAGE: Final = 500


class ConnectError(Exception):
    """Connect refused or could not do something; one line that says what. ``status`` is HTTP's, where there is one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ConnectUnavailable(ConnectError):
    """No worker answers, or it is busy with itself: the same request can succeed later."""


class NoSuchConnector(ConnectError):
    """There is no connector of that name."""


class State(enum.StrEnum):
    """Of a connector or of a task."""

    UNASSIGNED = "UNASSIGNED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    RESTARTING = "RESTARTING"
    DESTROYED = "DESTROYED"
    UNKNOWN = "UNKNOWN"
    """A state that this program does not know."""

    @classmethod
    def _missing_(cls, value: object) -> "State":
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task; ``trace`` is a failed one's stack trace, many lines."""

    id: int
    state: State
    worker: str
    trace: str | None


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """A connector and its tasks. A task that FAILED leaves the connector's own state RUNNING."""

    name: str
    type: str
    state: State
    worker: str
    trace: str | None
    tasks: tuple[TaskStatus, ...]

    @property
    def running(self) -> bool:
        """Whether it works: the connector and every task RUNNING, and at least one task."""
        return self.state is State.RUNNING and bool(self.tasks) and all(t.state is State.RUNNING for t in self.tasks)

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for the connector and each task that FAILED: which, and the first line of its trace."""
        connector = [f"connector {self.name}: {_first_line(self.trace)}"] if self.state is State.FAILED else []
        tasks = [
            f"connector {self.name}, task {task.id}: {_first_line(task.trace)}"
            for task in self.tasks
            if task.state is State.FAILED
        ]
        return tuple(connector + tasks)

    @property
    def cause(self) -> str:
        """What ended it, in one line: what a stack trace ends with says most. Empty where nothing FAILED."""
        traces = [self.trace, *(task.trace for task in self.tasks)]
        causes = [line for trace in traces for line in (trace or "").splitlines() if line.startswith(_CAUSE)]
        return causes[-1].removeprefix(_CAUSE)[:_LONGEST_MESSAGE] if causes else "; ".join(self.failures)


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a connector has come in one partition of its source; both in the connector's own terms.

    Of a sink: ``{"kafka_topic": …, "kafka_partition": …}`` and ``{"kafka_offset": …}``. ``offset`` is None where the
    partition was reset.
    """

    partition: Mapping[str, Any]
    offset: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Plugin:
    """A connector class that the worker could load: ``type`` is sink or source."""

    class_name: str
    type: str
    version: str


def sink_group(connector: str) -> str:
    """The consumer group that Connect gives a sink connector."""
    return f"connect-{connector}"


class ConnectClient:
    """One Connect cluster. May be shared by threads. Every method raises ConnectError and its kinds."""

    def __init__(
        self,
        url: str,
        credentials: tuple[str, str] | None = None,
        *,
        timeout: float = 30,
        patience: float = _SECONDS_OF_REBALANCE,
    ) -> None:
        """``url`` as of CONNECT_URL; ``credentials``: user and password of the interface, where it has them.

        Seconds: ``timeout`` of an answer, ``patience`` with a rebalance.
        """
        self.url = url.rstrip("/")
        self._login = make_headers(basic_auth=":".join(credentials)) if credentials else {}
        self._patience = patience
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=min(5.0, timeout), read=timeout), retries=False, maxsize=4
        )

    @classmethod
    def of(cls, settings: ConnectSettings, *, timeout: float = 30, patience: float = _SECONDS_OF_REBALANCE) -> Self:
        """The cluster that the settings name."""
        user, password = settings.connect_user, settings.connect_password
        credentials = (user, password.get_secret_value()) if user and password else None
        return cls(settings.connect_url, credentials, timeout=timeout, patience=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the kept connections."""
        self._pool.clear()

    def version(self) -> str:
        """The worker's version: an answer means that its REST interface is up."""
        return self._get("/", lambda answer: str(answer["version"]))

    def plugins(self) -> tuple[Plugin, ...]:
        """The connector classes that are installed."""
        return self._get("/connector-plugins", _plugins)

    def connectors(self) -> tuple[str, ...]:
        """The names of the connectors, stopped ones included, sorted."""
        return self._get("/connectors", lambda answer: tuple(sorted(answer)))

    def statuses(self) -> dict[str, ConnectorStatus]:
        """Every connector's status by its name, in one request."""
        return self._get(
            "/connectors?expand=status",
            lambda answer: {name: _status(answer[name]["status"]) for name in sorted(answer)},
        )

    def status(self, name: str) -> ConnectorStatus:
        """One connector's status. Raises NoSuchConnector, also for a moment after it was made."""
        return self._get(f"{_path(name)}/status", _status, name)

    def config(self, name: str) -> dict[str, str]:
        """Its configuration, ``name`` included; placeholders as they were given, never their values."""
        return self._get(f"{_path(name)}/config", dict, name)

    def put_config(self, name: str, config: Mapping[str, str]) -> bool:
        """Makes the connector, or gives it this configuration; True when it was made.

        Raises ConnectError with the worker's reason when the configuration is not valid.
        """
        status, _ = self._request("PUT", f"{_path(name)}/config", name, config)
        return status == 201

    def pause(self, name: str) -> None:
        """Tasks stay but do nothing. Returns when it is decided, not when it is done: see ``status``."""
        self._request("PUT", f"{_path(name)}/pause", name)

    def resume(self, name: str) -> None:
        """From paused or stopped on; also only decided."""
        self._request("PUT", f"{_path(name)}/resume", name)

    def stop(self, name: str) -> None:
        """Ends the tasks and keeps configuration and offsets; also only decided."""
        self._request("PUT", f"{_path(name)}/stop", name)

    def restart(self, name: str, *, only_failed: bool = False) -> None:
        """The connector and its tasks, or those of them that FAILED; also only decided."""
        flag = "true" if only_failed else "false"
        self._request("POST", f"{_path(name)}/restart?includeTasks=true&onlyFailed={flag}", name)

    def delete(self, name: str) -> None:
        """Removes the connector. A sink's offsets stay in its consumer group, a source's in the worker's topic."""
        self._request("DELETE", _path(name), name)

    def offsets(self, name: str) -> tuple[Offset, ...]:
        """The offsets it has committed; none before the first commit. A source's lag by offset.flush.interval.ms."""
        return self._get(f"{_path(name)}/offsets", _offsets, name)

    def reset_offsets(self, name: str) -> None:
        """Forgets how far it has come. Raises ConnectError while it or a task of it is not STOPPED."""
        self._request("DELETE", f"{_path(name)}/offsets", name)

    def _get(self, path: str, read: Callable[[Any], T], name: str | None = None) -> T:
        answer = self._request("GET", path, name)[1]
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._strange() from None

    def _request(
        self, method: str, path: str, name: str | None = None, body: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded answer (None: empty) of a request that succeeded; made anew while a rebalance goes on."""
        attempts = Retrying(
            retry=retry_if_result(lambda response: response.status == _CONFLICT),
            stop=stop_after_delay(self._patience),
            wait=wait_random_exponential(multiplier=0.1, max=2),
        )
        try:
            response = attempts(self._send, method, path, body)
        except RetryError as still:
            response = still.last_attempt.result()
            why = _reason(response)
            raise ConnectUnavailable(
                f"Kafka Connect is still rebalancing after {self._patience:g} s: {why}", 409
            ) from None
        if response.status >= _OK_BELOW:
            raise self._refusal(response, method, path, name)
        return response.status, self._decoded(response)

    def _send(self, method: str, path: str, body: Mapping[str, str] | None) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", **self._login}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._pool.request(
                method, self.url + path, body=None if body is None else json.dumps(dict(body)), headers=headers
            )
        except (urllib3.exceptions.HTTPError, ValueError) as away:
            why = _first_line(str(away))
            raise ConnectUnavailable(f"Kafka Connect at {self.url} does not answer ({why}): see CONNECT_URL") from None

    def _decoded(self, response: urllib3.BaseHTTPResponse) -> Any:
        if not response.data:
            return None
        try:
            return json.loads(response.data)
        except ValueError:
            raise self._strange() from None

    def _strange(self) -> ConnectError:
        return ConnectError(f"{self.url} answers something else than Kafka Connect does: see CONNECT_URL")

    def _refusal(self, response: urllib3.BaseHTTPResponse, method: str, path: str, name: str | None) -> ConnectError:
        status, why = response.status, _reason(response)
        if status == _UNAUTHORIZED:
            refused = "refuses the password it was given" if self._login else "asks for a password"
            return ConnectError(f"{self.url} {refused}: see CONNECT_USER and CONNECT_PASSWORD", status)
        if status == _NOT_FOUND and not _is_connects(response):
            # its web server listens before its interface is there; it may also be somebody else's
            return ConnectUnavailable(f"{self.url} does not know {path}: it is starting, or see CONNECT_URL", status)
        if status == _NOT_FOUND and name is not None:
            return NoSuchConnector(f"Kafka Connect has no connector {name}: {why}", status)
        # 500 is also what a worker says that has not joined its group yet, or whose leader did not answer in time
        busy = status >= 502 or (status == 500 and "timed out" in why.lower())
        kind = ConnectUnavailable if busy else ConnectError
        return kind(f"Kafka Connect refused {method} {path} ({status}): {why}", status)


def _path(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"


def _plugins(answer: Any) -> tuple[Plugin, ...]:
    return tuple(Plugin(str(entry["class"]), str(entry["type"]), str(entry.get("version"))) for entry in answer)


def _offsets(answer: Any) -> tuple[Offset, ...]:
    return tuple(Offset(entry["partition"], entry["offset"]) for entry in answer["offsets"])


def _status(answer: Mapping[str, Any]) -> ConnectorStatus:
    connector = answer["connector"]
    return ConnectorStatus(
        name=str(answer["name"]),
        type=str(answer.get("type")),
        state=State(connector["state"]),
        worker=str(connector.get("worker_id")),
        trace=connector.get("trace"),
        tasks=tuple(
            TaskStatus(int(task["id"]), State(task["state"]), str(task.get("worker_id")), task.get("trace"))
            for task in answer["tasks"]
        ),
    )


def _reason(response: urllib3.BaseHTTPResponse) -> str:
    """The worker's own words in one line; an answer that is not JSON is somebody else's."""
    try:
        told = json.loads(response.data)["message"]
    except (ValueError, KeyError, TypeError):
        told = response.data.decode(errors="replace") or response.reason or "no reason given"
    return " ".join(str(told).split())[:_LONGEST_MESSAGE]


def _is_connects(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether the interface itself refused, rather than a web server without one."""
    try:
        return "error_code" in json.loads(response.data)
    except (ValueError, TypeError):
        return False


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0][:_LONGEST_MESSAGE] if lines else "no reason given"
