package com.clickhouse.kafka.connect;

import com.clickhouse.kafka.connect.sink.ClickHouseSinkTask;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/**
 * Plays the part of ClickHouse's own sink connector, under its class name and its configuration keys, where its release
 * archive cannot be had. What it does about errors is what version 1.5.0 does; see the task.
 */
public final class ClickHouseSinkConnector extends SinkConnector {
    private Map<String, String> given;

    @Override
    public void start(Map<String, String> properties) {
        given = properties;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return ClickHouseSinkTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int most) {
        return Collections.nCopies(most, given);
    }

    @Override
    public void stop() {
        // it holds nothing
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    @Override
    public String version() {
        return "stand-in";
    }
}
