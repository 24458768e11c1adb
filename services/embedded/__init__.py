"""The servers of the embedded mode: a Kafka broker and ClickHouse over HTTP, each a process of its own."""
