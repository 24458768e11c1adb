"""Whether an installation is well: `millrace doctor`.

Each concern is a check in a module of its own (``Check`` in check.py); ``Installation`` in command.py picks those that
fit the stack, the demo, or services started by hand. A check has a deadline, so the whole answers even where a
neighbour hangs.
"""

from services.doctor.command import diagnose
from services.doctor.findings import Finding, Report, State
from services.doctor.render import amiss, render

__all__ = ["Finding", "Report", "State", "amiss", "diagnose", "render"]
