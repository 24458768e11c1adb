-- The views people and programs read. All of them hide cells of zeros and take the newest generation of each cell,
-- merged or not.

-- sum / n to two places, half up, in integers: ClickHouse truncates a Decimal quotient. Sums are never negative.
CREATE FUNCTION IF NOT EXISTS avg_half_up AS (total, n) ->
    toDecimal128(intDiv(2 * toInt128(total * 100) + toInt128(n), 2 * greatest(toInt128(n), 1)), 2) / 100;

CREATE VIEW IF NOT EXISTS daily_sales_mv AS
SELECT order_date, order_count, revenue AS total_revenue, avg_half_up(revenue, order_count) AS avg_order_value, unique_customers
FROM cube_day FINAL
WHERE order_count > 0;

CREATE VIEW IF NOT EXISTS hourly_sales_mv AS
SELECT order_hour, sum(h.order_count) AS order_count, sum(h.total) AS total_revenue, avg_half_up(total_revenue, order_count) AS avg_order_value
FROM cube_hour AS h FINAL
WHERE status NOT IN ('CANCELLED', 'REFUNDED') AND h.order_count > 0
GROUP BY order_hour;

CREATE VIEW IF NOT EXISTS order_status_mv AS
SELECT order_date, status, sum(h.order_count) AS order_count, sum(h.total) AS total_amount
FROM cube_hour AS h FINAL
WHERE h.order_count > 0
GROUP BY order_date, status;

CREATE VIEW IF NOT EXISTS product_ranking_mv AS
SELECT order_date, product_id, product_name, quantity, revenue AS total_revenue, order_count
FROM cube_product FINAL
WHERE order_count > 0
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE VIEW IF NOT EXISTS user_analytics_mv AS
SELECT user_id, order_count, revenue AS total_revenue, avg_half_up(revenue, order_count) AS avg_order_value, last_order_at
FROM cube_user FINAL
WHERE order_count > 0;

-- One row, also when there is no order. A user has one bucket, so customers of all time are a sum.
CREATE VIEW IF NOT EXISTS all_time_stats AS
SELECT sum(d.order_count) AS total_orders, sum(d.revenue) AS total_revenue, avg_half_up(total_revenue, total_orders) AS avg_order_value,
    (SELECT sum(customers) FROM cube_bucket FINAL) AS unique_customers
FROM cube_day AS d FINAL;

-- One row: the same for the shop's day, which began at midnight in the business zone.
CREATE VIEW IF NOT EXISTS today_stats AS
SELECT sum(d.order_count) AS total_orders, sum(d.revenue) AS total_revenue, avg_half_up(total_revenue, total_orders) AS avg_order_value,
    sum(d.unique_customers) AS unique_customers
FROM cube_day AS d FINAL
WHERE order_date = toDate(now('${business_timezone}'));
