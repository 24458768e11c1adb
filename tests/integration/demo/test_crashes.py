"""Orders in the background, kill -9 of one process, stop, validate: nothing is lost and nothing shows twice."""

from decimal import Decimal

import pytest
import simplejson
import sqlalchemy as sa

from services.clients.clickhouse import ClickHouseError, Client
from services.clients.clickhouse import connect as connect_clickhouse
from services.clients.database import connect
from services.domain.tables import orders
from services.settings import DatabaseSettings
from tests.support.demo import Demo
from tests.support.process import wait_until
from tests.support.traffic import Traffic, last_seen

RATE = 200
PATIENCE = 300.0
_SALES = sa.select(sa.func.count(), sa.func.sum(orders.c.total_amount)).where(
    orders.c.deleted_at.is_(None), orders.c.status.not_in(["CANCELLED", "REFUNDED"])
)
VICTIMS = ("relay", "transformer", "sink", "aggregator", "clickhouse", "api", "broker")


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.timeout(1200)
def test_a_killed_process_loses_nothing_and_doubles_nothing(demo: Demo, victim: str) -> None:
    with Traffic(demo.url, RATE) as traffic:
        traffic.wait_for_more(100)
        killed = demo.kill_process(victim)
        wait_until(
            lambda: demo.pids().get(victim, killed) != killed, f"{victim} to be started again\n{demo.output()}", 60.0
        )
        traffic.wait_for_more(100)
    _validate(demo, traffic.acknowledged)


def _validate(demo: Demo, acknowledged: set[str]) -> None:
    known = demo.environment()
    wait_until(lambda: _answers(known), "ClickHouse to answer", 30.0)
    clickhouse = _clickhouse(known)
    engine = connect(DatabaseSettings.model_validate({"database_url": known["DATABASE_URL"]}))
    try:
        wait_until(
            lambda: not last_seen(engine, clickhouse, acknowledged),
            "every acknowledged order in ClickHouse",
            PATIENCE,
        )
        wait_until(demo.verified, f"verify to find no difference\n{demo.output()}", PATIENCE)
        with engine.connect() as connection:
            count, total = connection.execute(_SALES).one()
        stats = simplejson.loads(
            demo.millrace("sql", "--json", "SELECT * FROM all_time_stats").stdout, use_decimal=True
        )
        assert int(stats["total_orders"]) == count
        assert Decimal(str(stats["total_revenue"])) == total
    except AssertionError as failed:
        stages = {stage: len(ids) for stage, ids in last_seen(engine, clickhouse, acknowledged).items()}
        verdict = demo.millrace("verify").stdout
        raise AssertionError(f"{failed}\nlast seen: {stages}\n{verdict}\n{demo.everything()}") from failed
    finally:
        engine.dispose()
        clickhouse.close()


def _clickhouse(known: dict[str, str]) -> Client:
    return connect_clickhouse(
        known["CLICKHOUSE_HOST"], user="writer", password=known["CLICKHOUSE_PASSWORD"], database="analytics"
    )


def _answers(known: dict[str, str]) -> bool:
    """Whether ClickHouse, which may be the process that was killed, is back."""
    try:
        _clickhouse(known).close()
    except ClickHouseError:
        return False
    return True
