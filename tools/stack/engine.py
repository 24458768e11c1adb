"""The Docker CLI: the stack's containers by their label, and what people do to them."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.settings import JOB_SUFFIX, ROLE_LABEL, STACK_LABEL
from tools.stack.folder import StackFolder
from tools.stack.refusal import Failed, Refusal
from tools.stack.shell import last_line, need, read, show

_GET_DOCKER: Final = "install Docker Engine or Docker Desktop (docs.docker.com/get-docker) and start it"
_START: Final = "start it (Linux: sudo systemctl start docker; macOS: open -a Docker), or name one in DOCKER_HOST"
_LOCAL: Final = "unix:///var/run/docker.sock"
_TABLE: Final = "table {{.Names}}\t{{.Status}}\t{{.Ports}}"


@dataclass(frozen=True)
class Container:
    """One container of the stack; ``state`` is the engine's word for it: running, exited, …"""

    name: str
    role: str
    state: str

    @property
    def is_job(self) -> bool:
        """Whether it does something once and ends."""
        return self.role.endswith(JOB_SUFFIX)


def require_engine() -> None:
    """Raises Refusal, with how to get or start it, unless a Docker engine answers."""
    need("docker", _GET_DOCKER)
    answer = read(["docker", "version", "--format", "{{.Server.Version}}"])
    if answer.code == 0:
        return
    if "permission denied" in answer.err.lower():
        raise Refusal("this user may not speak to the Docker engine: sudo usermod -aG docker $USER, then log in again")
    raise Refusal(f"no Docker engine answers ({last_line(answer.err)}): {_START}")


