"""`millrace provision`: what has to be there before the services work. Each can be repeated without harm."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.console import out, refuse

if TYPE_CHECKING:
    from services.provision import Done, Tell

app = typer.Typer(
    help="Make topics, schemas, accounts and connectors what they have to be; twice changes nothing.",
    no_args_is_help=True,
)

Wait = Annotated[float, typer.Option(help="seconds to wait for the server to answer", min=0)]
Json = Annotated[bool, typer.Option("--json", help="print what was done as JSON")]


def register(parent: typer.Typer) -> None:
    """Adds the group to the app."""
    parent.add_typer(app, name="provision", rich_help_panel="Operate")


@app.command()
def topics(
    partitions: Annotated[int, typer.Option(min=1, max=10_000, help="of each topic; kept for ever")] = 6,
    replication_factor: Annotated[int, typer.Option(min=1, max=100, help="brokers that keep each partition")] = 3,
    min_in_sync: Annotated[int, typer.Option(min=1, max=100, help="of them that must have a message")] = 2,
    retention_hours: Annotated[int, typer.Option(min=1, help="an event is kept; dead letters longer")] = 168,
    wait: Wait = 60,
    json_output: Json = False,
) -> None:
    """Make the topics of the pipeline and their dead letter topics, and correct the settings of those there.

    The number of partitions or replicas of a topic that exists is never changed: that is refused, with what to do.
    """
    with _report(json_output) as tell:
        from services.provision.cluster import Cluster
        from services.provision.topics import Layout, provision_topics
        from services.settings import KafkaSettings, load

        layout = Layout(partitions, replication_factor, min_in_sync, retention_hours)
        provision_topics(Cluster(load(KafkaSettings)), layout, tell, wait)


@app.command()
def database(
    seed_catalogue: Annotated[bool, typer.Option("--seed-catalogue", help="add the demo's users and products")] = False,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="ACCOUNT", help="is not wanted: removed where it is; may be repeated"),
    ] = None,
    wait: Wait = 60,
    json_output: Json = False,
) -> None:
    """Migrate the relational schema and keep the services' accounts: password and exactly the rights they need.

    Example: millrace provision database --without debezium
    """
    with _report(json_output) as tell:
        from services.provision import ProvisionError
        from services.provision.database import provision_database
        from services.provision.rights import accounts_but
        from services.settings import BusinessSettings, DatabaseSettings, ProvisionSettings, load

        wanted = accounts_but(without or [])
        try:
            passwords = load(ProvisionSettings).mysql_passwords(account.name for account in wanted)
        except ValueError as missing:
            raise ProvisionError(str(missing)) from None
        zone = load(BusinessSettings).business_timezone
        provision_database(load(DatabaseSettings), zone, passwords, seed_catalogue, tell, wait)


@app.command()
def clickhouse(wait: Wait = 60, json_output: Json = False) -> None:
    """Make the analytics database and its tables, and look whether its users can do what they should, and no more."""
    with _report(json_output) as tell:
        from services.provision.clickhouse import provision_clickhouse
        from services.provision.clickhouse_users import USERS
        from services.settings import (
            AnalyticsReaderSettings,
            BusinessSettings,
            ClickHouseSettings,
            ProvisionSettings,
            load,
        )

        zone = load(BusinessSettings).business_timezone
        given = vars(load(ProvisionSettings)) | vars(load(AnalyticsReaderSettings))
        secrets = {user.name: given[user.setting.lower()] for user in USERS}
        passwords = {name: secret.get_secret_value() for name, secret in secrets.items() if secret}
        provision_clickhouse(load(ClickHouseSettings), zone, passwords, tell, wait)


@app.command()
def connectors(
    run: Annotated[list[str] | None, typer.Option("--run", metavar="NAME", help="is to run; may be repeated")] = None,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="NAME", help="is to stand still; may be repeated")
    ] = None,
    wait: Annotated[float, typer.Option(help="seconds to wait for each step", min=0)] = 60,
    json_output: Json = False,
) -> None:
    """Give Kafka Connect the connectors of schemas/connect, and wait until every task of theirs runs.

    One that stops keeps its configuration and its offsets; none is ever deleted. Exit code 1: a task failed.

    Example: millrace provision connectors --run clickhouse-sink-orders --stop outbox-debezium
    """
    with _report(json_output) as tell:
        from services.clients.connect import ConnectClient
        from services.provision.connectors import provision_connectors
        from services.settings import ConnectSettings, load

        with ConnectClient.of(load(ConnectSettings)) as client:
            provision_connectors(client, run or [], stop or [], tell, wait)


@contextmanager
def _report(as_json: bool) -> Iterator["Tell"]:
    """Prints what is told, and why it cannot go on in one last line."""
    from services.clients.connect import ConnectError
    from services.provision import ProvisionError
    from services.settings import SettingsError

    told: list[Done] = []
    # it logs what it raises, once for each attempt while the server is still starting
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

    def tell(done: "Done") -> None:
        told.append(done)
        if not as_json:
            out.print(str(done), markup=False, soft_wrap=True)

    try:
        yield tell
    except ProvisionError as refused:
        raise refuse(str(refused), refused.code) from None
    except (SettingsError, ConnectError) as refused:
        raise refuse(str(refused)) from None
    if as_json:
        import simplejson

        print(simplejson.dumps([asdict(done) for done in told]))
