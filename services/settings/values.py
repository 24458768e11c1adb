"""Forms a setting's text may take, beyond what pydantic reads by itself."""

import re
from ipaddress import ip_network
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator

_CRON_SECONDS = re.compile(r"^\*/(\d{1,2}) \* \* \* \* \*$")


def polling_seconds(value: object) -> object:
    """Seconds as a number, or the original's six-field cron form ``*/5 * * * * *`` (every 5 s)."""
    if not isinstance(value, str):
        return value
    text = value.split("#", 1)[0].strip().strip("\"'")
    cron = _CRON_SECONDS.match(text)
    if cron:
        return float(cron[1])
    if " " in text:
        raise ValueError("is neither seconds (0.25) nor of the form */5 * * * * *")
    return text


def known_zone(value: object) -> object:
    """An IANA time zone name; the name itself is kept, because databases want it."""
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise ValueError(f"is not an IANA time zone (like Europe/Berlin): {value}") from unknown
    return value


def comma_list(value: object) -> object:
    """``a,b, c`` without empty entries."""
    if not isinstance(value, str):
        return value
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    if not entries:
        raise ValueError("names no host:port")
    return ",".join(entries)


def addresses(value: object) -> object:
    """IP addresses and networks, ``10.0.0.1, 172.18.0.0/16``, as ``10.0.0.1,172.18.0.0/16``."""
    if not isinstance(value, str):
        return value
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    for entry in entries:
        try:
            ip_network(entry)
        except ValueError as fault:
            raise ValueError(f"is not a list of addresses and networks: {fault}") from None
    return ",".join(entries)


PollingSeconds = Annotated[float, BeforeValidator(polling_seconds)]
ZoneName = Annotated[str, BeforeValidator(known_zone)]
Brokers = Annotated[str, BeforeValidator(comma_list)]
Addresses = Annotated[str, BeforeValidator(addresses)]
