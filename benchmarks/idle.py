"""The stack at rest: `python -m benchmarks.idle [--against CHECKOUT]`. Ten minutes for each checkout and round.

Brings up a stack out of the local images, loads it for 20 s, leaves it alone for 100 s, and then says what it costs:
cores by container from the engine's own count, which other work on the machine does not change, and beside it the
processes that the engine runs it and its health checks by. Then each service is frozen (SIGSTOP, from inside, not
`docker pause`), set free and killed, and how many seconds pass until the engine says unhealthy, healthy, healthy again.

With `--against` the same is done with another checkout's stack, in turn with this one's, as often as `--rounds` says.
It needs what this one needs: `make setup images`. The figures of both are kept, the other's as "before".
"""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final

import docker
import typer
from docker.models.containers import Container

from benchmarks.checkout import CheckedOut
from benchmarks.containers import resources
from benchmarks.machine import keep, machine
from benchmarks.resting import cores, engine_spent, machine_busy, spent
from services.settings import PROJECT_ROOT
from tests.support.process import wait_until
from tests.support.stack.engine import ROLE_LABEL, STACK_LABEL

_SECONDS = 20
_SETTLE_SECONDS = 100.0
_NOTICED_SECONDS = 120.0
_STRUCK: Final = (
    "api",
    "relay",
    "transformer",
    "sink",
    "aggregator",
    "clickhouse",
    "mysql",
    "kafka-local1",
    "prometheus",
)

# To the children of init, which are the service and no health check; those enter from outside.
_SIGNAL: Final = """
for at in /proc/[0-9]*/stat; do
  read -r line <"$at" || continue
  set -- ${line##*) }
  pid=${at#/proc/}
  if [ "$2" = 1 ]; then kill -%s "${pid%%/stat}"; fi
done"""


def servers(client: docker.DockerClient, prefix: str) -> dict[str, Container]:
    """The running containers of a stack by role."""
    found = client.containers.list(filters={"label": f"{STACK_LABEL}={prefix}"})
    return {str(one.labels[ROLE_LABEL]): one for one in sorted(found, key=lambda one: str(one.name))}


def at_rest(client: docker.DockerClient, prefix: str, seconds: float) -> dict[str, Any]:
    """What it costs while nothing happens."""
    running = servers(client, prefix)
    before, busy, engine, began = spent(running), machine_busy(), engine_spent(), time.monotonic()
    time.sleep(seconds)
    after, passed = spent(running), time.monotonic() - began
    each = {role: cores(before[role], after[role]) for role in running}
    total = {key: round(sum(one[key] for one in each.values()), 3) for key in ("cores", "shim", "looks")}
    return {
        "containers": total["cores"],
        "shims": total["shim"],
        "health_checks_runc_included": total["looks"],
        "dockerd_and_containerd": round((engine_spent() - engine) / passed, 3),
        "machine_with_all_else": round((machine_busy() - busy) / passed, 3),
        "each": each,
        "rss_mib": resources(client, prefix)["rss_mib"],
    }


def noticed(containers: dict[str, Container], begin: Callable[[Container], None], status: str) -> dict[str, float]:
    """Seconds from an act until the engine reports a status, by role; all at once. 120: it was not within those."""

    def one(container: Container) -> float:
        begin(container)
        began = time.monotonic()
        while health(container) != status and time.monotonic() - began < _NOTICED_SECONDS:
            time.sleep(0.1)
        return round(min(time.monotonic() - began, _NOTICED_SECONDS), 1)

    with ThreadPoolExecutor(len(containers)) as workers:
        return dict(zip(containers, workers.map(one, containers.values()), strict=True))


def health(container: Container) -> str:
    """healthy, unhealthy or starting; how it is when it does not run."""
    container.reload()
    state = container.attrs["State"]
    return str(state["Health"]["Status"] if state["Running"] else state["Status"])


def signal(container: Container, name: str) -> None:
    """A signal to the service itself."""
    code, said = container.exec_run(["sh", "-c", _SIGNAL % name])
    assert code == 0 or name == "KILL", said


def killed(container: Container) -> None:
    """SIGKILL, and back at the restart policy's word."""
    container.reload()
    before = container.attrs["State"]["StartedAt"]
    signal(container, "KILL")

    def back() -> bool:
        container.reload()
        return bool(container.attrs["State"]["Running"] and container.attrs["State"]["StartedAt"] != before)

    wait_until(back, f"{container.name} to be started again", _NOTICED_SECONDS)


def measured(folder: Path, client: docker.DockerClient, seconds: float, rate: int) -> dict[str, Any]:
    """All figures of one checkout's stack, brought up for this and removed."""
    with CheckedOut(folder) as stack:
        figures: dict[str, Any] = {"up_to_healthy_s": round(stack.up(), 1)}
        figures["load"] = stack.load(rate, rate * _SECONDS)
        time.sleep(_SETTLE_SECONDS)
        figures["rest"] = at_rest(client, stack.prefix, seconds)
        struck = {role: one for role, one in servers(client, stack.prefix).items() if role in _STRUCK}
        figures["frozen_to_unhealthy_s"] = noticed(struck, lambda one: signal(one, "STOP"), "unhealthy")
        figures["free_to_healthy_s"] = noticed(struck, lambda one: signal(one, "CONT"), "healthy")
        figures["killed_and_started_to_healthy_s"] = {
            role: noticed({role: one}, killed, "healthy")[role] for role, one in struck.items()
        }
        figures["down_s"] = round(stack.down(), 1)
    return figures


def commit(folder: Path) -> str:
    """What is checked out, and whether it was changed."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True, check=True
    )
    return said.stdout.strip()


def summary(rounds: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the rounds, and the longest detection of all."""
    every = list(rounds)
    median = {
        key: round(statistics.median(one["rest"][key] for one in every), 3)
        for key in ("containers", "shims", "health_checks_runc_included", "dockerd_and_containerd", "rss_mib")
    }
    median["up_to_healthy_s"] = round(statistics.median(one["up_to_healthy_s"] for one in every), 1)
    each = {
        role: round(statistics.median(one["rest"]["each"][role]["cores"] for one in every), 3)
        for role in every[0]["rest"]["each"]
    }
    times = ("frozen_to_unhealthy_s", "free_to_healthy_s", "killed_and_started_to_healthy_s")
    longest = {key: max(seconds for one in every for seconds in one[key].values()) for key in times}
    fresh = {
        share: round(statistics.median(one["load"][f"freshness_s_{share}"] for one in every), 3)
        for share in ("p50", "p99")
    }
    return {**median, "cores": each, "longest": longest, "freshness_s": fresh}


def idle(
    against: Annotated[Path | None, typer.Option(help="another checkout, measured in turn", exists=True)] = None,
    seconds: Annotated[float, typer.Option(help="how long it is watched at rest", min=10)] = 120,
    rate: Annotated[int, typer.Option(help="orders a second of the load before the rest", min=1)] = 50,
    rounds: Annotated[int, typer.Option(help="how often each is brought up", min=1)] = 1,
) -> None:
    """What the stack costs at rest, and how soon starts and deaths are seen."""
    folders = {"before": against.resolve()} if against else {}
    folders["now"] = PROJECT_ROOT
    where, client = machine(), docker.from_env()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in folders}
    for _ in range(rounds):
        for name, folder in folders.items():
            found[name].append(measured(folder, client, seconds, rate))
    figures = {
        name: {"commit": commit(folders[name]), "summary": summary(every), "rounds": every}
        for name, every in found.items()
    }
    keep("idle", figures, where)


if __name__ == "__main__":
    typer.run(idle)
