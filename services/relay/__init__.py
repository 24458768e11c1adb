"""The relay: from the outbox to Kafka, every event at least once, those of an aggregate in their order.

read (outbox.py) → produce (produce.py) → record (outbox.py), round after round (relay.py).
"""
