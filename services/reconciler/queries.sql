-- ClickHouse statements of verify and repair. {name:Type} is bound by the server; %(name)s by the client, which quotes it:
-- for lists, because what the server binds travels in the URL. A statement has one or the other.
--
-- A check is two statements, X_expected and X_found, that must have the same rows: first `scope`, the day or bucket of users
-- by which it is compared and mended, then the cell's key, then its numbers, in equal types. `differing_scopes` and
-- `differing_rows` compare them as $expected and $found. Cells of zeros are absent. Sales are orders neither deleted nor
-- CANCELLED nor REFUNDED.

-- name: clock
-- ClickHouse's time, in seconds since 1970.
SELECT toUnixTimestamp64Milli(now64(3)) / 1000

-- name: digests
-- The newest rows' digests (services/reconciler/digest.py says how), summed by day, or by order of the days asked for.
-- A price's bits read as an integer are its cents.
WITH
    arrayMap(
        (product, name, quantity, price) -> SHA256(concat(
            hex(product), '|', hex(name), '|', toString(quantity), '|', toString(reinterpretAsInt64(price)))),
        items.product_id, items.product_name, items.quantity, items.price) AS lines,
    arraySum(line -> bitShiftRight(byteSwap(reinterpretAsUInt64(substring(line, 1, 8))), 24), lines) AS items_hash,
    SHA256(concatWithSeparator('|',
        hex(order_id), toString(version), hex(user_id), toString(created_at), toString(reinterpretAsInt64(total_amount)),
        hex(status), hex(payment_status), hex(payment_method),
        toString(length(lines)), toString(items_hash))) AS digest
SELECT
    order_date,
    if(%(by_order)s, order_id, '') AS id,
    count() AS orders,
    sum(reinterpretAsInt64(total_amount)) AS cents,
    sum(bitShiftRight(byteSwap(reinterpretAsUInt64(substring(digest, 1, 8))), 24)) AS hash
FROM orders_analytics FINAL
WHERE is_deleted = 0 AND (NOT %(by_order)s OR order_date IN %(days)s)
GROUP BY order_date, id
SETTINGS do_not_merge_across_partitions_select_final = 1

-- name: find_orders
-- The newest row of each of these orders on each of these days, deletions included.
SELECT order_id, order_date, version, user_id, toString(created_at) AS created, reinterpretAsInt64(total_amount) AS cents,
    toString(status), toString(payment_status), toString(payment_method),
    arrayZip(items.product_id, items.product_name, items.quantity, arrayMap(price -> reinterpretAsInt64(price), items.price)) AS lines,
    is_deleted
FROM orders_analytics FINAL
WHERE order_date IN %(days)s AND order_id IN %(ids)s
SETTINGS do_not_merge_across_partitions_select_final = 1


-- name: differing_scopes
-- The scopes in which one side has rows that the other has not, by sums of hashes.
SELECT scope
FROM
(
    SELECT 1 AS side, scope, cityHash64(*) AS hash FROM ($expected)
    UNION ALL
    SELECT 2 AS side, scope, cityHash64(*) AS hash FROM ($found)
)
GROUP BY scope
HAVING (countIf(side = 1), sumIf(hash, side = 1)) != (countIf(side = 2), sumIf(hash, side = 2))
ORDER BY scope
SETTINGS do_not_merge_across_partitions_select_final = 1

-- name: differing_rows
-- The rows of these scopes that only one side has, as JSON.
SELECT line, countIf(side = 1) > countIf(side = 2) AS only_expected
FROM
(
    SELECT 1 AS side, formatRowNoNewline('JSONEachRow', *) AS line FROM ($expected) WHERE toString(scope) IN {scopes:Array(String)}
    UNION ALL
    SELECT 2 AS side, formatRowNoNewline('JSONEachRow', *) AS line FROM ($found) WHERE toString(scope) IN {scopes:Array(String)}
)
GROUP BY line
HAVING countIf(side = 1) != countIf(side = 2)
ORDER BY line
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1

