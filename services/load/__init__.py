"""Putting orders in at a steady rate and measuring what a customer and a dashboard see of it."""

from services.load.report import Report, percentile
from services.load.run import LoadError, Plan, run_load

__all__ = ["LoadError", "Plan", "Report", "percentile", "run_load"]
