"""What has to be there before the services work: topics, both schemas with their users, connectors.

Each is a command of the project's image that can be repeated without harm; it runs again when its image, command or
environment changes. None of them ever deletes data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from infra.components.job import Job, run
from infra.components.services import own_spec
from infra.components.settings import Settings
from infra.components.site import Site

After = Sequence[pulumi.Input[pulumi.Resource]]

CLICKHOUSE_SINK: Final = "clickhouse-sink-orders"
DEBEZIUM_OUTBOX: Final = "outbox-debezium"


@dataclass(frozen=True, kw_only=True)
class JobArgs:
    """`memory` is MiB, for each job."""

    image: pulumi.Input[str]
    settings: Settings
    memory: int = 384


class Jobs(pulumi.ComponentResource):
    """Runs jobs one by one; what needs a job's effect depends on its `done`."""

    def __init__(self, site: Site, args: JobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component only; its methods register jobs."""
        super().__init__("millrace:stack:Jobs", "jobs", None, opts)
        self._site, self._args = site, args
        self.register_outputs({})

    def topics(self, partitions: int, replicas: int, min_in_sync: int, retention_hours: int, after: After) -> Job:
        """Every topic of the pipeline, with its dead letters."""
        numbers = {
            "--partitions": partitions,
            "--replication-factor": replicas,
            "--min-in-sync": min_in_sync,
            "--retention-hours": retention_hours,
        }
        return self._run(
            "topics", [word for option, number in numbers.items() for word in (option, str(number))], after
        )

    def database(self, seed_catalogue: bool, debezium: bool, after: After) -> Job:
        """Relational migrations, the services' accounts, and the demo's catalogue if wanted.

        Without `debezium` its account is removed where there is one.
        """
        words = ["--seed-catalogue"] if seed_catalogue else []
        return self._run("database", words if debezium else [*words, "--without", "debezium"], after)

    def clickhouse(self, after: After) -> Job:
        """Tables and views of the analytics."""
        return self._run("clickhouse", [], after)

    def connectors(self, wanted: Mapping[str, bool], after: After) -> Job:
        """Registers and starts the connectors that are wanted, stops the others where they exist."""
        words = [word for name, run_it in wanted.items() for word in ("--run" if run_it else "--stop", name)]
        return self._run("connectors", words, after)

    def _run(self, what: str, words: Sequence[str], after: After) -> Job:
        role, args = f"{what}-job", self._args
        settings, networks = args.settings.of(role), args.settings.networks(role)
        spec = own_spec(args.image, ["provision", what, *words], settings, args.memory, networks, after)
        return run(self._site, role, spec, self)