-- name: cube_hour_expected
-- Orders that are not deleted, by hour and status. The hour begins where its minute 0 is, or would be: where the clock
-- is set within an hour, at the change.
SELECT order_date AS scope, floored + if(toHour(floored) = toHour(t), -past, if(past = 0, 0, 3600 - past)) AS order_hour,
    toString(status) AS status, count() AS order_count, toDecimal128(sum(total_amount), 2) AS total
FROM
(
    SELECT order_date, status, total_amount, toDateTime(created_at, {zone:String}) AS t,
        t - 60 * toMinute(t) - toSecond(t) AS floored, 60 * toMinute(floored) AS past
    FROM orders_analytics FINAL
    WHERE is_deleted = 0
)
GROUP BY scope, order_hour, status

-- name: cube_hour_found
-- As cube_hour has it.
SELECT order_date AS scope, order_hour, toString(status) AS status, order_count, total
FROM cube_hour FINAL
WHERE (order_count, total) != (0, 0)

-- name: cube_product_expected
-- Sales by day and product; an order counts once for a product, however many of its lines name it.
SELECT order_date AS scope, line.1 AS product_id, toString(line.2) AS product_name, sum(toUInt64(line.3)) AS quantity,
    sum(toDecimal128(line.4, 2) * line.3) AS revenue, uniqExact(order_id) AS order_count
FROM
(
    SELECT order_date, order_id, arrayJoin(arrayZip(items.product_id, items.product_name, items.quantity, items.price)) AS line
    FROM orders_analytics FINAL
    WHERE is_deleted = 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
)
GROUP BY scope, product_id, product_name

-- name: cube_product_found
-- As cube_product has it.
SELECT order_date AS scope, product_id, product_name, quantity, revenue, order_count
FROM cube_product FINAL
WHERE (quantity, revenue, order_count) != (0, 0, 0)

-- name: cube_day_expected
-- Sales by day, with the customers of each day.
SELECT order_date AS scope, count() AS order_count, toDecimal128(sum(total_amount), 2) AS revenue,
    uniqExact(user_id) AS unique_customers
FROM orders_analytics FINAL
WHERE is_deleted = 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
GROUP BY scope

-- name: cube_day_found
-- As cube_day has it.
SELECT order_date AS scope, order_count, revenue, unique_customers
FROM cube_day FINAL
WHERE (order_count, revenue, unique_customers) != (0, 0, 0)

-- name: orders_by_user_expected
-- The raw rows in user order.
SELECT toUInt16(cityHash64(user_id) % 65536) AS scope, user_id, order_id, total_amount, toString(status) AS status, created_at, version
FROM orders_analytics FINAL
WHERE is_deleted = 0

-- name: orders_by_user_found
-- Their copy.
SELECT bucket AS scope, user_id, order_id, total_amount, toString(status) AS status, created_at, version
FROM orders_by_user FINAL
WHERE is_deleted = 0

-- name: cube_user_expected
-- Sales by user, from the raw rows and not from their copy.
SELECT toUInt16(cityHash64(user_id) % 65536) AS scope, user_id, count() AS order_count,
    toDecimal128(sum(total_amount), 2) AS revenue, max(created_at) AS last_order_at
FROM orders_analytics FINAL
WHERE is_deleted = 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
GROUP BY scope, user_id

-- name: cube_user_found
-- As cube_user has it.
SELECT bucket AS scope, user_id, order_count, revenue, last_order_at
FROM cube_user FINAL
WHERE (order_count, revenue) != (0, 0)

-- name: cube_bucket_expected
-- Users with sales by bucket, from the raw rows.
SELECT toUInt16(cityHash64(user_id) % 65536) AS scope, uniqExact(user_id) AS customers
FROM orders_analytics FINAL
WHERE is_deleted = 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
GROUP BY scope

-- name: cube_bucket_found
-- As cube_bucket has it.
SELECT bucket AS scope, customers
FROM cube_bucket FINAL
WHERE customers != 0

-- name: daily_sales_mv_expected
-- What the view must show of cube_day. Here and below an average is rounded half up, in integers.
SELECT order_date AS scope, order_count, revenue AS total_revenue,
    toDecimal128(intDiv(toInt128(revenue * 100) * 2 + order_count, toInt128(order_count) * 2), 2) / 100 AS avg_order_value,
    unique_customers
FROM cube_day FINAL
WHERE order_count > 0

