"""The inserting step of the sink: rows as they are, the bad ones told from the good."""

import json
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Message

from services.clients.backoff import Backoff
from services.clients.batches import Pause
from services.clients.clickhouse import Client, Failure, classify, may_be_a_rows
from services.clients.dead_letters import DeadLetter, DeadLetters
from services.observability import metrics
from services.observability.logging import get_logger

SETTINGS: Final = {
    # a batch of an old log spans many months; 100 is the server's default
    "max_partitions_per_insert_block": 1000,
    # a date that the table cannot hold is refused, not clamped
    "date_time_overflow_behavior": "throw",
    # the server's default since 26.9: waiting for a buffer that these batches do not need, and sharing its fate
    "async_insert": 0,
}
_REASON_CHARACTERS: Final = 500

log = get_logger()


class Refused(Exception):
    """ClickHouse does not take these rows: at least one of them does not fit the table."""


class Insert:
    """The work on one batch of rows."""

    def __init__(self, connect: Callable[[], Client], table: str, dead_letters: DeadLetters) -> None:
        """`connect` may fail while ClickHouse is away; it is called again then."""
        self._connect, self._table, self._dead_letters = connect, table, dead_letters
        self._client: Client | None = None
        self._backoff = Backoff()
        self._taken: bytes | None = None  # a row that ClickHouse has taken

    def __call__(self, batch: Sequence[Message], pause: Pause) -> None:
        """When it returns, every row is in the table or, with ClickHouse's reason, in the dead letters.

        When the process dies in it, some rows are in the table: the batch is read again and they are inserted once
        more, which the version of each row makes harmless. An insert over several months is not atomic either.
        """
        good: list[Message] = []
        letters: list[DeadLetter] = []
        for message in batch:
            fault = _fault(message)
            if fault is None:
                good.append(message)
            else:
                letters.append(DeadLetter(message, fault))
        if good:
            self._bisect(good, letters, pause)
        self._dead_letters.store(letters, pause)

    def _bisect(self, rows: Sequence[Message], letters: list[DeadLetter], pause: Pause) -> None:
        """Inserts all rows, or halves them until each refused row stands alone: 2 log2(n) inserts a bad row."""
        try:
            self._insert(rows, pause)
        except Refused as refused:
            if len(rows) == 1:
                letters.append(DeadLetter(rows[0], f"ClickHouse: {refused}"))
                return
            pause(0)  # many bad rows are many inserts
            middle = len(rows) // 2
            self._bisect(rows[:middle], letters, pause)
            self._bisect(rows[middle:], letters, pause)

    def _insert(self, rows: Sequence[Message], pause: Pause) -> None:
        """One INSERT, repeated until ClickHouse takes it. Raises Refused."""
        lines = [_line(row) for row in rows]
        while True:
            error = self._attempt(lines)
            if error is None:
                self._backoff.succeeded()
                metrics.INSERTED_ROWS.inc(len(rows))
                return
            failure = classify(error)
            if failure is Failure.REFUSED or (may_be_a_rows(error) and self._blames(lines)):
                raise Refused(_brief(error)) from None
            wait = self._backoff.failed()
            log.warning(
                "ClickHouse takes no rows" if failure is Failure.FAULT else "ClickHouse does not answer",
                error=_brief(error),
                again_in=round(wait, 1),
            )
            pause(wait)

    def _attempt(self, lines: Sequence[bytes]) -> Exception | None:
        """Why ClickHouse did not take these rows; None when it did."""
        try:
            if self._client is None:
                self._client = self._connect()
            self._client.raw_insert(
                self._table, insert_block=b"\n".join(lines), fmt="JSONEachRow", settings=dict(SETTINGS)
            )
        except Exception as error:
            return error
        self._taken = lines[-1]
        return None

    def _blames(self, lines: Sequence[bytes]) -> bool:
        """Whether an error of another kind is these rows' fault: ClickHouse takes another row and still not them.

        Else it is a table, a right or a setting, and no row is to blame. The other row is one that it has; once more
        changes nothing. Before it has taken any, one half of the rows vouches for what is wrong with the other.
        """
        if self._taken is not None:
            if self._attempt([self._taken]) is not None:
                return False
            again = self._attempt(lines)
            return again is not None and may_be_a_rows(again)
        middle = len(lines) // 2
        return middle > 0 and (self._attempt(lines[:middle]) is None or self._attempt(lines[middle:]) is None)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:_REASON_CHARACTERS]


def _line(message: Message) -> bytes:
    """The value on one line: in JSON a raw line end is only ever white space between tokens."""
    return (message.value() or b"").replace(b"\n", b" ").replace(b"\r", b" ")


def _fault(message: Message) -> str | None:
    """Why a message cannot be one line of JSONEachRow; None when it can."""
    try:
        row = json.loads(message.value() or b"")
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if not isinstance(row, dict):
        return "not a JSON object"
    return None
