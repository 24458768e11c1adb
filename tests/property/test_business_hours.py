"""Days and hours are those of the shop's zone, through every change of its clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from tests.property.analytics import Analytics, Variant
from tests.property.laboratory import START_MS, transformed
from tests.support.action_shop import ActionShop
from tests.support.actions import Create
from tests.support.clickhouse import Front

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # half an hour off
    "Asia/Kathmandu",  # a quarter of an hour off
    "Asia/Seoul",
    "Australia/Lord_Howe",  # the clock changes by half an hour
    "Pacific/Chatham",  # the clock changes at a quarter to
    "America/Santiago",  # the clock changes at midnight: a day begins at one, or has midnight twice
)
_FIRST, _LAST = datetime(2012, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


@cache
def _changes_of_the_clock(zone: str) -> list[datetime]:
    """Every instant at which the zone's offset is another one than before."""
    found, day = [], _FIRST
    while day < _LAST:
        before, after = day, day + timedelta(days=1)
        if _offset(before, zone) != _offset(after, zone):
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) / 2
                before, after = (middle, after) if _offset(middle, zone) == _offset(day, zone) else (before, middle)
            found.append(after.replace(microsecond=0))
        day += timedelta(days=1)
    return found


def _offset(moment: datetime, zone: str) -> timedelta | None:
    return moment.astimezone(ZoneInfo(zone)).utcoffset()


def _instants(zone: str) -> SearchStrategy[datetime]:
    """Any, and more often those around changes of the clock; milliseconds, as SQLite has them."""
    anywhere = st.integers(0, int((_LAST - _FIRST).total_seconds() * 1000)).map(
        lambda ms: _FIRST + timedelta(milliseconds=ms)
    )
    changes = _changes_of_the_clock(zone)
    if not changes:
        return anywhere
    near = st.builds(
        lambda change, ms: change + timedelta(milliseconds=ms),
        st.sampled_from(changes),
        st.integers(-7_200_000, 7_200_000) | st.sampled_from([-3_600_000, -1_800_001, -1, 0, 1_800_000, 3_600_000]),
    )
    return st.one_of(near, near, anywhere)


def hour_start(moment: datetime, zone: str) -> datetime:
    """The hour begins where its minute 0 is, or would be; where the clock is set within an hour, at the change."""
    local = moment.astimezone(ZoneInfo(zone))
    start = moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    if start.astimezone(ZoneInfo(zone)).minute == 0:
        return start
    minute = moment.replace(second=0, microsecond=0)
    while minute.astimezone(ZoneInfo(zone)).minute and (minute - _MINUTE).astimezone(ZoneInfo(zone)).hour == local.hour:
        minute -= _MINUTE
    return minute


@pytest.mark.parametrize("zone", ZONES)
def test_days_and_hours_are_the_zones(zone: str, front: Front, shop: ActionShop, tmp_path: Path) -> None:
    analytics = Analytics(front, zone, tmp_path, Variant())
    here = replace(shop, zone=ZoneInfo(zone), order_ids=[])

    @settings(max_examples=5)
    @given(data=st.data())
    def hold(data: DataObject) -> None:
        moments = data.draw(st.lists(_instants(zone), min_size=1, max_size=20))
        analytics.empty()
        here.reset()
        for moment in moments:
            assert here.do(Create(moment, "1", (("104", 1),))) == "done"
        analytics.insert(transformed(here.engine), START_MS)
        analytics.aggregator(lambda: START_MS, lambda _where: None).tick_days()
        days = Counter(moment.astimezone(ZoneInfo(zone)).date() for moment in moments)
        assert [row[:2] for row in analytics.view("daily_sales_mv")] == sorted(days.items())
        hours = Counter(int(hour_start(moment, zone).timestamp()) for moment in moments)
        assert [row[:2] for row in analytics.view("hourly_sales_mv")] == sorted(hours.items())

    try:
        hold()
    finally:
        analytics.drop()
