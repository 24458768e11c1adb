"""A place in MySQL's binary log, and what Debezium's committed offset says about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


class NotAnOffset(ValueError):
    """What Connect keeps for the connector is no offset of Debezium's MySQL connector."""


class AnotherLog(ValueError):
    """Two positions of logs with different names: they cannot be compared."""


@dataclass(frozen=True, slots=True)
class Position:
    """``offset`` bytes into the file ``name`` + '.' + ``number``; the file's number is counted, not compared as text.

    binlog.1000000 comes after binlog.999999, and byte 1000 after byte 999.
    """

    name: str
    number: int
    offset: int

    @classmethod
    def of(cls, file: str, offset: int) -> Self:
        """Of a file's name as MySQL has it. Raises NotAnOffset."""
        name, _, number = file.rpartition(".")
        if not name or not number.isdecimal() or offset < 0:
            raise NotAnOffset(f"{file}:{offset} is no position in a binary log")
        return cls(name, int(number), offset)

    def reaches(self, other: Self) -> bool:
        """Whether this is at or behind the other one. Raises AnotherLog."""
        if self.name != other.name:
            raise AnotherLog(f"{self} and {other} are positions in different binary logs")
        return (self.number, self.offset) >= (other.number, other.offset)

    def __str__(self) -> str:
        return f"{self.name}.{self.number:06d}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Committed:
    """An offset of Debezium 3's MySQL connector that Connect has committed.

    Everything in the binary log before ``position`` was delivered, unless ``snapshot``: then rows of the table itself
    are being read, the position is where that began, and nothing says which rows were delivered yet.
    ``gtids`` are the transactions delivered; None where the server gives none.
    """

    position: Position
    snapshot: bool
    gtids: str | None

    @classmethod
    def of(cls, offset: Mapping[str, Any]) -> Self:
        """Of what Connect's REST interface shows: file, pos, gtids, snapshot. Raises NotAnOffset."""
        try:
            position = Position.of(str(offset["file"]), int(offset["pos"]))
        except (KeyError, TypeError) as strange:
            raise NotAnOffset(f"{dict(offset)} has no binary log position ({strange!r})") from None
        gtids = offset.get("gtids")
        # true in Debezium 2, INITIAL or ad hoc kinds in 3; absent, and in between false, when there is none
        snapshot = str(offset.get("snapshot", False)).lower() != "false"
        return cls(position, snapshot, None if gtids is None else str(gtids))
