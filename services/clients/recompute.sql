-- Requests to recompute: each appends a row that claims one more insert.

-- name: request_days
-- Makes the given days dirty.
INSERT INTO day_inserts (order_date, rows, last_at)
SELECT arrayJoin({days:Array(Date)}), 1, now64(3)

-- name: request_buckets
-- Makes the given buckets of users dirty.
INSERT INTO bucket_inserts (bucket, rows, last_at)
SELECT arrayJoin({buckets:Array(UInt16)}), 1, now64(3)

-- name: request_users
-- Makes the buckets of the given users dirty.
INSERT INTO bucket_inserts (bucket, rows, last_at)
SELECT DISTINCT toUInt16(cityHash64(arrayJoin({users:Array(String)})) % 65536), 1, now64(3)

-- name: request_all_days
-- Makes every day dirty that ever had a row.
INSERT INTO day_inserts (order_date, rows, last_at)
SELECT DISTINCT order_date, 1, now64(3) FROM day_inserts

-- name: request_all_buckets
-- Makes every bucket dirty that ever had a row.
INSERT INTO bucket_inserts (bucket, rows, last_at)
SELECT DISTINCT bucket, 1, now64(3) FROM bucket_inserts
