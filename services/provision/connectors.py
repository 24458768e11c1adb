"""Connectors as `schemas/connect` declares them: some are to run, some to stand still; none is ever deleted."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from services.clients.connect import ConnectClient, ConnectorStatus, ConnectUnavailable, NoSuchConnector, State
from services.provision.report import Done, ProvisionError, Tell
from services.provision.waiting import answered, settled
from services.settings import PROJECT_ROOT

T = TypeVar("T")

FOLDER: Final = PROJECT_ROOT / "schemas" / "connect"
_CLASS: Final = "connector.class"
_FAILED: Final = 1


def provision_connectors(
    client: ConnectClient, run: Iterable[str], stop: Iterable[str], tell: Tell, seconds: float, folder: Path = FOLDER
) -> None:
    """Stops some connectors where they exist, then has others run as their files say; waits for both.

    Raises ProvisionError, before anything was changed, for a file or a plugin that is not there; later, with exit code
    1, for a task that fails. Raises ConnectError. Offsets stay in any case.
    """
    wanted = {name: read_file(folder, name) for name in run}
    still = sorted(set(stop))
    both = [name for name in still if name in wanted]
    if both:
        raise ProvisionError(f"{', '.join(both)} cannot both run and stop: name it once")
    answered(client.version, _passing, seconds)
    _require_plugins(client, wanted)
    for name in still:
        tell(Done(f"connector {name}", "stopped" if _stop(client, name, seconds) else "absent"))
    for name, config in wanted.items():
        tell(_run(client, name, config, seconds))


def read_file(folder: Path, name: str) -> dict[str, str]:
    """The configuration in ``NAME.json``. Raises ProvisionError for a file that is missing or of another form."""
    path = folder / f"{name}.json"
    known = ", ".join(sorted(file.stem for file in folder.glob("*.json")))
    if path.parent != folder or not path.is_file():
        raise ProvisionError(f"there is no connector file for {name}: known are {known}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        config = {str(key): value for key, value in document["config"].items()}
        fits = document["name"] == name and all(isinstance(value, str) for value in config.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        fits, config = False, {}
    if not fits or _CLASS not in config:
        raise ProvisionError(
            f'{path.name} is not of the form {{"name": "{name}", "config": {{"{_CLASS}": "…"}}}} with texts as values'
        )
    return config


def _require_plugins(client: ConnectClient, wanted: Mapping[str, Mapping[str, str]]) -> None:
    installed = {plugin.class_name for plugin in client.plugins()} if wanted else set()
    for name, config in wanted.items():
        if config[_CLASS] not in installed:
            raise ProvisionError(
                f"Kafka Connect has no plugin {config[_CLASS]}, which {name} needs: put its release archive into the "
                "folder that millrace:connectPlugins names and make the image anew (`make images`)"
            )


def _stop(client: ConnectClient, name: str, seconds: float) -> bool:
    """Returns when no task is left; False when there is no such connector."""
    try:
        if client.status(name).state is not State.STOPPED:
            client.stop(name)
    except NoSuchConnector:
        return False

    def stands() -> bool | None:
        status = client.status(name)
        return True if status.state is State.STOPPED and not status.tasks else None

    if settled(_patient(stands), seconds) is None:
        raise ProvisionError(
            f"connector {name} has not stopped within {seconds:g} s: look at the worker's log", _FAILED
        )
    return True


def _run(client: ConnectClient, name: str, config: Mapping[str, str], seconds: float) -> Done:
    before = _known(client, name)
    differing = _differing(client, name, config) if before is not None else []
    if before is not None and (differing or before.failures):
        # what its tasks were must not be taken for what the new ones are
        _stop(client, name, seconds)
    if before is None or differing:
        client.put_config(name, config)
    stands = before is not None and not (before.running and not differing)
    if stands:
        client.resume(name)
    tasks = _wait_until_running(client, name, seconds)
    what, detail = f"connector {name}", f"{tasks} task{'s' if tasks > 1 else ''} running"
    if before is None:
        return Done(what, "created", detail)
    if differing:
        return Done(what, "altered", f"{', '.join(differing)}; {detail}")
    return Done(what, "started" if stands else "unchanged", detail)


def _known(client: ConnectClient, name: str) -> ConnectorStatus | None:
    try:
        return client.status(name)
    except NoSuchConnector:
        return None


def _differing(client: ConnectClient, name: str, config: Mapping[str, str]) -> list[str]:
    """The keys that have another value, or are in one of the two only."""
    there = client.config(name)
    return sorted(key for key in config.keys() | there.keys() if key != "name" and config.get(key) != there.get(key))


def _wait_until_running(client: ConnectClient, name: str, seconds: float) -> int:
    """The number of tasks, once all run. Raises ProvisionError as soon as one has failed."""
    last: ConnectorStatus | None = None

    def runs() -> int | None:
        nonlocal last
        last = _known(client, name)  # for a moment after it was made there is none
        if last is not None and last.failures:
            raise ProvisionError(last.failures[0], _FAILED)
        return len(last.tasks) if last is not None and last.running else None

    tasks = settled(_patient(runs), seconds)
    if tasks is None:
        raise ProvisionError(
            f"connector {name} does not run after {seconds:g} s ({_seen(last)}): look at the worker's log", _FAILED
        )
    return tasks


def _seen(status: ConnectorStatus | None) -> str:
    if status is None:
        return "it has no status"
    tasks = ", ".join(f"task {task.id} {task.state}" for task in status.tasks)
    return f"connector {status.state}, {tasks or 'no task'}"


def _patient(look: Callable[[], T | None]) -> Callable[[], T | None]:
    """A worker that is busy for a moment is asked again like one whose answer is not the one waited for."""

    def patiently() -> T | None:
        try:
            return look()
        except ConnectUnavailable:
            return None

    return patiently


def _passing(error: BaseException) -> bool:
    return isinstance(error, ConnectUnavailable)