-- name: daily_sales_mv_found
-- What it shows.
SELECT order_date AS scope, order_count, total_revenue, avg_order_value, unique_customers
FROM daily_sales_mv

-- name: hourly_sales_mv_expected
-- What the view must show of cube_hour.
SELECT toDate(order_hour) AS scope, order_hour, n AS order_count, amount AS total_revenue,
    toDecimal128(intDiv(toInt128(amount * 100) * 2 + n, toInt128(n) * 2), 2) / 100 AS avg_order_value
FROM
(
    SELECT order_hour, sum(order_count) AS n, sum(total) AS amount
    FROM cube_hour FINAL
    WHERE order_count > 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
    GROUP BY order_hour
)

-- name: hourly_sales_mv_found
-- What it shows.
SELECT toDate(order_hour) AS scope, order_hour, order_count, total_revenue, avg_order_value
FROM hourly_sales_mv

-- name: order_status_mv_expected
-- What the view must show of cube_hour.
SELECT order_date AS scope, toString(status) AS status, n AS order_count, amount AS total_amount
FROM
(
    SELECT order_date, status, sum(order_count) AS n, sum(total) AS amount
    FROM cube_hour FINAL
    WHERE order_count > 0
    GROUP BY order_date, status
)

-- name: order_status_mv_found
-- What it shows.
SELECT order_date AS scope, toString(status) AS status, order_count, total_amount
FROM order_status_mv

-- name: product_ranking_mv_expected
-- What the view must show of cube_product.
SELECT order_date AS scope, product_id, product_name, quantity, revenue AS total_revenue, order_count
FROM cube_product FINAL
WHERE order_count > 0

-- name: product_ranking_mv_found
-- What it shows.
SELECT order_date AS scope, product_id, product_name, quantity, total_revenue, order_count
FROM product_ranking_mv

-- name: user_analytics_mv_expected
-- What the view must show of cube_user.
SELECT bucket AS scope, user_id, order_count, revenue AS total_revenue,
    toDecimal128(intDiv(toInt128(revenue * 100) * 2 + order_count, toInt128(order_count) * 2), 2) / 100 AS avg_order_value,
    last_order_at
FROM cube_user FINAL
WHERE order_count > 0

-- name: user_analytics_mv_found
-- What it shows.
SELECT toUInt16(cityHash64(user_id) % 65536) AS scope, user_id, order_count, total_revenue, avg_order_value, last_order_at
FROM user_analytics_mv

-- name: all_time_stats_expected
-- What the view must show of cube_day and cube_bucket.
SELECT 0 AS scope, n AS total_orders, amount AS total_revenue,
    toDecimal128(intDiv(toInt128(amount * 100) * 2 + n, greatest(toInt128(n), 1) * 2), 2) / 100 AS avg_order_value, customers AS unique_customers
FROM (SELECT sum(order_count) AS n, sum(revenue) AS amount FROM cube_day FINAL) AS d,
    (SELECT sum(customers) AS customers FROM cube_bucket FINAL) AS b

-- name: all_time_stats_found
-- What it shows.
SELECT 0 AS scope, total_orders, total_revenue, avg_order_value, assumeNotNull(unique_customers) AS unique_customers
FROM all_time_stats

-- name: today_stats_expected
-- What the view must show of cube_day for the shop's day.
SELECT 0 AS scope, n AS total_orders, amount AS total_revenue,
    toDecimal128(intDiv(toInt128(amount * 100) * 2 + n, greatest(toInt128(n), 1) * 2), 2) / 100 AS avg_order_value, customers AS unique_customers
FROM
(
    SELECT sum(order_count) AS n, sum(revenue) AS amount, sum(unique_customers) AS customers
    FROM cube_day FINAL
    WHERE order_date = toDate(now({zone:String}))
)

-- name: today_stats_found
-- What it shows.
SELECT 0 AS scope, total_orders, total_revenue, avg_order_value, unique_customers
FROM today_stats

