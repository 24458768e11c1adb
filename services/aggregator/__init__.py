"""Keeps the cubes equal to the raw orders: recomputes whole days, and whole buckets of users, that came to differ."""
