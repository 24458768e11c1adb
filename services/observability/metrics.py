"""Every metric of every process, defined once with its meaning. Units are in the names (seconds, bytes)."""

from prometheus_client import Counter, Gauge, Histogram

# ---- every process
UP = Gauge("millrace_up", "1 while the process is at work", ["process"])
LOOP_DUE = Gauge(
    "millrace_loop_due_timestamp_seconds",
    "when this loop of the process comes round again at the latest; past: it hangs",
    ["loop"],
)
DISK_FREE = Gauge("millrace_disk_free_bytes", "room left on the file system the process runs on")
DISK_SIZE = Gauge("millrace_disk_size_bytes", "size of that file system")

# ---- api
HTTP_REQUESTS = Counter(
    "millrace_http_requests_total",
    "requests answered, by route template, method and status",
    ["route", "method", "status"],
)
HTTP_SECONDS = Histogram(
    "millrace_http_request_seconds",
    "time from a request's first byte to the end of its answer",
    ["route", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
HTTP_CUT = Counter(
    "millrace_http_connections_ended_total",
    "connections ended for what the client did: slow_head, head_size, slow_body, slow_reader, malformed, connections",
    ["reason"],
)

# ---- api: payments; question is charge, look_up or refund
PAYMENTS_SETTLED = Counter(
    "millrace_payments_settled_total", "provider's answers taken, by outcome: completed, failed, refunded", ["outcome"]
)
PAYMENT_PROVIDER_SECONDS = Histogram(
    "millrace_payment_provider_seconds",
    "time the payment provider took, answered or not",
    ["question"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PAYMENT_UNANSWERED = Counter(
    "millrace_payment_unanswered_total", "questions the payment provider did not answer in time", ["question"]
)
PAYMENT_OLDEST_OPEN = Gauge(
    "millrace_payment_oldest_open_seconds",
    "age of the oldest payment without an outcome, or refund the provider has not confirmed; 0: none",
)
ORDERS_EXPIRED = Counter("millrace_orders_expired_total", "unpaid orders cancelled by their age")

# ---- relay
OUTBOX_RELAYED = Counter(
    "millrace_outbox_relayed_total", "events every replica has and the outbox has marked", ["topic"]
)
OUTBOX_REFUSED = Counter("millrace_outbox_refused_total", "attempts put off for a fault of the event itself", ["topic"])
OUTBOX_HELD_BACK = Counter(
    "millrace_outbox_held_back_total", "events made to wait because the readers of their topic are behind"
)
OUTBOX_BACKLOG = Gauge("millrace_outbox_backlog_rows", "outbox rows that wait, held-back ones included")
OUTBOX_OLDEST = Gauge("millrace_outbox_oldest_seconds", "age of the oldest outbox row that waits; 0: none waits")
OUTBOX_PURGED = Counter("millrace_outbox_purged_total", "rows deleted because they were processed long ago")
RELAY_LEADING = Gauge("millrace_relay_leading", "1 while this relay holds the lease, 0 while it waits for it")
RELAY_BATCH = Histogram(
    "millrace_relay_batch_events",
    "events in a batch read from the outbox",
    buckets=(1, 5, 10, 50, 100, 500, 1000, 5000),
)
RELAY_STEP_SECONDS = Histogram(
    "millrace_relay_step_seconds",
    "time of a round's steps: read, produce, record",
    ["step"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)

# ---- relay that follows Debezium (RELAY_MODE=debezium)
FOLLOWER_WAITING = Gauge(
    "millrace_follower_waiting_rows", "outbox rows read whose place in the binary log Debezium has not reported done"
)
FOLLOWER_MARK_SECONDS = Histogram(
    "millrace_follower_mark_seconds",
    "time from reading waiting rows to having marked them: how far marks are behind Debezium, at most",
    buckets=(0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 120),
)
FOLLOWER_OFFSET_FILE = Gauge("millrace_follower_offset_file_number", "binary log file of Debezium's committed offset")
FOLLOWER_OFFSET_BYTES = Gauge("millrace_follower_offset_position_bytes", "position in that file")
FOLLOWER_OFFSET_AGE = Gauge("millrace_follower_offset_age_seconds", "time since that offset was seen to move")
FOLLOWER_TROUBLE = Gauge(
    "millrace_follower_trouble", "1 while this keeps Debezium's events from being marked, by kind", ["kind"]
)
FOLLOWER_RESTARTS = Counter(
    "millrace_follower_restarts_total", "remedies tried on the failed connector: restart, anew", ["remedy"]
)

# ---- transformer and sink
CONSUMED = Counter("millrace_consumed_total", "messages whose work is done, by process and topic", ["process", "topic"])
PRODUCED_ROWS = Counter("millrace_transformer_rows_total", "analytics rows every replica has")
INSERTED_ROWS = Counter("millrace_sink_rows_total", "rows ClickHouse has taken from this process")
DEAD_LETTERS = Counter("millrace_dead_letters_total", "messages put into a dead letter topic", ["process", "topic"])
DEAD_LETTER_LIMIT = Gauge(
    "millrace_dead_letter_limit_reached",
    "1 while the process stores no more dead letters and waits for a person (DEAD_LETTER_LIMIT)",
    ["process"],
)
CONSUMER_LAG = Gauge(
    "millrace_consumer_lag_messages", "messages not read yet, by topic and partition", ["topic", "partition"]
)
CONSUMER_BATCH = Histogram(
    "millrace_consumer_batch_messages",
    "messages in a batch, by process",
    ["process"],
    buckets=(1, 5, 10, 50, 100, 500, 1000, 5000),
)
CONSUMER_WORK_SECONDS = Histogram(
    "millrace_consumer_work_seconds",
    "time from a batch read to its effects stored, by process",
    ["process"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)

# ---- sink that watches Kafka Connect (SINK_MODE=connect)
SINK_TROUBLE = Gauge("millrace_sink_trouble", "1 while this keeps the sink connector from its work, by kind", ["kind"])
SINK_RESTARTS = Counter("millrace_sink_connector_restarts_total", "restarts of the failed sink connector or its task")
SINK_SUBSTITUTED = Counter(
    "millrace_sink_substituted_seconds_total", "time in which the sink loaded rows in the failed connector's place"
)

# ---- transformer: the brokers
KAFKA_BROKERS = Gauge("millrace_kafka_brokers", "brokers that are up, as they tell; 0: none answers")
KAFKA_UNDER_REPLICATED = Gauge(
    "millrace_kafka_under_replicated_partitions", "partitions of which a replica is not in sync"
)
KAFKA_WITHOUT_LEADER = Gauge(
    "millrace_kafka_leaderless_partitions", "partitions that can be neither written nor read: no replica leads"
)

# ---- aggregator; cube is "days" or "users"
FRESHNESS_SECONDS = Histogram(
    "millrace_freshness_seconds",
    "time from an event's commit to its order in the day views, of the newest event of each recompute",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
)
AGGREGATOR_TICK_SECONDS = Histogram(
    "millrace_aggregator_tick_seconds",
    "time of one look and the recompute that followed",
    ["cube"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2, 5, 30),
)
AGGREGATOR_RECOMPUTED = Counter(
    "millrace_aggregator_recomputed_total", "days, and buckets of users, recomputed", ["cube"]
)
AGGREGATOR_DIRTY = Gauge("millrace_aggregator_dirty", "days, and buckets of users, left for later ticks", ["cube"])
AGGREGATOR_BACKLOG = Gauge("millrace_aggregator_backlog_rows", "rows that came in and were in no sum yet", ["cube"])
AGGREGATOR_FAILURES = Counter("millrace_aggregator_failures_total", "ticks that ClickHouse did not take", ["cube"])
AGGREGATOR_LEADING = Gauge("millrace_aggregator_leading", "1 while this aggregator holds the lease, 0 while it waits")

CLICKHOUSE_DISK_FREE = Gauge("millrace_clickhouse_disk_free_bytes", "room left on a disk of ClickHouse's", ["disk"])
CLICKHOUSE_DISK_SIZE = Gauge("millrace_clickhouse_disk_size_bytes", "size of that disk", ["disk"])

# ---- reconciler (the schedule of verify --repair)
RECONCILED_AT = Gauge("millrace_reconciled_timestamp_seconds", "when the last pass that could tell ended")
RECONCILED_SECONDS = Gauge("millrace_reconciled_pass_seconds", "how long that pass took, its waiting included")
RECONCILED_PASSES = Counter(
    "millrace_reconciled_passes_total", "passes by verdict: same, different, unknown", ["verdict"]
)
RECONCILED_DIFFERENCES = Gauge("millrace_reconciled_differences", "differences that pass left, by kind", ["kind"])
RECONCILED_MENDED = Counter("millrace_reconciled_mended_total", "differences mended, by kind", ["kind"])
RECONCILED_IN_FLIGHT = Gauge("millrace_reconciled_in_flight", "orders and sums that pass did not judge: on their way")
