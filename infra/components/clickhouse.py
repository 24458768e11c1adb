"""ClickHouse: the analytics, and who may do what with them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Final

import pulumi
import pulumi_docker as docker

from infra import accounts
from infra.components.container import Health, Spec, server
from infra.components.files import read
from infra.components.network import CLICKHOUSE, serving
from infra.components.site import Site

ROLE: Final = "clickhouse"
HTTP_PORT: Final = 8123
NATIVE_PORT: Final = 9000
DATABASE: Final = "analytics"
_HEALTH: Final = "/opt/millrace/http-healthy.sh"


@dataclass(frozen=True, kw_only=True)
class ClickHouseArgs:
    """`passwords` of accounts.CLICKHOUSE. `port`, `native_port` (None: none): on this machine. `memory` is MiB."""

    image: pulumi.Input[str]
    passwords: Mapping[str, pulumi.Input[str]]
    timezone: str = "UTC"
    port: int = HTTP_PORT
    native_port: int | None = NATIVE_PORT
    memory: int = 1536


class ClickHouse(pulumi.ComponentResource):
    """One server whose users are declared in a file, so that nobody has to be asked to make them."""

    def __init__(self, site: Site, args: ClickHouseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the server and its volume."""
        super().__init__("millrace:stack:ClickHouse", ROLE, None, opts)
        spec = Spec(
            image=args.image,
            memory=args.memory,
            networks=serving(CLICKHOUSE),
            # the users file below is the only source of users
            environment={"CLICKHOUSE_SKIP_USER_SETUP": "1"},
            ports={HTTP_PORT: args.port} | ({NATIVE_PORT: args.native_port} if args.native_port else {}),
            volumes={"/var/lib/clickhouse": site.volume(ROLE)},
            uploads={
                "/etc/clickhouse-server/users.d/millrace.xml": users_file(args),
                "/etc/clickhouse-server/config.d/millrace.xml": read("templates/clickhouse-server.xml"),
                _HEALTH: read("health/http.sh"),
            },
            user="clickhouse",
            grace=60,
        )
        health = Health(command=f"bash {_HEALTH} {HTTP_PORT} /ping")
        self.container: docker.Container = server(site, ROLE, spec, health, self)
        self.register_outputs({"port": args.port})


def users_file(args: ClickHouseArgs) -> pulumi.Output[str]:
    """The users file, with the digest of every password. Secret, because a digest can be tried against guesses."""

    def fill(passwords: Mapping[str, str]) -> str:
        return users_document(passwords, args.timezone)

    return pulumi.Output.all(**{user: args.passwords[user] for user in accounts.CLICKHOUSE}).apply(fill)


def users_document(passwords: Mapping[str, str], timezone: str, database: str = DATABASE) -> str:
    """The users file for these passwords, with rights in one database."""
    digests = {user: hashlib.sha256(passwords[user].encode()).hexdigest() for user in accounts.CLICKHOUSE}
    return Template(read("templates/clickhouse-users.xml")).substitute(digests, timezone=timezone, database=database)
