#!/bin/bash
# At build time: run a broker, a Connect worker and a tool once, and keep what classes they loaded as archives
# (application class-data sharing). Three nodes are in sync in half the time with them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p /opt/kafka/cds

fail() {
    cat "$folder"/*.log >&2
    echo "no class archive: $1" >&2
    exit 1
}

# await WHAT COMMAND...: until it succeeds, or a minute has passed.
await() {
    local what=$1
    shift
    for _ in {1..300}; do
        ! "$@" 2>/dev/null || return 0
        sleep 0.2
    done
    fail "$what"
}

broker_listens() {
    (exec 3<>/dev/tcp/127.0.0.1/9092)
}

# The port is open before the worker knows its pages.
worker_answers() {
    (
        exec 3<>/dev/tcp/127.0.0.1/8083
        printf 'GET /connectors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        grep -q '^\[\]' <&3
    )
}

# archive NAME COMMAND...: runs it, writing the archive NAME at its end.
archive() {
    local name=$1
    shift
    KAFKA_OPTS="-XX:ArchiveClassesAtExit=/opt/kafka/cds/$name.jsa -Xlog:cds=off -Xlog:cds+dynamic=off -Xshare:auto" \
        exec "$@" >"$folder/$name.log" 2>&1
}

cat >"$folder/worker.properties" <<PROPERTIES
bootstrap.servers=127.0.0.1:9092
group.id=archive
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=archive-configs
offset.storage.topic=archive-offsets
status.storage.topic=archive-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.replication.factor=1
status.storage.partitions=1
listeners=http://127.0.0.1:8083
plugin.path=/opt/kafka/plugins
plugin.discovery=service_load
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
PROPERTIES

export CLUSTER_ID=5L6g3nShT-eMCtK--X86sw KAFKA_LOG_DIRS=$folder/data KAFKA_NODE_ID=1 \
    KAFKA_PROCESS_ROLES=broker,controller KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER \
    KAFKA_CONTROLLER_QUORUM_VOTERS=1@127.0.0.1:9093 KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1 \
    KAFKA_LISTENERS=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093 \
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
(archive storage /opt/kafka/bin/kafka-run-class.sh kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir "$folder") || fail 'the data folder was not formatted'
archive kafka /opt/kafka/bin/kafka-server-start.sh "$folder/server.properties" &
broker=$!
await 'the broker does not listen' broker_listens
(archive tools /opt/kafka/bin/kafka-run-class.sh org.apache.kafka.tools.TopicCommand --bootstrap-server 127.0.0.1:9092 --create --topic archive) ||
    fail 'no topic was made'
archive connect /opt/kafka/bin/connect-distributed.sh "$folder/worker.properties" &
worker=$!
await 'the worker does not answer' worker_answers
kill -TERM "$worker"
wait "$worker" || true
kill -TERM "$broker"
wait "$broker" || true
for name in storage kafka connect tools; do
    [[ -s /opt/kafka/cds/$name.jsa ]] || fail "$name.jsa was not written"
done
