"""One comparison from end to end: may it be made at all, then orders, cubes and views."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import Error as ClickHouseFault
from sqlalchemy.exc import SQLAlchemyError

from services.clients.clickhouse import Failure, classify
from services.clients.clickhouse_schema import ClickHouseSchemaError, require_current_clickhouse
from services.clients.database import OutcomeUnknown, refused, unavailable
from services.clients.relational_schema import SchemaError, require_current
from services.reconciler.cubes import compare_cubes
from services.reconciler.orders import compare_orders
from services.reconciler.report import Report
from services.reconciler.sources import Sources


class CannotTell(Exception):
    """The comparison cannot be made; the message says why and what to do."""


@contextmanager
def cannot_tell() -> Iterator[None]:
    """Turns what a side that is away, or of another schema, raises into CannotTell."""
    try:
        yield
    except (SchemaError, ClickHouseSchemaError) as wrong:
        raise CannotTell(str(wrong)) from None
    except (SQLAlchemyError, OutcomeUnknown) as error:
        if not (unavailable(error) or refused(error)):
            raise
        how = "does not answer" if unavailable(error) else "refuses"
        raise CannotTell(f"the database {how}: {_one_line(error)}") from error
    except (ClickHouseFault, OSError) as error:
        how = "does not answer" if classify(error) is Failure.RETRY else "refuses"
        raise CannotTell(f"ClickHouse {how}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def compare(sources: Sources, pause: Callable[[float], object] = time.sleep) -> Report:
    """Compares (a) the relational orders with the raw rows, (b) these with every cube, (c) the cubes with the views.

    Changes nothing. ``pause`` waits between two looks at cells that differ. A side that is away or has another schema
    or business time zone makes a report of exit code 2.
    """
    report = Report()
    started = time.monotonic()
    try:
        with cannot_tell():
            require_current(sources.engine, sources.zone)
            require_current_clickhouse(sources.clickhouse, sources.zone)
            compare_orders(sources, report)
            compare_cubes(sources, report, pause)
    except CannotTell as reason:
        report.unknown = str(reason)
    report.seconds = time.monotonic() - started
    return report
