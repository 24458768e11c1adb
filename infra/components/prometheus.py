"""Prometheus: reads the metrics of every process, keeps them for a while, and evaluates the alerts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.components.container import Health, Spec, server
from infra.components.files import PROJECT, below
from infra.components.network import METRICS
from infra.components.site import Site

ROLE: Final = "prometheus"
PORT: Final = 9090
FILES: Final = PROJECT / "dashboards" / "prometheus"
_HOME: Final = "/etc/prometheus"


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """`port`: on this machine. `files`: folder with prometheus.yml and rules/. `memory` is MiB."""

    image: pulumi.Input[str]
    port: int = PORT
    files: Path = FILES
    memory: int = 256


class Prometheus(pulumi.ComponentResource):
    """The server, with the configuration and the rules found in a folder."""

    def __init__(self, site: Site, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the server and its volume."""
        super().__init__("millrace:stack:Prometheus", ROLE, None, opts)
        spec = Spec(
            image=args.image,
            memory=args.memory,
            networks=(METRICS,),
            command=[
                f"--config.file={_HOME}/prometheus.yml",
                "--storage.tsdb.path=/prometheus",
                "--storage.tsdb.retention.time=7d",
                "--storage.tsdb.retention.size=1GB",
            ],
            ports={PORT: args.port},
            volumes={"/prometheus": site.volume(ROLE)},
            uploads={
                f"{_HOME}/{path.relative_to(args.files).as_posix()}": path.read_text(encoding="utf-8")
                for path in below(args.files, ("prometheus.yml", "rules/*.yml"))
            },
        )
        # both images have wget; Debian's promtool is too old to ask
        health = Health(command=f"wget -q -O /dev/null http://127.0.0.1:{PORT}/-/ready")
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})
