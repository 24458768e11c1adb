"""How a process talks to its neighbours: relational database, Kafka, ClickHouse, and the leases between processes."""
