"""Orders, payments and stock: the state machine, its locking, and the events of every change.

Every function that changes something runs one write transaction: it locks the aggregate's row first, reads the
state only then, changes it, and appends the events to the outbox.
"""
