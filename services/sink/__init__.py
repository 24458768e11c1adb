"""The sink: from the analytics topic into ClickHouse.

SINK_MODE=python: read → insert (insert.py) → commit (clients/batches.py).
SINK_MODE=connect: Kafka Connect does it; supervisor.py watches the connector and restarts it, and while it is FAILED
substitute.py loads the rows in its place, bad ones among them.
"""
