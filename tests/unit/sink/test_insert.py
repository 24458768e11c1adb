"""Inserting: every row ends in the table or, alone, in the dead letters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from services.clients.batches import Pause, Stopped
from services.clients.clickhouse import Client, Failure, classify
from services.clients.dead_letters import DeadLetter, DeadLetters
from services.sink.insert import Insert
from tests.support.kafka_fakes import message


def refusal() -> DatabaseError:
    """ClickHouse's answer to a row that violates a constraint."""
    error = DatabaseError("Code: 469. DB::Exception: Constraint `c` is violated. (VIOLATED_CONSTRAINT)")
    error.code = 469
    return error


class FakeClickHouse:
    """A table that refuses rows marked bad, and is away when told."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.inserts = 0
        self.troubles: list[Exception] = []

    def raw_insert(self, table: str, insert_block: bytes, fmt: str, settings: dict[str, Any]) -> None:
        assert (table, fmt) == ("analytics.orders_analytics", "JSONEachRow")
        assert settings["date_time_overflow_behavior"] == "throw"
        self.inserts += 1
        if self.troubles:
            raise self.troubles.pop(0)
        rows = [json.loads(line) for line in insert_block.split(b"\n")]
        if any(row.get("bad") for row in rows):
            raise refusal()
        self.rows += rows


class KeptLetters(DeadLetters):
    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    def store(self, letters: Sequence[DeadLetter], pause: Pause) -> None:
        self.letters += letters


class Stage:
    def __init__(self) -> None:
        self.table, self.letters = FakeClickHouse(), KeptLetters()
        self.pauses: list[float] = []
        self.work = Insert(lambda: cast(Client, self.table), "analytics.orders_analytics", self.letters)

    def run(self, *batch: Message) -> None:
        self.work(batch, self.pause)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 1000, "it waits for ever"


def row(number: int, bad: bool = False) -> Message:
    return message(json.dumps({"n": number, "bad": bad}).encode(), topic="orders_analytics", offset=number)


def test_the_refusal_of_this_test_is_what_the_client_calls_refused() -> None:
    assert classify(refusal()) is Failure.REFUSED


def test_a_batch_is_one_insert() -> None:
    stage = Stage()
    stage.run(*(row(number) for number in range(100)))
    assert stage.table.inserts == 1
    assert len(stage.table.rows) == 100


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_only_the_bad_rows_are_dead_letters(bad: list[bool]) -> None:
    stage = Stage()
    stage.run(*(row(number, is_bad) for number, is_bad in enumerate(bad)))
    assert [found["n"] for found in stage.table.rows] == [n for n, is_bad in enumerate(bad) if not is_bad]
    assert [letter.message.offset() for letter in stage.letters.letters] == [
        n for n, is_bad in enumerate(bad) if is_bad
    ]
    assert all("VIOLATED_CONSTRAINT" in letter.reason for letter in stage.letters.letters)


def test_one_bad_row_of_a_thousand_costs_few_inserts() -> None:
    stage = Stage()
    stage.run(*(row(number, number == 700) for number in range(1000)))
    assert len(stage.table.rows) == 999
    assert stage.table.inserts <= 21


@pytest.mark.parametrize("value", [b"not json", b"", None, b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_dead_letter_and_never_sent(value: bytes | None) -> None:
    stage = Stage()
    stage.run(row(1), message(value, topic="orders_analytics", offset=2), row(3))
    assert [found["n"] for found in stage.table.rows] == [1, 3]
    assert [letter.message.offset() for letter in stage.letters.letters] == [2]
    assert stage.table.inserts == 1


def test_a_row_over_several_lines_is_one_row() -> None:
    stage = Stage()
    stage.run(message(b'{\r\n\n"n": 1}', topic="orders_analytics"))
    assert stage.table.rows == [{"n": 1}]


def test_while_clickhouse_is_away_the_batch_is_kept() -> None:
    stage = Stage()
    away = OperationalError("Connection refused")
    stage.table.troubles = [away, away, away]
    stage.run(row(1), row(2, bad=True))
    assert [found["n"] for found in stage.table.rows] == [1]
    assert len(stage.letters.letters) == 1
    waited = [seconds for seconds in stage.pauses if seconds]
    assert len(waited) == 3
    assert waited == sorted(waited)


def test_many_bad_rows_do_not_cost_the_sink_its_partitions() -> None:
    """Each is some inserts; whoever does not serve its group for 5 min is thrown out and reads the batch again."""
    stage = Stage()
    served: list[int] = []
    stage.work([row(number, bad=True) for number in range(100)], lambda _seconds: served.append(stage.table.inserts))
    gaps = [after - before for before, after in zip([0, *served], [*served, stage.table.inserts], strict=True)]
    assert len(stage.letters.letters) == 100
    assert max(gaps) <= 8


def test_a_missing_table_is_no_rows_fault() -> None:
    stage = Stage()
    missing = DatabaseError("Code: 60. DB::Exception: Table does not exist. (UNKNOWN_TABLE)")
    missing.code = 60
    stage.table.troubles = [missing]
    stage.run(row(1))
    assert stage.letters.letters == []
    assert len(stage.table.rows) == 1


def test_when_the_process_stops_nothing_counts_as_done() -> None:
    stage = Stage()
    stage.table.troubles = [OperationalError("Connection refused")] * 9

    def pause(_seconds: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        stage.work([row(1)], pause)
    assert stage.letters.letters == []


def fault(code: int, text: str) -> DatabaseError:
    error = DatabaseError(f"Code: {code}. DB::Exception: {text}")
    error.code = code
    return error


@pytest.mark.parametrize("code", [243, 236, 241, 242, 394, 497, 516, 745, 159])
def test_what_is_the_servers_trouble_is_waited_for(code: int) -> None:
    stage = Stage()
    stage.run(row(1))
    stage.table.troubles = [fault(code, "trouble")] * 5
    stage.run(row(2), row(3))
    assert [found["n"] for found in stage.table.rows] == [1, 2, 3]
    assert stage.letters.letters == []
    assert len([seconds for seconds in stage.pauses if seconds]) == 5


class StrangeTable(FakeClickHouse):
    """Answers a strange row with a code that nobody has sorted."""

    def raw_insert(self, table: str, insert_block: bytes, fmt: str, settings: dict[str, Any]) -> None:
        if b'"strange"' in insert_block:
            self.inserts += 1
            raise fault(9999, "something new")
        super().raw_insert(table, insert_block, fmt, settings)


def strange(number: int) -> Message:
    return message(json.dumps({"n": number, "strange": 1}).encode(), topic="orders_analytics", offset=number)


@pytest.mark.parametrize("first", [(), (0,)], ids=["at the start", "later"])
def test_a_row_refused_for_an_unknown_reason_is_a_dead_letter_when_others_are_taken(first: tuple[int, ...]) -> None:
    stage = Stage()
    stage.table = StrangeTable()
    for number in first:
        stage.run(row(number))
    stage.run(row(1), row(2), strange(3), row(4))
    assert {found["n"] for found in stage.table.rows} == {*first, 1, 2, 4}
    assert [letter.message.offset() for letter in stage.letters.letters] == [3]
    assert "something new" in stage.letters.letters[0].reason
    stage.run(strange(5))
    assert [letter.message.offset() for letter in stage.letters.letters] == [3, 5], (
        "alone too: others were taken before"
    )


def test_an_unknown_reason_that_meets_every_row_is_no_rows_fault() -> None:
    stage = Stage()
    stage.run(row(1))
    stage.table.troubles = [fault(9999, "something new")] * 8
    stage.run(row(2), row(3))
    assert {found["n"] for found in stage.table.rows} == {1, 2, 3}
    assert stage.letters.letters == []


def test_an_answer_that_fails_to_come_blames_nobody() -> None:
    """The strange answer, then the row that vouches is taken, then the connection breaks."""
    stage = Stage()
    stage.run(row(1))
    answers = iter([fault(9999, "something new"), None, OperationalError("reset"), None])
    insert = stage.table.raw_insert

    def raw_insert(*arguments: Any, **named: Any) -> None:
        answer = next(answers, None)
        if answer is not None:
            raise answer
        insert(*arguments, **named)

    stage.table.raw_insert = raw_insert  # type: ignore[method-assign]  # the answers of this test come first
    stage.run(row(2))
    assert {found["n"] for found in stage.table.rows} == {1, 2}
    assert stage.letters.letters == []