-- name: marks_by_day
-- The aggregator's bookkeeping: for every day the rows that came in and when the last did, the rows its cubes cover and
-- when they were begun (seconds since 1970).
SELECT toString(order_date) AS scope, sum(rows), toUnixTimestamp64Milli(max(last_at)) / 1000, sum(covered), toUnixTimestamp64Milli(max(began)) / 1000
FROM
(
    SELECT order_date, sum(rows) AS rows, max(last_at) AS last_at, 0 AS covered, toDateTime64(0, 3, 'UTC') AS began
    FROM day_inserts GROUP BY order_date
    UNION ALL
    SELECT order_date, 0, toDateTime64(0, 3, 'UTC'), covered, began FROM cube_day FINAL
)
GROUP BY order_date

-- name: marks_by_bucket
-- The same for buckets of users.
SELECT toString(bucket) AS scope, sum(rows), toUnixTimestamp64Milli(max(last_at)) / 1000, sum(covered), toUnixTimestamp64Milli(max(began)) / 1000
FROM
(
    SELECT bucket, sum(rows) AS rows, max(last_at) AS last_at, 0 AS covered, toDateTime64(0, 3, 'UTC') AS began
    FROM bucket_inserts GROUP BY bucket
    UNION ALL
    SELECT bucket, 0, toDateTime64(0, 3, 'UTC'), covered, began FROM cube_bucket FINAL
)
GROUP BY bucket

-- name: oldest_uncovered_by_day
-- For these days, when the first row came in that their cubes were begun before (seconds since 1970).
SELECT toString(order_date) AS scope, toUnixTimestamp64Milli(min(ingested_at)) / 1000
FROM orders_analytics AS r
LEFT JOIN (SELECT order_date, began FROM cube_day FINAL WHERE order_date IN {scopes:Array(Date)}) AS c USING order_date
WHERE r.order_date IN {scopes:Array(Date)} AND r.ingested_at > c.began
GROUP BY order_date

-- name: delete_orders
-- Removes rows of raw orders by day and id, all their versions. One statement for many: whatever it finds, it costs a look
-- at every part of the table (0.15 s each in chDB).
DELETE FROM orders_analytics
WHERE (order_date, order_id) IN %(rows)s

-- name: delete_copies
-- Removes rows of the copy in user order by user and order, all their versions.
DELETE FROM orders_by_user
WHERE (user_id, order_id) IN %(rows)s
    AND bucket IN (SELECT toUInt16(modulo(cityHash64(arrayJoin(%(users)s)), 65536)))

-- name: copy_orders
-- Copies the newest raw rows of these orders into user order, as the view on new rows does.
INSERT INTO orders_by_user (bucket, user_id, order_id, total_amount, status, created_at, version, is_deleted)
SELECT toUInt16(modulo(cityHash64(user_id), 65536)), user_id, order_id, total_amount, status, created_at, version, is_deleted
FROM orders_analytics FINAL
WHERE order_id IN %(ids)s
SETTINGS do_not_merge_across_partitions_select_final = 1

-- name: unbeatable
-- The cubes that have cells made by hand with a generation that none can follow: the next one would wrap to 0.
SELECT 'hours' FROM cube_hour WHERE gen >= 9000000000000000000 LIMIT 1
UNION ALL SELECT 'products' FROM cube_product WHERE gen >= 9000000000000000000 LIMIT 1
UNION ALL SELECT 'days' FROM cube_day WHERE gen >= 9000000000000000000 LIMIT 1
UNION ALL SELECT 'users' FROM cube_user WHERE gen >= 9000000000000000000 LIMIT 1
UNION ALL SELECT 'buckets' FROM cube_bucket WHERE gen >= 9000000000000000000 LIMIT 1

-- name: delete_unbeatable_hours
-- Removes those cells.
DELETE FROM cube_hour WHERE gen >= 9000000000000000000

-- name: delete_unbeatable_products
-- Removes those cells.
DELETE FROM cube_product WHERE gen >= 9000000000000000000

-- name: delete_unbeatable_days
-- Removes those cells.
DELETE FROM cube_day WHERE gen >= 9000000000000000000

-- name: delete_unbeatable_users
-- Removes those cells.
DELETE FROM cube_user WHERE gen >= 9000000000000000000

-- name: delete_unbeatable_buckets
-- Removes those cells.
DELETE FROM cube_bucket WHERE gen >= 9000000000000000000
