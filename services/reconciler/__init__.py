"""Compares orders, raw rows, cubes and views, and mends what differs; the relational database is always right."""
