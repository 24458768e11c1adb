-- Statements of the aggregator. {name:Type} is bound by the server. $keys is a list of plain literals that
-- services.aggregator.keys has validated; $buckets is such a list or a range: bound, thousands of them cost seconds.
--
-- Every append_* is (new sums from the newest rows) UNION ALL (newest old cells, in columns of their own), grouped by
-- the cell's key. A cell is written only when new and old differ, so a vanished cell is written as zeros. Its
-- generation is greatest(began, its previous one + 1): a clock that steps back loses nothing.
-- Times are milliseconds since 1970. {now} is 0 for the server's own clock; {began} is when the dirty keys were read.

-- name: dirty_days
-- Days of which other rows came in than the cubes cover, and days due for a recheck: their last row came in at least a
-- gap ago and no recompute began since then, so that one may have missed it. The same for what was recomputed between
-- {fence_from} and {fence}. Today and yesterday first, then what differs, then what waited longest.
WITH if({now:Int64} = 0, toUnixTimestamp64Milli(now64(3)), {now:Int64}) AS now_ms
SELECT toString(i.order_date) AS day, i.inserted AS inserted, i.inserted - c.covered AS missing, now_ms,
    order_date >= toDate(fromUnixTimestamp64Milli(now_ms, {zone:String})) - 1 AS recent, i.newest_ms
FROM
(
    SELECT order_date, sum(rows) AS inserted, toUnixTimestamp64Milli(max(last_at)) AS last_ms,
        toUnixTimestamp64Milli(max(newest_occurred_at)) AS newest_ms
    FROM day_inserts
    GROUP BY order_date
) AS i
LEFT JOIN
(
    SELECT order_date, covered, toUnixTimestamp64Milli(began) AS began_ms
    FROM cube_day FINAL
) AS c USING order_date
WHERE i.inserted != c.covered
    OR arrayExists(gap -> c.began_ms < i.last_ms + gap AND now_ms >= i.last_ms + gap, {gaps:Array(Int64)})
    OR (c.began_ms >= {fence_from:Int64} AND c.began_ms < {fence:Int64} AND now_ms >= {fence:Int64})
ORDER BY recent DESC, missing != 0 DESC, c.began_ms, order_date DESC

-- name: day_arrivals
-- Changes with every row that comes in, and with every request to recompute a day.
SELECT sum(rows), max(last_at) FROM day_inserts SETTINGS max_threads = 1

-- name: append_hours
-- Orders that are not deleted, by hour and status. The hour begins where its minute 0 is, or would be: where the clock
-- is set within an hour (Lord Howe, by 30 minutes), at the change.
INSERT INTO cube_hour (order_date, order_hour, status, order_count, total, gen)
SELECT order_date, order_hour, status, sum(new_count) AS count_now, sum(new_total) AS total_now,
    greatest({began:UInt64}, max(old_gen) + 1)
FROM
(
    SELECT order_date, floored + if(toHour(floored) = toHour(t), -past, if(past = 0, 0, 3600 - past)) AS order_hour, status,
        count() AS new_count, sum(total_amount) AS new_total, 0 AS old_count, toDecimal128(0, 2) AS old_total, 0 AS old_gen
    FROM
    (
        SELECT order_date, status, total_amount, toDateTime64(created_at, 0, {zone:String}) AS t,
            t - 60 * toMinute(t) - toSecond(t) AS floored, 60 * toMinute(floored) AS past
        FROM orders_analytics FINAL
        WHERE order_date IN ($keys) AND is_deleted = 0
    )
    GROUP BY order_date, order_hour, status
    UNION ALL
    SELECT order_date, order_hour, status, 0, 0, order_count, total, gen
    FROM cube_hour FINAL
    WHERE order_date IN ($keys)
)
GROUP BY order_date, order_hour, status
HAVING (count_now, total_now) != (sum(old_count), sum(old_total))
SETTINGS do_not_merge_across_partitions_select_final = 1

-- name: append_products
-- Sales by product. A line counts its quantity and quantity x price; an order counts once for a product, at the
-- product's first line in it.
INSERT INTO cube_product (order_date, product_id, product_name, quantity, revenue, order_count, gen)
SELECT order_date, product_id, product_name, sum(new_quantity) AS quantity_now, sum(new_revenue) AS revenue_now,
    sum(new_count) AS count_now,
    greatest({began:UInt64}, max(old_gen) + 1)
FROM
(
    SELECT order_date, product_id, product_name, sum(line_quantity) AS new_quantity,
        sum(toDecimal128(line_price, 2) * line_quantity) AS new_revenue, countIf(nth_line = 1) AS new_count,
        0 AS old_quantity, toDecimal128(0, 2) AS old_revenue, 0 AS old_count, 0 AS old_gen
    FROM
    (
        SELECT order_date, items.product_id AS ids, items.product_name AS names, items.quantity AS quantities, items.price AS prices
        FROM orders_analytics FINAL
        WHERE order_date IN ($keys) AND is_deleted = 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
    )
    ARRAY JOIN ids AS product_id, names AS product_name, quantities AS line_quantity, prices AS line_price,
        arrayEnumerateUniq(ids, names) AS nth_line
    GROUP BY order_date, product_id, product_name
    UNION ALL
    SELECT order_date, product_id, product_name, 0, 0, 0, quantity, revenue, order_count, gen
    FROM cube_product FINAL
    WHERE order_date IN ($keys)
)
GROUP BY order_date, product_id, product_name
HAVING (quantity_now, revenue_now, count_now) != (sum(old_quantity), sum(old_revenue), sum(old_count))
SETTINGS do_not_merge_across_partitions_select_final = 1, max_partitions_per_insert_block = 0

