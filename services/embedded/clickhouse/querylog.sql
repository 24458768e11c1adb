-- name: create_database
-- The front's own database; nothing of the project's data is in it.
CREATE DATABASE IF NOT EXISTS millrace_log;

-- name: create_table
-- The columns of system.query_log that the front can fill; one partition an hour, so that old hours can be dropped.
CREATE TABLE IF NOT EXISTS millrace_log.query_log (
    type Enum8('QueryStart' = 1, 'QueryFinish' = 2, 'ExceptionBeforeStart' = 3, 'ExceptionWhileProcessing' = 4),
    event_date Date DEFAULT toDate(event_time, 'UTC'),
    event_time DateTime,
    event_time_microseconds DateTime64(6),
    query_id String,
    user LowCardinality(String),
    current_database LowCardinality(String),
    query_kind LowCardinality(String),
    query String,
    query_duration_ms UInt64,
    read_rows UInt64,
    read_bytes UInt64,
    written_rows UInt64,
    written_bytes UInt64,
    result_rows UInt64,
    result_bytes UInt64,
    exception_code Int32,
    exception String
) ENGINE = MergeTree PARTITION BY toStartOfHour(event_time, 'UTC') ORDER BY event_time;

-- name: create_view
-- The name that clients know; what is made in `system` is gone with the process, so only a view is there. Who may read it
-- needs no right on what is behind it.
CREATE OR REPLACE VIEW system.query_log DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT * FROM millrace_log.query_log;

-- name: insert
-- Append entries, one JSON object a line.
INSERT INTO millrace_log.query_log FORMAT JSONEachRow

-- name: partitions
-- The hours in the log with their rows, newest first.
SELECT partition_id, toUInt32(sum(rows))
FROM system.parts
WHERE active AND database = 'millrace_log' AND table = 'query_log'
GROUP BY partition_id
ORDER BY max(max_time) DESC;

-- name: drop_partition
-- Forget one hour.
ALTER TABLE millrace_log.query_log DROP PARTITION ID {partition:String};
