"""The transformer: from order and payment events to rows of the analytics topic.

read → transform (transform.py) → produce (process.py) → commit (clients/batches.py).
"""