-- name: append_days
-- Sales by day, and the mark of what this day's sums in all three cubes cover; written after the other two.
INSERT INTO cube_day (order_date, order_count, revenue, unique_customers, covered, began, gen)
SELECT order_date, sum(new_count), sum(new_revenue), sum(new_customers), sum(mark), fromUnixTimestamp64Milli(toInt64({began:UInt64})),
    greatest({began:UInt64}, max(old_gen) + 1)
FROM
(
    SELECT order_date, count() AS new_count, sum(total_amount) AS new_revenue, uniqExact(user_id) AS new_customers,
        0 AS mark, 0 AS old_gen
    FROM orders_analytics FINAL
    WHERE order_date IN ($keys) AND is_deleted = 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
    GROUP BY order_date
    UNION ALL
    SELECT key.1, 0, 0, 0, key.2, 0
    FROM (SELECT arrayJoin(arrayZip(CAST([$keys], 'Array(Date)'), CAST([$covered], 'Array(UInt64)'))) AS key)
    UNION ALL
    SELECT order_date, 0, 0, 0, 0, gen
    FROM cube_day FINAL
    WHERE order_date IN ($keys)
)
GROUP BY order_date
SETTINGS do_not_merge_across_partitions_select_final = 1

-- name: now
-- ClickHouse's clock.
SELECT toUnixTimestamp64Milli(now64(3))

-- name: dirty_buckets
-- Buckets of users, as dirty_days; here nothing is recent.
WITH if({now:Int64} = 0, toUnixTimestamp64Milli(now64(3)), {now:Int64}) AS now_ms
SELECT bucket, i.inserted AS inserted, i.inserted - c.covered AS missing, now_ms, false AS recent, 0 AS newest_ms
FROM
(
    SELECT bucket, sum(rows) AS inserted, toUnixTimestamp64Milli(max(last_at)) AS last_ms
    FROM bucket_inserts
    GROUP BY bucket
) AS i
LEFT JOIN
(
    SELECT bucket, covered, toUnixTimestamp64Milli(began) AS began_ms
    FROM cube_bucket FINAL
) AS c USING bucket
WHERE i.inserted != c.covered
    OR arrayExists(gap -> c.began_ms < i.last_ms + gap AND now_ms >= i.last_ms + gap, {gaps:Array(Int64)})
    OR (c.began_ms >= {fence_from:Int64} AND c.began_ms < {fence:Int64} AND now_ms >= {fence:Int64})
ORDER BY missing != 0 DESC, c.began_ms, bucket

-- name: bucket_arrivals
-- Changes with every row that comes in, and with every request to recompute a bucket.
SELECT sum(rows), max(last_at) FROM bucket_inserts SETTINGS max_threads = 1

-- name: append_users
-- Sales by user.
INSERT INTO cube_user (bucket, user_id, order_count, revenue, last_order_at, gen)
SELECT bucket, user_id, sum(new_count) AS count_now, sum(new_revenue) AS revenue_now, max(new_last) AS last_now,
    greatest({began:UInt64}, max(old_gen) + 1)
FROM
(
    SELECT bucket, user_id, count() AS new_count, sum(total_amount) AS new_revenue, max(created_at) AS new_last,
        0 AS old_count, toDecimal128(0, 2) AS old_revenue, toDateTime64(0, 6, 'UTC') AS old_last, 0 AS old_gen
    FROM orders_by_user FINAL
    WHERE $buckets AND is_deleted = 0 AND status NOT IN ('CANCELLED', 'REFUNDED')
    GROUP BY bucket, user_id
    UNION ALL
    SELECT bucket, user_id, 0, 0, toDateTime64(0, 6, 'UTC'), order_count, revenue, last_order_at, gen
    FROM cube_user FINAL
    WHERE $buckets
)
GROUP BY bucket, user_id
HAVING (count_now, revenue_now, last_now) != (sum(old_count), sum(old_revenue), max(old_last))

-- name: append_buckets
-- Users with sales by bucket, and the mark of what cube_user covers; written after it.
INSERT INTO cube_bucket (bucket, customers, covered, began, gen)
SELECT bucket, sum(new_customers), sum(mark), fromUnixTimestamp64Milli(toInt64({began:UInt64})),
    greatest({began:UInt64}, max(old_gen) + 1)
FROM
(
    SELECT bucket, countIf(order_count > 0) AS new_customers, 0 AS mark, 0 AS old_gen
    FROM cube_user FINAL
    WHERE $buckets
    GROUP BY bucket
    UNION ALL
    SELECT key.1, 0, key.2, 0
    FROM (SELECT arrayJoin(arrayZip(CAST([$keys], 'Array(UInt16)'), CAST([$covered], 'Array(UInt64)'))) AS key)
    UNION ALL
    SELECT bucket, 0, 0, gen
    FROM cube_bucket FINAL
    WHERE $buckets
)
GROUP BY bucket
HAVING sum(mark) > 0

-- name: disks
-- Where ClickHouse keeps its data, with the bytes left and in all. Object storage has no end, and says so.
SELECT name, unreserved_space, total_space FROM system.disks WHERE total_space > 0 ORDER BY name;
