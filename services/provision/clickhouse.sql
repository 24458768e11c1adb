-- What shows a ClickHouse user's rights without changing anything: the server decides on rights before it looks for rows.

-- name: session
-- As whom the server itself knows the user (a front in front of an engine knows better), and its day's time zone.
SELECT currentUser() AS name, timezone() AS zone;

-- name: read
-- What the API, Grafana and the aggregator do.
SELECT order_id FROM orders_analytics LIMIT 0;

-- name: write
-- No row, but an INSERT.
INSERT INTO orders_analytics SELECT * FROM orders_analytics WHERE 0;

-- name: change_schema
-- There is no such table.
DROP TABLE IF EXISTS provision_looks_whether_it_may_drop_this;
