-- One row for every version of every order that arrived; the row with the highest version is the order.
-- The sorting key and the partition hold nothing that can change: order_date is stored at the order's creation.
-- The constraints refuse rows that ClickHouse would otherwise coerce in silence (null or missing to 0 or '', wrapped
-- integers, objects in place of arrays): a refused row is a dead letter with a reason, a coerced one is a wrong total.
CREATE TABLE IF NOT EXISTS orders_analytics
(
    order_id       String CODEC(ZSTD(1)),
    user_id        String CODEC(ZSTD(1)),
    order_date     Date,
    created_at     DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    total_amount   Decimal(18, 2) CODEC(ZSTD(1)),
    items_count    UInt32 CODEC(ZSTD(1)),
    status         LowCardinality(String),
    payment_method LowCardinality(String),
    payment_status LowCardinality(String),
    items Nested
    (
        product_id   String,
        product_name LowCardinality(String),
        quantity     UInt32,
        price        Decimal(18, 2)
    ) CODEC(ZSTD(1)),
    event_type     LowCardinality(String),
    deleted_at     Nullable(DateTime64(6, 'UTC')),
    is_deleted     UInt8,
    version        UInt64,
    occurred_at    DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    ingested_at    DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),

    CONSTRAINT order_id_present CHECK order_id != '',
    CONSTRAINT user_id_present CHECK user_id != '',
    -- 1970-01-01 is what null becomes, 2149-06-06 what a later day becomes
    CONSTRAINT order_date_plausible CHECK order_date > toDate('1970-01-01') AND order_date < toDate('2149-06-06'),
    CONSTRAINT created_at_plausible CHECK created_at > toDateTime64('1970-01-01 00:00:00', 6, 'UTC') AND created_at < toDateTime64('2150-01-01 00:00:00', 6, 'UTC'),
    CONSTRAINT occurred_at_plausible CHECK occurred_at > toDateTime64('1970-01-01 00:00:00', 6, 'UTC'),
    CONSTRAINT total_amount_plausible CHECK total_amount >= 0,
    -- the row of an order that was purged is a marker without items
    CONSTRAINT items_counted CHECK items_count = length(items.product_id) AND (items_count > 0 OR is_deleted = 1),
    CONSTRAINT items_plausible CHECK arrayAll((product, quantity, price) -> product != '' AND quantity > 0 AND price >= 0, items.product_id, items.quantity, items.price),
    CONSTRAINT status_known CHECK status IN ('PENDING', 'COMPLETED', 'CANCELLED', 'REFUNDED'),
    CONSTRAINT payment_method_known CHECK payment_method IN ('', 'CARD', 'BANK_TRANSFER', 'WALLET', 'CASH'),
    CONSTRAINT payment_status_known CHECK payment_status IN ('', 'PENDING', 'COMPLETED', 'FAILED', 'REFUNDED'),
    CONSTRAINT event_type_known CHECK event_type IN ('CREATED', 'COMPLETED', 'CANCELLED', 'REFUNDED', 'DELETED'),
    CONSTRAINT deletion_consistent CHECK is_deleted IN (0, 1) AND (is_deleted = 1) = isNotNull(deleted_at),
    -- a negative number wraps to one that no later version could beat
    CONSTRAINT version_plausible CHECK version > 0 AND version < 9223372036854775808
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(order_date)
ORDER BY (order_date, order_id);

-- What came in, by day: rows ever inserted and when the last one was. Counting inserts is what an incremental view is
-- good at; it never sees replacements, so nothing but this count is taken from one.
CREATE TABLE IF NOT EXISTS day_inserts
(
    order_date         Date,
    rows               SimpleAggregateFunction(sum, UInt64),
    last_at            SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    newest_occurred_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY order_date;

CREATE MATERIALIZED VIEW IF NOT EXISTS day_inserts_in TO day_inserts AS
SELECT order_date, count() AS rows, max(ingested_at) AS last_at, max(occurred_at) AS newest_occurred_at
FROM orders_analytics
GROUP BY order_date;

-- The same rows in user order, versions included, so that one user's orders are read without the others. A bucket of
-- users is to this table what a day is to the other.
CREATE TABLE IF NOT EXISTS orders_by_user
(
    bucket       UInt16,
    user_id      String CODEC(ZSTD(1)),
    order_id     String CODEC(ZSTD(1)),
    total_amount Decimal(18, 2) CODEC(ZSTD(1)),
    status       LowCardinality(String),
    created_at   DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    version      UInt64,
    is_deleted   UInt8
)
ENGINE = ReplacingMergeTree(version)
PRIMARY KEY (bucket, user_id)
ORDER BY (bucket, user_id, order_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS orders_by_user_in TO orders_by_user AS
SELECT toUInt16(cityHash64(user_id) % 65536) AS bucket, user_id, order_id, total_amount, status, created_at, version, is_deleted
FROM orders_analytics;

-- What came in, by bucket of users.
CREATE TABLE IF NOT EXISTS bucket_inserts
(
    bucket  UInt16,
    rows    SimpleAggregateFunction(sum, UInt64),
    last_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY bucket;

CREATE MATERIALIZED VIEW IF NOT EXISTS bucket_inserts_in TO bucket_inserts AS
SELECT toUInt16(cityHash64(user_id) % 65536) AS bucket, count() AS rows, max(ingested_at) AS last_at
FROM orders_analytics
GROUP BY bucket;
