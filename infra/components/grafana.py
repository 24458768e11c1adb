"""Grafana: the dashboards of `dashboards/grafana`, provisioned, with the official ClickHouse data source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.components import clickhouse, prometheus
from infra.components.container import Health, Spec, server
from infra.components.files import PROJECT, below
from infra.components.site import Site

ROLE: Final = "grafana"
PORT: Final = 3000
FILES: Final = PROJECT / "dashboards" / "grafana"
_PROVISIONING: Final = "/etc/grafana/provisioning"
_DASHBOARDS: Final = "/var/lib/millrace/dashboards"


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """`port`: on this machine. `files`: folder with provisioning/ and dashboards/. `memory` is MiB.

    `settings`: further variables that the provisioning files may name.
    """

    image: pulumi.Input[str]
    admin_password: pulumi.Input[str]
    clickhouse_password: pulumi.Input[str]
    timezone: str = "UTC"
    port: int = 3001
    files: Path = FILES
    settings: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    memory: int = 512
    depends_on: Sequence[pulumi.Input[pulumi.Resource]] = ()


class Grafana(pulumi.ComponentResource):
    """The server. Whoever reaches it sees the dashboards; changing them takes the admin's password."""

    def __init__(self, site: Site, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the server and its volume."""
        super().__init__("millrace:stack:Grafana", ROLE, None, opts)
        spec = Spec(
            image=args.image,
            memory=args.memory,
            environment={
                "CLICKHOUSE_DATABASE": clickhouse.DATABASE,
                "CLICKHOUSE_GRAFANA_PASSWORD": args.clickhouse_password,
                "CLICKHOUSE_GRAFANA_USER": "grafana",
                "CLICKHOUSE_HOSTNAME": clickhouse.ROLE,
                "CLICKHOUSE_HTTP_PORT": str(clickhouse.HTTP_PORT),
                "CLICKHOUSE_NATIVE_PORT": str(clickhouse.NATIVE_PORT),
                "PROMETHEUS_URL": f"http://{prometheus.ROLE}:{prometheus.PORT}",
                "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
                "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
                "GF_ANALYTICS_REPORTING_ENABLED": "false",
                "GF_AUTH_ANONYMOUS_ENABLED": "true",
                "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
                "GF_DATE_FORMATS_DEFAULT_TIMEZONE": args.timezone,
                "GF_NEWS_NEWS_FEED_ENABLED": "false",
                # Nothing is fetched: the data source is in the image, and the apps that Grafana would add are not used.
                "GF_PLUGINS_PREINSTALL_DISABLED": "true",
                "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
                "GF_SECURITY_ADMIN_PASSWORD": args.admin_password,
                "GF_SECURITY_ADMIN_USER": "admin",
                "GF_USERS_ALLOW_SIGN_UP": "false",
                **args.settings,
            },
            ports={PORT: args.port},
            volumes={"/var/lib/grafana": site.volume(ROLE)},
            uploads=uploads(args.files),
            depends_on=args.depends_on,
            wait_timeout=600,
        )
        health = Health(command=f"wget -q -O /dev/null http://127.0.0.1:{PORT}/api/health", start_period=120)
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})


def uploads(files: Path) -> dict[str, pulumi.Input[str]]:
    """Every provisioning file and dashboard of a folder, by the path Grafana finds it under."""
    provisioning = below(files / "provisioning", ("datasources/*.yaml", "dashboards/*.yaml"))
    placed = {f"{_PROVISIONING}/{path.relative_to(files / 'provisioning').as_posix()}": path for path in provisioning}
    placed |= {f"{_DASHBOARDS}/{path.name}": path for path in below(files / "dashboards", ("*.json",))}
    return {inside: path.read_text(encoding="utf-8") for inside, path in placed.items()}
