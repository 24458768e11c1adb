"""The sink: from the analytics topic into ClickHouse, where no Kafka Connect does it.

read → insert (insert.py) → commit (clients/batches.py).
"""
