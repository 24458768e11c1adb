"""A one-shot container whose failure fails the `up`."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.components.container import Spec, one_shot
from infra.components.site import Site

_LAST_LINES = 12
_MASK = "********"


class JobFailed(pulumi.RunError):
    """A job exited with something but 0; the message names its container and ends with its last log lines."""


@dataclass(frozen=True)
class Job:
    """A command that ran to its end.

    What needs its effect depends on `done`, not on the container: that one exists although its command failed.
    """

    container: docker.Container
    done: pulumi.Output[pulumi.Resource]


def run(site: Site, role: str, spec: Spec, parent: pulumi.Resource) -> Job:
    """Runs the command of `spec` once, and again whenever its image, command or environment changes."""
    container = one_shot(site, role, spec, parent)
    name = site.name(role)
    secrets = [value for value in spec.environment.values() if isinstance(value, pulumi.Output)]

    def check(finished: Sequence[object]) -> pulumi.Resource:
        exit_code, logs, *values = finished
        if exit_code != 0:
            raise JobFailed(explain(name, exit_code, str(logs or ""), [str(value) for value in values]))
        return container

    return Job(container, pulumi.Output.all(container.exit_code, container.container_logs, *secrets).apply(check))


def explain(name: str, exit_code: object, logs: str, secrets: Sequence[str]) -> str:
    """What a person is told about a failed job: its last lines, with every secret value masked."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        logs = logs.replace(secret, _MASK)
    lines = [line.rstrip() for line in logs.splitlines() if line.strip()][-_LAST_LINES:]
    said = "\n".join(f"  {line}" for line in lines) or "  (it said nothing)"
    return (
        f"the job {name} failed with exit code {exit_code}: correct what its last lines say and run `make up` again, "
        f"or look at all of them with `docker logs {name}`\n{said}"
    )
