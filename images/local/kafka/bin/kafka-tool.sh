#!/bin/bash
# The command line tools: linked under each of their names, one class a name.
case ${0##*/} in
    connect-plugin-path.sh) class=org.apache.kafka.tools.ConnectPluginPath ;;
    kafka-acls.sh) class=org.apache.kafka.tools.AclCommand ;;
    kafka-broker-api-versions.sh) class=org.apache.kafka.tools.BrokerApiVersionsCommand ;;
    kafka-cluster.sh) class=org.apache.kafka.tools.ClusterTool ;;
    kafka-configs.sh) class=kafka.admin.ConfigCommand ;;
    kafka-console-consumer.sh) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
    kafka-console-producer.sh) class=org.apache.kafka.tools.ConsoleProducer ;;
    kafka-consumer-groups.sh) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
    kafka-consumer-perf-test.sh) class=org.apache.kafka.tools.ConsumerPerformance ;;
    kafka-delete-records.sh) class=org.apache.kafka.tools.DeleteRecordsCommand ;;
    kafka-dump-log.sh) class=org.apache.kafka.tools.DumpLogSegments ;;
    kafka-features.sh) class=org.apache.kafka.tools.FeatureCommand ;;
    kafka-get-offsets.sh) class=org.apache.kafka.tools.GetOffsetShell ;;
    kafka-groups.sh) class=org.apache.kafka.tools.GroupsCommand ;;
    kafka-leader-election.sh) class=org.apache.kafka.tools.LeaderElectionCommand ;;
    kafka-log-dirs.sh) class=org.apache.kafka.tools.LogDirsCommand ;;
    kafka-metadata-quorum.sh) class=org.apache.kafka.tools.MetadataQuorumCommand ;;
    kafka-producer-perf-test.sh) class=org.apache.kafka.tools.ProducerPerformance ;;
    kafka-reassign-partitions.sh) class=org.apache.kafka.tools.reassign.ReassignPartitionsCommand ;;
    kafka-storage.sh) class=kafka.tools.StorageTool ;;
    kafka-topics.sh) class=org.apache.kafka.tools.TopicCommand ;;
    kafka-transactions.sh) class=org.apache.kafka.tools.TransactionsCommand ;;
    *)
        printf '%s\n' "${0##*/} is not one of the tools of this image" >&2
        exit 1
        ;;
esac
exec /opt/kafka/bin/kafka-run-class.sh "$class" "$@"
