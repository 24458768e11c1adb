"""The Docker engine behind the doctor's questions: containers by the stack's label."""

from collections.abc import Sequence
from typing import Any, Final

from services.doctor.check import CannotLook, one_line
from services.doctor.containers import Container
from services.settings import JOB_SUFFIX, ROLE_LABEL, STACK_LABEL

_TIMEOUT: Final = 5


class DockerEngine:
    """The engine of DOCKER_HOST, or the local one. Asked anew each time: it may come and go."""

    def __init__(self, label: str, base_url: str | None = None) -> None:
        """``label``: the value of dev.millrace.stack on what is this stack's."""
        self._label, self._base_url = label, base_url

    def containers(self) -> Sequence[Container]:
        """As ContainerEngine says."""
        try:
            import docker
            from docker.errors import DockerException
            from requests.exceptions import RequestException
        except ImportError:
            raise CannotLook(
                "Docker cannot be asked: its Python package is missing; `make setup` installs it"
            ) from None
        try:
            asked = docker.DockerClient(self._base_url) if self._base_url else docker.from_env(timeout=_TIMEOUT)
            try:
                listed = asked.containers.list(
                    all=True, ignore_removed=True, filters={"label": f"{STACK_LABEL}={self._label}"}
                )
                return sorted((_container(one.attrs, one) for one in listed), key=lambda one: one.name)
            finally:
                asked.close()
        except (DockerException, RequestException) as away:
            denied = "permission denied" in str(away).lower()
            why = "refuses this user (permission denied)" if denied else "does not answer"
            raise CannotLook(f"the Docker engine {why}: start it, or name another one in DOCKER_HOST") from None


def _container(told: dict[str, Any], container: Any) -> Container:
    state, labels = told["State"], told["Config"].get("Labels") or {}
    role = labels.get(ROLE_LABEL, told["Name"].lstrip("/"))
    bindings = told["NetworkSettings"].get("Ports") or {}
    ports = {
        int(inside.partition("/")[0]): f"{outside[0]['HostIp']}:{outside[0]['HostPort']}"
        for inside, outside in bindings.items()
        if outside
    }
    failed_job = role.endswith(JOB_SUFFIX) and state["ExitCode"] != 0
    return Container(
        name=told["Name"].lstrip("/"),
        role=role,
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", "") if state["Running"] else "",
        exit_code=state["ExitCode"],
        restarts=told.get("RestartCount", 0),
        last_words=_last_line(container.logs(tail=5)) if failed_job else "",
        ports=ports,
    )


def _last_line(log: bytes) -> str:
    lines = [line for line in log.decode(errors="replace").splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""
