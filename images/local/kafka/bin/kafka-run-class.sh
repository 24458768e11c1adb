#!/bin/bash
# kafka-run-class.sh [-name NAME] [-loggc] CLASS ARGUMENT...: with upstream's variables KAFKA_HEAP_OPTS,
# KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_JMX_OPTS, KAFKA_OPTS and CLASSPATH.
while [[ ${1:-} == -* ]]; do
    case $1 in
        -name) shift 2 ;;
        *) shift ;;
    esac
done

case ${1:-} in
    kafka.Kafka) archive=kafka ;;
    kafka.docker.KafkaDockerWrapper | kafka.tools.StorageTool | org.apache.kafka.tools.StorageTool) archive=storage ;;
    org.apache.kafka.connect.cli.*) archive=connect ;;
    *) archive=tools ;;
esac
# The classes that the image's build saw loaded, ready to map: starts take half the time.
cds=/opt/kafka/cds/$archive.jsa
[[ -f $cds && $KAFKA_OPTS != *SharedArchiveFile* && $KAFKA_JVM_PERFORMANCE_OPTS != *SharedArchiveFile* ]] &&
    shared=(-XX:SharedArchiveFile=$cds -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off)

# Small: the defaults of a laptop with a whole stack on it, not of a server.
: "${KAFKA_JVM_PERFORMANCE_OPTS:=-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss512k -XX:ReservedCodeCacheSize=64m}"
: "${KAFKA_LOG4J_OPTS:=-Dlog4j2.configurationFile=/opt/kafka/config/tools-log4j2.yaml}"

libs=(/opt/kafka/libs/*.jar)
IFS=: eval 'classpath=${CLASSPATH:+$CLASSPATH:}${libs[*]}'
# Options are lists of words.
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} $KAFKA_JVM_PERFORMANCE_OPTS "${shared[@]}" -Djava.awt.headless=true \
    $KAFKA_JMX_OPTS $KAFKA_LOG4J_OPTS $KAFKA_OPTS -cp "$classpath" "$@"
