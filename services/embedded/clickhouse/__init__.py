"""ClickHouse's HTTP interface over one chDB engine: every client of a ClickHouse server can talk to it."""
