-- What shows a ClickHouse user's rights without changing anything. Each is a statement that the server refuses to whoever
-- lacks a right before it looks for rows and columns, and that otherwise does nothing. DROP TABLE IF EXISTS of no table
-- is none: the server looks for the table first, and finds nothing to ask a right for.

-- name: session
-- The time zone of this user's day.
SELECT timezone();

-- name: read_orders
-- Whole rows.
SELECT * FROM orders_analytics LIMIT 0;

-- name: read_columns
-- Those that the views on new rows read, which they do as whoever inserts; an INSERT of no row does not come that far.
SELECT order_id, user_id, order_date, created_at, total_amount, status, is_deleted, version, occurred_at, ingested_at
FROM orders_analytics LIMIT 0;

-- name: read_cubes
-- Sums with their bookkeeping, what came in, the copy in user order, and what was applied to the schema.
SELECT 1 FROM cube_hour WHERE 0
UNION ALL SELECT 1 FROM cube_product WHERE 0
UNION ALL SELECT 1 FROM cube_day WHERE 0
UNION ALL SELECT 1 FROM cube_user WHERE 0
UNION ALL SELECT 1 FROM cube_bucket WHERE 0
UNION ALL SELECT 1 FROM day_inserts WHERE 0
UNION ALL SELECT 1 FROM bucket_inserts WHERE 0
UNION ALL SELECT 1 FROM orders_by_user WHERE 0
UNION ALL SELECT 1 FROM schema_migrations WHERE 0
UNION ALL SELECT 1 FROM schema_settings WHERE 0;

-- name: read_views
-- The views of the analytics API; whoever reads one needs the right on what is behind it, too.
SELECT 1 FROM daily_sales_mv WHERE 0
UNION ALL SELECT 1 FROM hourly_sales_mv WHERE 0
UNION ALL SELECT 1 FROM order_status_mv WHERE 0
UNION ALL SELECT 1 FROM product_ranking_mv WHERE 0
UNION ALL SELECT 1 FROM all_time_stats WHERE 0
UNION ALL SELECT 1 FROM today_stats WHERE 0;

-- name: read_parts
-- What the server keeps where.
SELECT 1 FROM system.parts WHERE 0;

-- name: read_disks
-- How much room is left.
SELECT 1 FROM system.disks WHERE 0;

-- name: describe_orders
-- The columns that Kafka Connect's sink fits its rows to.
DESCRIBE TABLE orders_analytics;

-- name: insert_orders
-- No row, but an INSERT.
INSERT INTO orders_analytics (order_id) SELECT '' WHERE 0;

-- name: insert_copies
-- Into the copy in user order.
INSERT INTO orders_by_user (order_id) SELECT '' WHERE 0;

-- name: insert_hours
-- Into a cube.
INSERT INTO cube_hour (gen) SELECT 0 WHERE 0;

-- name: insert_products
-- Into a cube.
INSERT INTO cube_product (gen) SELECT 0 WHERE 0;

-- name: insert_days
-- Into a cube.
INSERT INTO cube_day (gen) SELECT 0 WHERE 0;

-- name: insert_users
-- Into a cube.
INSERT INTO cube_user (gen) SELECT 0 WHERE 0;

-- name: insert_buckets
-- Into a cube.
INSERT INTO cube_bucket (gen) SELECT 0 WHERE 0;

-- name: request_days
-- Makes no day dirty.
INSERT INTO day_inserts (rows) SELECT 0 WHERE 0;

-- name: request_buckets
-- Makes no bucket of users dirty.
INSERT INTO bucket_inserts (rows) SELECT 0 WHERE 0;

-- name: delete_orders
-- Here and below, whoever may is told that there is no such column (UNKNOWN_IDENTIFIER), and no mutation begins: one that
-- finds no row still writes every part anew.
DELETE FROM orders_analytics WHERE provision_names_no_column;

-- name: delete_copies
-- From the copy in user order.
DELETE FROM orders_by_user WHERE provision_names_no_column;

-- name: delete_hours
-- From a cube.
DELETE FROM cube_hour WHERE provision_names_no_column;

-- name: delete_products
-- From a cube.
DELETE FROM cube_product WHERE provision_names_no_column;

-- name: delete_days
-- From a cube.
DELETE FROM cube_day WHERE provision_names_no_column;

-- name: delete_users
-- From a cube.
DELETE FROM cube_user WHERE provision_names_no_column;

-- name: delete_buckets
-- From a cube.
DELETE FROM cube_bucket WHERE provision_names_no_column;

-- name: alter_orders
-- A stored value, in place.
ALTER TABLE orders_analytics UPDATE status = '' WHERE provision_names_no_column;

-- name: create_tables
-- There is one of this name.
CREATE TABLE IF NOT EXISTS orders_analytics (none UInt8) ENGINE = Memory;

-- name: change_schema
-- There is no such column.
ALTER TABLE orders_analytics DROP COLUMN IF EXISTS provision_looks_whether_it_may_drop_this;
