-- What was applied to this database, and for which business time zone. Run before every look at it.
CREATE TABLE IF NOT EXISTS schema_migrations
(
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY name;

CREATE TABLE IF NOT EXISTS schema_settings
(
    name      String,
    value     String,
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (name, stored_at);
