-- What the doctor asks of ClickHouse. {name:Type} is bound by the server.

-- name: progress
-- How far an order has come: newest row, rows of its day that came in and that the sums cover, and the view.
SELECT
    (SELECT max(version) FROM orders_analytics WHERE order_date = {day:Date} AND order_id = {id:String}) AS version,
    (SELECT sum(rows) FROM day_inserts WHERE order_date = {day:Date}) AS inserted,
    (SELECT toUnixTimestamp64Micro(max(newest_occurred_at)) FROM day_inserts WHERE order_date = {day:Date}) AS newest,
    (SELECT covered FROM cube_day FINAL WHERE order_date = {day:Date}) AS covered,
    (SELECT sum(order_count) FROM order_status_mv WHERE order_date = {day:Date} AND status = {status:String}) AS listed
