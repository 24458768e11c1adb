"""Reading a purchase log: customer, day (YYYYMMDD), number of CDs, dollars; plain or gzip.

An order's id is the UUIDv5 (RFC 9562) of the file's digest and its line number, so that the same file always makes
the same orders, and equal lines make different ones.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid5

from services.domain.imports import ImportedOrder
from services.domain.model import OrderItem

PRODUCT_ID, PRODUCT_NAME = "cdnow-cd", "CD"
USER_PREFIX = "cdnow-"
_NAMESPACE = UUID("6f1d1c1e-6b0a-5f53-9a55-0f5a0d3f7c11")
_LINE = re.compile(r"^\s*(\S{1,24})\s+(\d{8})\s+(\d{1,9})\s+(\d{1,13}(?:\.\d{1,2})?)\s*$")
_HEADER = re.compile(r"^\s*customer\S*\s+date\b")
_MAX_BYTES = 1 << 30
_CENT = Decimal("0.01")


class LogError(Exception):
    """The file as a whole cannot be read; the message is one line."""


@dataclass(frozen=True)
class DamagedLine:
    """A line that is no purchase, by number, and why."""

    number: int
    why: str


@dataclass(frozen=True)
class PurchaseLog:
    """A log's lines and the digest of its content (the same for plain and gzip)."""

    digest: str
    lines: tuple[str, ...]

    def purchases(self) -> Iterator[ImportedOrder | DamagedLine]:
        """Every line in order, but for blank ones and a first line of column names."""
        for number, line in enumerate(self.lines, 1):
            if line.strip() and not (number == 1 and _HEADER.match(line)):
                try:
                    yield self._purchase(number, line)
                except ValueError as damage:
                    yield DamagedLine(number, str(damage))

    def _purchase(self, number: int, line: str) -> ImportedOrder:
        fields = _LINE.match(line)
        if fields is None:
            raise ValueError(f"is not 'customer YYYYMMDD count dollars': {line.strip()[:60]!r}")
        customer, day, count, dollars = fields.groups()
        try:
            when = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        except ValueError as wrong:
            raise ValueError(f"{day} is no day: {wrong}") from None
        if not date(1970, 1, 2) <= when <= date(2149, 6, 5):
            raise ValueError(f"{day} is outside the days that can be stored (1970-01-02 to 2149-06-05)")
        return ImportedOrder(
            id=str(uuid5(_NAMESPACE, f"{self.digest}:{number}")),
            user_id=USER_PREFIX + customer,
            day=when,
            items=split(int(count), Decimal(dollars).quantize(_CENT)),
        )


def split(count: int, total: Decimal) -> tuple[OrderItem, ...]:
    """``count`` pieces of one CD for ``total``: at most two lines, a cent apart in price, that add up exactly."""
    if count < 1:
        raise ValueError("the number of CDs is 0")
    low, dearer = divmod(int(total * 100), count)
    lines = ((dearer, low + 1), (count - dearer, low))
    return tuple(
        OrderItem(PRODUCT_ID, PRODUCT_NAME, pieces, Decimal(cents).scaleb(-2).quantize(_CENT))
        for pieces, cents in lines
        if pieces
    )


def open_log(path: Path) -> PurchaseLog:
    """Reads the whole file. Raises LogError with the path and what is wrong."""
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except FileNotFoundError:
        raise LogError(f"{path}: there is no such file") from None
    except (OSError, EOFError, zlib.error) as unreadable:
        raise LogError(f"{path}: cannot be read: {unreadable}") from None
    if len(content) > _MAX_BYTES:
        raise LogError(f"{path}: is larger than {_MAX_BYTES >> 20} MiB; split it")
    text = content.decode("utf-8", errors="replace")
    return PurchaseLog(hashlib.sha256(content).hexdigest(), tuple(text.splitlines()))
