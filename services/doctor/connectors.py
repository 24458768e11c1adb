"""Kafka Connect: every connector that this configuration wants RUNNING with all tasks, and none beside it."""

from collections.abc import Collection, Iterable
from typing import Final

from services.clients.connect import (
    SINK_CONNECTOR,
    ConnectClient,
    ConnectError,
    ConnectorStatus,
    ConnectUnavailable,
    State,
)
from services.doctor.check import CannotLook, one_line
from services.doctor.findings import Finding, failing, ok
from services.doctor.place import Place

OUTBOX_CONNECTOR: Final = "outbox-debezium"
_WATCHED_BY: Final = {SINK_CONNECTOR: "sink", OUTBOX_CONNECTOR: "relay"}


class Connectors:
    """The check."""

    name = "connectors"
    seconds = 15.0

    def __init__(self, client: ConnectClient, place: Place, wanted: Collection[str]) -> None:
        """``wanted``: names; the project's others must not run, because a service does their work."""
        self._client, self._place, self._wanted = client, place, wanted

    def look(self) -> Iterable[Finding]:
        """One line a connector. Connectors of others are none of our business. Raises CannotLook."""
        try:
            told = self._client.statuses()
        except ConnectUnavailable as away:
            yield failing("Kafka Connect", one_line(away), self._place.restart("kafka-connect"))
            return
        except ConnectError as strange:
            raise CannotLook(one_line(strange)) from None
        for name in sorted(self._wanted):
            yield self._judge(name, told.get(name))
        for name in sorted({SINK_CONNECTOR, OUTBOX_CONNECTOR} - set(self._wanted)):
            status = told.get(name)
            if status is not None and status.state not in (State.STOPPED, State.PAUSED):
                detail = f"is {status.state}, and a service does the same work"
                yield failing(f"connector {name}", detail, self._place.provision())

    def _judge(self, name: str, status: ConnectorStatus | None) -> Finding:
        subject = f"connector {name}"
        if status is None:
            return failing(subject, "does not exist", f"`make register-connector CONNECTOR={name}`")
        if status.running:
            tasks = len(status.tasks)
            return ok(subject, f"RUNNING with {tasks} task{'' if tasks == 1 else 's'}")
        if status.failures:
            remedy = f"it is restarted by itself: `make logs SERVICE={_WATCHED_BY[name]}` says with what success"
            return failing(subject, one_line("; ".join(status.failures)), remedy)
        if status.state in (State.STOPPED, State.PAUSED):
            return failing(subject, f"is {status.state}", self._place.provision())
        states = ", ".join(f"task {task.id} {task.state}" for task in status.tasks) or "it has no task yet"
        return failing(subject, f"is {status.state}; {states}", f"wait, then `make connector-restart CONNECTOR={name}`")
