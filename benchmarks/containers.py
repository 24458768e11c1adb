"""What the containers of a stack use, read from the engine."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
from docker.models.containers import Container

_MIB = 2**20


def resources(client: docker.DockerClient, stack: str) -> dict[str, Any]:
    """Resident memory of each container and of all (MiB, without page cache), and cores used over a second."""
    containers = client.containers.list(filters={"label": f"dev.millrace.stack={stack}"})
    with ThreadPoolExecutor(len(containers) or 1) as workers:
        found = list(workers.map(_use, containers))
    each = {str(container.labels["dev.millrace.role"]): use for container, use in zip(containers, found, strict=True)}
    parts = {role: {"rss_mib": round(rss), "cores": round(cores, 2)} for role, (rss, cores) in sorted(each.items())}
    return {
        "rss_mib": round(sum(rss for rss, _ in each.values())),
        "cores": round(sum(cores for _, cores in each.values()), 2),
        "each": parts,
    }


def _use(container: Container) -> tuple[float, float]:
    stats: Any = container.stats(stream=False)
    memory = stats["memory_stats"]["stats"]
    # cgroup 2 calls anonymous memory "anon", cgroup 1 "rss"
    rss = memory.get("anon", memory.get("rss", 0)) / _MIB
    now, before = stats["cpu_stats"], stats["precpu_stats"]
    system = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    own = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    return rss, own / system * now.get("online_cpus", 1) if system > 0 else 0.0
