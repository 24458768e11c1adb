"""The stack, part by part: what each is made from, and what it waits for. `pulumi up` runs this."""

import pulumi

from infra import outputs, preflight
from infra.accounts import CLICKHOUSE
from infra.components import images
from infra.components.clickhouse import ClickHouse, ClickHouseArgs
from infra.components.connect import Connect, ConnectArgs
from infra.components.grafana import Grafana, GrafanaArgs
from infra.components.jobs import CLICKHOUSE_SINK, DEBEZIUM_OUTBOX, JobArgs, Jobs
from infra.components.kafka import Kafka, KafkaArgs
from infra.components.kafka_ui import KafkaUi, KafkaUiArgs
from infra.components.mysql import MySQL, MySQLArgs
from infra.components.passwords import Passwords
from infra.components.prometheus import Prometheus, PrometheusArgs
from infra.components.services import SERVICES, Service, ServiceArgs
from infra.components.settings import Settings
from infra.components.site import IMAGES_LABEL, ZONE_LABEL, Site
from infra.config import load

config = load()
if config.preflight:
    preflight.check(config)
ports, memory = config.ports, config.memory

site = Site(config.prefix, config.bind, config.host)
image = images.local(config.plugins) if config.images == "local" else images.upstream(connect=config.connect)
secret = Passwords()

# ---- servers

kafka = Kafka(
    site,
    KafkaArgs(
        image=image.kafka,
        cluster_id=secret.cluster_id,
        nodes=config.nodes,
        port=ports["kafka"],
        memory=memory["kafka"],
    ),
)
mysql = MySQL(
    site,
    MySQLArgs(
        image=image.mysql,
        root_password=secret.of["mysql-root"],
        password=secret.of["mysql-admin"],
        port=ports["mysql"],
        memory=memory["mysql"],
        made_with={IMAGES_LABEL: config.images, ZONE_LABEL: config.timezone},
    ),
)
clickhouse = ClickHouse(
    site,
    ClickHouseArgs(
        image=image.clickhouse,
        passwords={user: secret.of[f"clickhouse-{user}"] for user in CLICKHOUSE},
        timezone=config.timezone,
        port=ports["clickhouse"],
        native_port=ports["clickhouseNative"] if config.images == "upstream" else None,
        memory=memory["clickhouse"],
    ),
)
wanted = {CLICKHOUSE_SINK: config.sink == "connect", DEBEZIUM_OUTBOX: config.relay == "debezium"}
connect = None
if config.connect and image.connect is not None:
    connect = Connect(
        site,
        ConnectArgs(
            image=image.connect,
            kafka=kafka,
            rest_password=secret.of["connect"],
            clickhouse_password=secret.of["clickhouse-connect"] if wanted[CLICKHOUSE_SINK] else None,
            debezium_password=secret.of["mysql-debezium"] if wanted[DEBEZIUM_OUTBOX] else None,
            port=ports["connect"],
            # of the local image it is known that every plugin in it has a manifest
            discovery="service_load" if config.images == "local" and config.plugins is None else "hybrid_warn",
            memory=memory["connect"],
        ),
    )

# ---- jobs: what has to be there before the services work

settings = Settings(
    passwords=secret.of,
    brokers=kafka.bootstrap,
    timezone=config.timezone,
    relay_mode=config.relay,
    sink_mode=config.sink,
    local=config.bind.startswith("127."),
    trusted_proxies=config.trusted_proxies,
    bootstrap_token=config.bootstrap_admin_token,
    chosen={name: config.settings.of(name) for name in SERVICES},
)
jobs = Jobs(site, JobArgs(image=image.millrace, settings=settings, memory=memory["jobs"]))
topics = jobs.topics(config.partitions, kafka.replicas, kafka.min_in_sync, config.retention_hours, after=kafka.brokers)
database = jobs.database(config.seed_catalogue, debezium=wanted[DEBEZIUM_OUTBOX], after=[mysql.container])
analytics = jobs.clickhouse(after=[clickhouse.container])
connectors = []
if connect is not None:
    connectors = [jobs.connectors(wanted, after=[connect.container, topics.done, database.done, analytics.done])]

# ---- services: what each waits for

needs = {
    "api": [database, analytics],
    "relay": [topics, database, *(connectors if wanted[DEBEZIUM_OUTBOX] else [])],
    "transformer": [topics],
    "sink": [topics, analytics],
    "aggregator": [database, analytics],
    "reconciler": [topics, database, analytics, *connectors],
}
services = {
    name: Service(
        site,
        name,
        ServiceArgs(
            image=image.millrace,
            port=ports["api" if name == "api" else f"{name}Metrics"],
            settings=settings.of(name),
            networks=settings.networks(name),
            depends_on=[job.done for job in jobs_before],
            memory=memory[name],
        ),
    )
    for name, jobs_before in needs.items()
}

# ---- looking at it

Prometheus(
    site,
    PrometheusArgs(
        image=image.prometheus,
        alertmanager=config.alertmanager,
        port=ports["prometheus"],
        memory=memory["prometheus"],
    ),
)
if image.grafana is not None:
    Grafana(
        site,
        GrafanaArgs(
            image=image.grafana,
            admin_password=secret.of["grafana-admin"],
            clickhouse_password=secret.of["clickhouse-grafana"],
            timezone=config.timezone,
            port=ports["grafana"],
            memory=memory["grafana"],
            depends_on=[analytics.done],
        ),
    )
if image.kafka_ui is not None:
    KafkaUi(site, KafkaUiArgs(image=image.kafka_ui, kafka=kafka, port=ports["kafkaUi"], memory=memory["kafkaUi"]))

for name, link in outputs.links(config, kafka.published).items():
    pulumi.export(name, link)
pulumi.export("environment", outputs.environment(config, kafka.published, secret))