def address() -> dict[str, str]:
    """DOCKER_HOST of the CLI's current context, for programs that know no contexts.

    Empty where it is the usual one, where DOCKER_HOST is set already, and where there is no Docker CLI.
    """
    if os.environ.get("DOCKER_HOST") or shutil.which("docker") is None:
        return {}
    answer = read(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
    found = answer.out.strip()
    return {"DOCKER_HOST": found} if answer.code == 0 and found and found != _LOCAL else {}


class Stack:
    """The stack of this machine, found by the label of its prefix."""

    def __init__(self, folder: StackFolder | None = None) -> None:
        self.label = f"{STACK_LABEL}={(folder or StackFolder()).label()}"

    def containers(self) -> list[Container]:
        """All of them, ended ones included, by name. Raises Refusal without an engine."""
        require_engine()
        form = f'{{{{.Names}}}}\t{{{{.Label "{ROLE_LABEL}"}}}}\t{{{{.State}}}}'
        answer = read(["docker", "ps", "--all", "--filter", f"label={self.label}", "--format", form])
        if answer.code:
            raise Refusal(f"docker ps failed: {last_line(answer.err)}")
        return sorted(
            (Container(*line.split("\t")) for line in answer.out.splitlines() if line), key=lambda one: one.name
        )

    def existing(self) -> list[Container]:
        """As ``containers``. Raises Refusal when there is none."""
        found = self.containers()
        if not found:
            raise Refusal(f"there is no container of this stack (label {self.label}): `make up` starts it")
        return found

    def find(self, service: str) -> Container:
        """By role (relay) or name (blue-relay). Raises Refusal that lists what there is."""
        found = self.existing()
        for container in found:
            if service in (container.role, container.name):
                return container
        raise Refusal(f"SERVICE={service} is not one of {', '.join(container.role for container in found)}")

    def broker(self) -> Container:
        """The first Kafka node that runs. Raises Refusal."""
        brokers = [one for one in self.existing() if one.role.startswith("kafka-local") and one.state == "running"]
        if not brokers:
            raise Refusal("no Kafka node of this stack runs: `make ps` shows them, `make up` starts them")
        return min(brokers, key=lambda one: one.role)

    def ps(self, service: str) -> int:
        """Prints names, states and ports."""
        roles = ["--filter", f"label={ROLE_LABEL}={self.find(service).role}"] if service else []
        require_engine()
        return show(["docker", "ps", "--all", "--filter", f"label={self.label}", *roles, "--format", _TABLE])

    def logs(self, service: str, lines: int, follow: bool) -> int:
        """Prints one container's log, or all of them with names in front; on and on when ``follow``."""
        chosen = [self.find(service)] if service else self.existing()
        options = ["--tail", str(lines), *(["--follow"] if follow else [])]
        if len(chosen) == 1:
            return show(["docker", "logs", *options, chosen[0].name])
        _interleave([(container.name, ["docker", "logs", *options, container.name]) for container in chosen])
        return 0

    def restart(self, service: str) -> None:
        """Restarts one container, or all that are not jobs. Raises Failed."""
        chosen = [self.find(service)] if service else [one for one in self.existing() if not one.is_job]
        if service and chosen[0].is_job:
            self.rerun([chosen[0].role])
            return
        started = [
            subprocess.Popen(
                ["docker", "restart", one.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            for one in chosen
        ]
        failures = []
        for container, process in zip(chosen, started, strict=True):
            _, err = process.communicate()
            if process.returncode:
                failures.append(f"{container.name} ({last_line(err)})")
            else:
                print(f"restarted {container.name}")
        if failures:
            raise Failed(f"not restarted: {', '.join(failures)}")

    def rerun(self, roles: Sequence[str]) -> None:
        """Runs these jobs again, one after the other, as they were made. Raises Failed at the first that fails."""
        for role in roles:
            job = self.find(role)
            print(f"== {job.name}", flush=True)
            code = show(["docker", "start", "--attach", job.name])
            if code:
                raise Failed(f"{job.name} failed with exit code {code}: its last line above says why")

    def execute(
        self, container: Container, command: Sequence[str], variables: Sequence[str] = (), terminal: bool = False
    ) -> int:
        """Runs a command in it. ``variables``: NAME=value, or NAME alone for this process's own, which hides it."""
        form = ["--interactive", "--tty"] if terminal and sys.stdin.isatty() else ["--interactive"] if terminal else []
        settings = [word for variable in variables for word in ("--env", variable)]
        return show(["docker", "exec", *form, *settings, container.name, *command])

    def published(self, container: Container, port: int) -> str:
        """host:port of this machine. Raises Refusal when the port is not published."""
        answer = read(["docker", "port", container.name, f"{port}/tcp"])
        if answer.code or not answer.out.strip():
            raise Refusal(f"{container.name} publishes no port {port}: `make ps` shows whether it runs")
        return answer.out.split()[0]

    def things(self) -> dict[str, list[str]]:
        """Names of everything the engine has of this stack: containers, networks and volumes."""
        require_engine()
        listing = {
            "container": ["docker", "ps", "--all", "--format", "{{.Names}}"],
            "network": ["docker", "network", "ls", "--format", "{{.Name}}"],
            "volume": ["docker", "volume", "ls", "--format", "{{.Name}}"],
        }
        return {
            kind: sorted(read([*command, "--filter", f"label={self.label}"]).out.split())
            for kind, command in listing.items()
        }

    def remove(self, things: dict[str, list[str]]) -> None:
        """Removes what ``things`` named, data included. Raises Failed."""
        removing = {
            "container": ["docker", "rm", "--force", "--volumes"],
            "network": ["docker", "network", "rm"],
            "volume": ["docker", "volume", "rm"],
        }
        for kind, names in things.items():
            if names:
                answer = read([*removing[kind], *names], seconds=300)
                if answer.code:
                    raise Failed(f"not every {kind} was removed: {last_line(answer.err)}")
                print(f"removed {len(names)} {kind}{'' if len(names) == 1 else 's'}")


def _interleave(commands: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Runs commands side by side, each line with its name in front, until all have ended or Ctrl-C."""
    width = max(len(name) for name, _ in commands)

    def copy(name: str, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            sys.stdout.write(f"{name:<{width}} | {line}")
            sys.stdout.flush()

    running = [
        (
            name,
            subprocess.Popen(
                list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            ),
        )
        for name, command in commands
    ]
    threads = [threading.Thread(target=copy, args=one) for one in running]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for _, process in running:
            process.terminate()
    finally:
        for thread in threads:
            thread.join()
        for _, process in running:
            process.communicate()
