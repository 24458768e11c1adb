"""Replaying a purchase log: old purchases become imported orders and go the way of every order."""

from services.replay.importer import Outcome, RelayStalled, replay
from services.replay.log import DamagedLine, LogError, PurchaseLog, open_log

__all__ = ["DamagedLine", "LogError", "Outcome", "PurchaseLog", "RelayStalled", "open_log", "replay"]
