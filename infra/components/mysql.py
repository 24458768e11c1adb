"""MySQL: the truth. What it acknowledged is on the disk and in the binlog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.components.container import Health, Spec, server
from infra.components.site import Site

ROLE: Final = "mysql"
PORT: Final = 3306
DATABASE: Final = "ecommerce"
USER: Final = "admin"
_USER_ID: Final = 999  # mysql in upstream's image and in the local one

# Flags that MySQL 8.4 and 9 both know. A flag is part of the container, so a change restarts the server with it.
FLAGS: Final = (
    "--bind-address=0.0.0.0",
    "--skip-name-resolve",
    "--mysqlx=OFF",
    "--default-time-zone=+00:00",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_0900_ai_ci",
    "--transaction-isolation=READ-COMMITTED",
    # acknowledged is durable, in the tables and in the binlog
    "--innodb-flush-log-at-trx-commit=1",
    "--sync-binlog=1",
    # what Debezium reads; a week, as long as the topics keep what was made of it
    "--server-id=1",
    "--log-bin=binlog",
    "--binlog-row-image=FULL",
    "--binlog-expire-logs-seconds=604800",
    "--max-connections=300",
    "--max-allowed-packet=64M",
    "--innodb-buffer-pool-size=128M",
    # 150 MB for figures that nothing here reads
    "--performance-schema=OFF",
)
# Over TCP: while MySQL prepares a new data folder it has no network, and must not count as up.
_ALIVE: Final = "mysqladmin --host=127.0.0.1 --user=root --silent ping"


@dataclass(frozen=True, kw_only=True)
class MySQLArgs:
    """`port`: on this machine. `memory` is MiB. `made_with`: labels that the volume keeps."""

    image: pulumi.Input[str]
    root_password: pulumi.Input[str]
    password: pulumi.Input[str]
    port: int = PORT
    memory: int = 768
    made_with: Mapping[str, str] = field(default_factory=dict)


class MySQL(pulumi.ComponentResource):
    """One server with the database and a user for people; the services' users are made by a job."""

    def __init__(self, site: Site, args: MySQLArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the server and its volume."""
        super().__init__("millrace:stack:MySQL", ROLE, None, opts)
        spec = Spec(
            image=args.image,
            memory=args.memory,
            command=FLAGS,
            environment={
                "MYSQL_ROOT_PASSWORD": args.root_password,
                "MYSQL_DATABASE": DATABASE,
                "MYSQL_USER": USER,
                "MYSQL_PASSWORD": args.password,
            },
            ports={PORT: args.port},
            volumes={"/var/lib/mysql": site.volume(ROLE, args.made_with)},
            read_only=True,
            writable={
                "/run/mysqld": f"uid={_USER_ID},gid={_USER_ID},mode=0755,size=16m",
                "/tmp": "mode=1777,size=256m",  # noqa: S108 - in the container
            },
            user=f"{_USER_ID}:{_USER_ID}",
            grace=60,
            wait_timeout=300,
        )
        health = Health(command=_ALIVE, environment={"MYSQL_PWD": "$MYSQL_ROOT_PASSWORD"}, start_period=120)
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})
