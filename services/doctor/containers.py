"""Every container of the stack: there, running, healthy; and every job done."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.doctor.findings import Finding, failing, ok
from services.doctor.place import Place
from services.settings import JOB_SUFFIX


@dataclass(frozen=True)
class Container:
    """What the engine says of one. ``health`` is "" where it has no health check; ``ports``: container's to host's."""

    name: str
    role: str
    state: str
    health: str = ""
    exit_code: int = 0
    restarts: int = 0
    last_words: str = ""
    ports: dict[int, str] = field(default_factory=dict)

    @property
    def is_job(self) -> bool:
        """Whether it does something once and ends."""
        return self.role.endswith(JOB_SUFFIX)


class ContainerEngine(Protocol):
    """The engine the stack runs on."""

    def containers(self) -> Sequence[Container]:
        """Every container of the stack, ended ones included. Raises CannotLook when the engine cannot be asked."""


class Containers:
    """The check. ``expected``: the roles that must be there in this configuration."""

    name = "containers"
    seconds = 15.0

    def __init__(self, engine: ContainerEngine, place: Place, expected: Collection[str]) -> None:
        self._engine, self._place, self._expected = engine, place, expected

    def look(self) -> Iterable[Finding]:
        """One line for what is as it must be, one for each container that is not."""
        found = self._engine.containers()
        if not found:
            detail = f"this engine has none of {self._place}"
            yield failing("containers", detail, "`make up`, or name the engine it runs on in DOCKER_HOST")
            return
        wrong = [finding for container in found for finding in self._faults(container)]
        there = {container.role for container in found}
        wrong += [self._missing(role) for role in sorted(self._expected) if role not in there]
        if not wrong:
            jobs = sum(container.is_job for container in found)
            yield ok("containers", f"{len(found) - jobs} run and are healthy, {jobs} jobs are done")
        yield from wrong

    def _missing(self, role: str) -> Finding:
        return failing(role, "there is no such container", "`make up` makes what is missing")

    def _faults(self, container: Container) -> Iterable[Finding]:
        if container.is_job:
            if container.state == "exited" and container.exit_code == 0:
                return
            why = f": {container.last_words}" if container.last_words else ""
            detail = f"is {container.state} with exit code {container.exit_code}{why}"
            remedy = f"mend that, then `make init-db`; `make logs SERVICE={container.role}` has all it said"
            yield failing(container.name, detail, remedy)
        elif container.state != "running":
            detail = f"is {container.state} (exit code {container.exit_code}, {container.restarts} restarts)"
            yield failing(container.name, detail, self._place.restart(container.role))
        elif container.health not in ("", "healthy"):
            yield failing(container.name, f"runs, but is {container.health}", self._place.restart(container.role))
