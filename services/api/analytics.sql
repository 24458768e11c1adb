-- What the analytics routes read, with bound parameters. order_hour goes as seconds since 1970: an instant that no
-- client's or server's time zone can shift.

-- name: daily_sales
-- Sales of every day from start to end, newest first.
SELECT order_date, order_count, total_revenue, avg_order_value, unique_customers
FROM daily_sales_mv
WHERE order_date BETWEEN {start:Date} AND {end:Date}
ORDER BY order_date DESC;

-- name: hourly_sales
-- Sales of the newest hours that had any, within the business days from start to end.
SELECT toUnixTimestamp(h.order_hour) AS order_hour, order_count, total_revenue, avg_order_value
FROM hourly_sales_mv AS h
WHERE toDate(h.order_hour) BETWEEN {start:Date} AND {end:Date}
ORDER BY h.order_hour DESC
LIMIT {limit:UInt32};

-- name: order_status
-- Orders that are not deleted, by day and status, newest day first.
SELECT order_date, status, order_count, total_amount
FROM order_status_mv
WHERE order_date BETWEEN {start:Date} AND {end:Date}
ORDER BY order_date DESC, status;

-- name: product_ranking
-- The best-selling products since a day, by revenue. An order has one day, so orders of days add up.
SELECT
    product_id,
    argMax(product_name, p.order_date) AS product_name,
    sum(p.quantity) AS quantity,
    sum(p.total_revenue) AS total_revenue,
    sum(p.order_count) AS order_count
FROM product_ranking_mv AS p
WHERE p.order_date >= {start:Date}
GROUP BY product_id
ORDER BY total_revenue DESC, product_id
LIMIT {limit:UInt32};

-- name: stats
-- One row about all orders that count as sales.
SELECT total_orders, total_revenue, avg_order_value, unique_customers
FROM all_time_stats;

-- name: today
-- One row about the orders of the shop's day.
SELECT total_orders, total_revenue, avg_order_value, unique_customers
FROM today_stats;

-- name: health
-- Whether the analytics can be read: a view, not only the server.
SELECT count() AS days
FROM daily_sales_mv
WHERE order_date = toDate('1970-01-01');
