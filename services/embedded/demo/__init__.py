"""``millrace demo``: every process of the pipeline on one machine, started, watched and stopped together."""

from services.embedded.demo.folder import DemoFolder
from services.embedded.demo.supervisor import DemoError, DemoOptions, Supervisor

__all__ = ["DemoError", "DemoFolder", "DemoOptions", "Supervisor"]
