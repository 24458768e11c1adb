"""Reading purchase logs: exact money, stable ids, damaged lines by number."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.imports import ImportedOrder
from services.replay import DamagedLine, LogError, open_log
from services.replay.log import split
from services.settings import PROJECT_ROOT

CDNOW = PROJECT_ROOT / "data" / "cdnow_master.txt.gz"


@given(st.integers(1, 100_000), st.decimals(0, 10**9, places=2))
def test_cents_are_split_so_that_they_add_up(count: int, total: Decimal) -> None:
    items = split(count, total)
    assert sum(item.quantity for item in items) == count
    assert sum((item.price * item.quantity for item in items), Decimal(0)) == total
    assert len(items) <= 2


def test_the_shipped_log_is_what_its_note_says() -> None:
    orders = [entry for entry in open_log(CDNOW).purchases() if isinstance(entry, ImportedOrder)]
    assert len(orders) == 69_659
    assert len({order.id for order in orders}) == 69_659, "exact repeats are purchases of their own"
    assert len({order.user_id for order in orders}) == 23_570
    assert len({order.day for order in orders}) == 546
    pieces = [item for order in orders for item in order.items]
    assert sum(item.quantity for item in pieces) == 167_881
    assert sum((item.price * item.quantity for item in pieces), Decimal(0)) == Decimal("2500315.63")
    assert sum(1 for order in orders if all(item.price == 0 for item in order.items)) == 80
    assert not [entry for entry in open_log(CDNOW).purchases() if isinstance(entry, DamagedLine)]


def test_damaged_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_text(
        " customer_id  date number_of_cds  dollar_value\n"
        " 00001 19970101  1   11.77\n"
        "garbage\n"
        " 00002 19970230  1   12.00\n"
        "\n"
        " 00003 19970102  0   20.76\n"
        " 00003 19970102  2   20.761\n"
        " 00003 19970102  2   -5.00\n"
        " 00004 19970102  2   20.76\n"
    )
    entries = list(open_log(file).purchases())
    assert [entry.number for entry in entries if isinstance(entry, DamagedLine)] == [3, 4, 6, 7, 8]
    assert [entry.user_id for entry in entries if isinstance(entry, ImportedOrder)] == ["cdnow-00001", "cdnow-00004"]


def test_ids_depend_on_content_and_line_not_on_the_file_name(tmp_path: Path) -> None:
    text = " 1 19970101 1 5.00\n 1 19970101 1 5.00\n"
    plain, packed = tmp_path / "a.txt", tmp_path / "b.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    first, second = ([e.id for e in open_log(f).purchases() if isinstance(e, ImportedOrder)] for f in (plain, packed))
    assert first == second
    assert len(set(first)) == 2


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such file"):
        open_log(tmp_path / "missing")
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"x" * 1000)[:-6])
    with pytest.raises(LogError, match="cannot be read"):
        open_log(broken)
