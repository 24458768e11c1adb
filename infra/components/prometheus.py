"""Prometheus: reads the metrics of every process, keeps them for a while, and evaluates the alerts."""

import ipaddress
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pulumi
import pulumi_docker as docker

from infra.components.container import Health, Spec, server
from infra.components.files import PROJECT, below
from infra.components.site import Site

ROLE: Final = "prometheus"
PORT: Final = 9090
FILES: Final = PROJECT / "dashboards" / "prometheus"
_HOME: Final = "/etc/prometheus"
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Alertmanager:
    """Where alerts go."""

    scheme: str
    target: str
    path: str

    @classmethod
    def at(cls, url: str) -> "Alertmanager":
        """Raises ValueError, which says what is wrong with the address and never repeats it."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("is no address") from None
        if parts.scheme not in _PORTS or not host or not re.fullmatch(r"[\w.:-]+", host):
            raise ValueError("is no http or https address")
        if parts.username is not None or parts.password is not None:
            raise ValueError(
                "has a user or password in it, which everybody who reaches Prometheus could read in its configuration"
            )
        if parts.query or parts.fragment or not re.fullmatch(r"[\w./~-]*", parts.path):
            raise ValueError("has more than a host, a port and a path in it")
        if host == "localhost" or _is_loopback(host):
            raise ValueError(
                "is this machine's loopback address, which in Prometheus's container is the container itself"
            )
        name = f"[{host}]" if ":" in host else host
        return cls(parts.scheme, f"{name}:{port or _PORTS[parts.scheme]}", parts.path.rstrip("/"))

    def section(self) -> str:
        """What Prometheus's configuration says about it."""
        prefix = f"\n      path_prefix: {json.dumps(self.path)}" if self.path else ""
        return (
            f"\nalerting:\n  alertmanagers:\n    - scheme: {self.scheme}{prefix}\n"
            f"      static_configs:\n        - targets: [{json.dumps(self.target)}]\n"
        )


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """`port`: on this machine. `files`: folder with prometheus.yml and rules/. `memory` is MiB.

    `alertmanager`: None where alerts are only shown, at /alerts.
    """

    image: pulumi.Input[str]
    port: int = PORT
    files: Path = FILES
    alertmanager: Alertmanager | None = None
    memory: int = 256


class Prometheus(pulumi.ComponentResource):
    """The server, with the configuration and the rules found in a folder."""

    def __init__(self, site: Site, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the server and its volume."""
        super().__init__("millrace:stack:Prometheus", ROLE, None, opts)
        spec = Spec(
            image=args.image,
            memory=args.memory,
            command=[
                f"--config.file={_HOME}/prometheus.yml",
                "--storage.tsdb.path=/prometheus",
                "--storage.tsdb.retention.time=7d",
                "--storage.tsdb.retention.size=1GB",
            ],
            ports={PORT: args.port},
            volumes={"/prometheus": site.volume(ROLE)},
            uploads=uploads(args.files, args.alertmanager),
        )
        # both images have wget; Debian's promtool is too old to ask
        health = Health(command=f"wget -q -O /dev/null http://127.0.0.1:{PORT}/-/ready")
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})


def uploads(files: Path, alertmanager: Alertmanager | None) -> dict[str, pulumi.Input[str]]:
    """The configuration and every file of rules, by the path Prometheus finds it under."""
    found = {
        f"{_HOME}/{path.relative_to(files).as_posix()}": path.read_text(encoding="utf-8")
        for path in below(files, ("prometheus.yml", "rules/*.yml"))
    }
    if alertmanager is not None:
        found[f"{_HOME}/prometheus.yml"] += alertmanager.section()
    return dict(found)
