"""What containers cost while nothing happens: their own CPU time, and the engine's work for them."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.models.containers import Container

_TICKS = os.sysconf("SC_CLK_TCK")
_SHIM = "containerd-shim"
_ID = 64
"""Characters of a container's id."""


@dataclass(frozen=True)
class Spent:
    """CPU seconds up to a moment. `shim`: of the process by which the engine runs the container; `looks`: of what that
    one started and saw end, which are the health checks: runc, and the processes inside, counted in `own` as well."""

    own: float
    shim: float
    looks: float
    at: float


def spent(containers: dict[str, Container]) -> dict[str, Spent]:
    """By role. What the engine does outside of containers is known only where it runs on this machine, else 0."""
    shims = _shims()
    with ThreadPoolExecutor(len(containers)) as workers:
        return dict(zip(containers, workers.map(lambda one: _spent(one, shims), containers.values()), strict=True))


def _spent(container: Container, shims: dict[str, int]) -> Spent:
    stats: Any = container.stats(stream=False)
    shim, looks = _times(shims[str(container.id)]) if container.id in shims else (0.0, 0.0)
    return Spent(stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, shim, looks, time.monotonic())


def cores(before: Spent, after: Spent) -> dict[str, float]:
    """Cores used between two moments."""
    seconds = after.at - before.at
    return {
        "cores": round((after.own - before.own) / seconds, 4),
        "shim": round((after.shim - before.shim) / seconds, 4),
        "looks": round((after.looks - before.looks) / seconds, 4),
    }


def machine_busy() -> float:
    """CPU seconds that this machine has worked since its start, everybody's. proc(5): fields of /proc/stat."""
    user, nice, system, _, _, irq, softirq, *_ = (int(one) for one in Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / _TICKS


def engine_spent() -> float:
    """CPU seconds of dockerd and containerd themselves, whoever they worked for."""
    return sum(_times(pid)[0] for pid, command in _processes() if command[0].endswith(("dockerd", "containerd")))


def _shims() -> dict[str, int]:
    """Process by container's id: the shim has it among its arguments."""
    return {one: pid for pid, command in _processes() if _SHIM in command[0] for one in command if len(one) == _ID}


def _processes() -> list[tuple[int, list[str]]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_text().split("\0")
            except OSError:
                continue
            found.append((int(entry.name), command))
    return found


def _times(pid: int) -> tuple[float, float]:
    """Own CPU seconds, and those of children that ended. proc(5): fields 14 to 17 of /proc/PID/stat."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    user, system, children_user, children_system = (int(one) for one in fields[11:15])
    return (user + system) / _TICKS, (children_user + children_system) / _TICKS
