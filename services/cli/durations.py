"""Lengths and moments of time as people write them."""

import re
from datetime import UTC, datetime, timedelta

_LENGTH = re.compile(r"(\d{1,6})\s*([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=100 * 365)


def duration(text: str) -> timedelta:
    """``90d``, ``1h``, ``30m``, ``45s``, ``2w``. Raises ValueError, which says so."""
    found = _LENGTH.fullmatch(text.strip())
    length = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if length is None or length > _LONGEST:
        raise ValueError(f"is no length of time like 90d, 12h, 30m, 45s or 2w: {text}")
    return length


def moment(text: str, now: datetime) -> datetime:
    """``2026-11-21``, ``2026-11-21T14:00+01:00`` (UTC where nothing is said), or a length of time before ``now``."""
    try:
        return now - duration(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"is neither a day or moment (2026-11-21T14:00) nor a length of time (2h): {text}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
