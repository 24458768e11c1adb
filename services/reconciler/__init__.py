"""Compares orders, raw rows, cubes and views, and mends what differs; the relational database is always right."""

from services.reconciler.command import verify
from services.reconciler.render import render
from services.reconciler.report import Report

__all__ = ["Report", "render", "verify"]
