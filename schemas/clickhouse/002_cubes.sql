-- Finished sums, appended by the aggregator and never added to. The newest generation (gen) of a cell counts; a cell
-- that no longer exists is appended as zeros.

-- Orders that are not deleted, by hour and status. The zone is part of order_hour's type: toHour() of a column without
-- one answers in the server's zone, whatever session_timezone says. DateTime64, because DateTime ends in 2106.
CREATE TABLE IF NOT EXISTS cube_hour
(
    order_date  Date,
    order_hour  DateTime64(0, '${business_timezone}'),
    status      LowCardinality(String),
    order_count UInt64,
    total       Decimal(38, 2),
    gen         UInt64
)
ENGINE = ReplacingMergeTree(gen)
ORDER BY (order_date, order_hour, status);

-- Sales by product; order_count counts an order once, however many of its lines name the product.
CREATE TABLE IF NOT EXISTS cube_product
(
    order_date   Date,
    product_id   String,
    product_name String,
    quantity     UInt64,
    revenue      Decimal(38, 2),
    order_count  UInt64,
    gen          UInt64
)
ENGINE = ReplacingMergeTree(gen)
PARTITION BY toYYYYMM(order_date)
ORDER BY (order_date, product_id, product_name);

-- Sales by day, and the mark of what all three day cubes cover: `covered` rows of day_inserts, read at `began`.
-- Written after the other two, so that it can never be ahead of them.
CREATE TABLE IF NOT EXISTS cube_day
(
    order_date       Date,
    order_count      UInt64,
    revenue          Decimal(38, 2),
    unique_customers UInt64,
    covered          UInt64,
    began            DateTime64(3, 'UTC'),
    gen              UInt64
)
ENGINE = ReplacingMergeTree(gen)
ORDER BY order_date;

-- Sales by user.
CREATE TABLE IF NOT EXISTS cube_user
(
    bucket        UInt16,
    user_id       String,
    order_count   UInt64,
    revenue       Decimal(38, 2),
    last_order_at DateTime64(6, 'UTC'),
    gen           UInt64,
    INDEX by_user user_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(gen)
ORDER BY (bucket, user_id)
SETTINGS index_granularity = 1024;

-- Users with sales by bucket, and the mark of what cube_user covers.
CREATE TABLE IF NOT EXISTS cube_bucket
(
    bucket    UInt16,
    customers UInt64,
    covered   UInt64,
    began     DateTime64(3, 'UTC'),
    gen       UInt64
)
ENGINE = ReplacingMergeTree(gen)
ORDER BY bucket;
