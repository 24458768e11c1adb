"""Importing a log in batches, holding back while the relay has a backlog, so that new orders never wait long."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from services.domain.imports import ImportedOrder, add_product, import_orders
from services.domain.tables import outbox
from services.replay.log import PRODUCT_ID, PRODUCT_NAME, DamagedLine, PurchaseLog

BATCH = 500
BACKLOG_LIMIT = 3_000
_LOOK_SECONDS = 0.05
_STALLED_SECONDS = 30.0


class RelayStalled(Exception):
    """Nobody takes events from the outbox; what was imported stays, and a second run goes on from there."""


@dataclass
class Outcome:
    """What a replay did."""

    stored: int = 0
    known: int = 0
    seconds: float = 0.0
    damaged: list[DamagedLine] = field(default_factory=list)


def replay(
    engine: Engine,
    zone: ZoneInfo,
    log: PurchaseLog,
    progress: Callable[[int], None] = lambda _lines: None,
    held_back: Callable[[int], None] = lambda _pending: None,
) -> Outcome:
    """Imports every purchase that is not there yet. ``progress`` gets the lines done since its last call.

    While more than BACKLOG_LIMIT events wait for the relay it pauses, calling ``held_back`` with their number. Raises
    RelayStalled when that number does not fall for 30 s.
    """
    outcome, began = Outcome(), time.monotonic()
    add_product(engine, PRODUCT_ID, PRODUCT_NAME)
    entries = log.purchases()
    while chunk := list(islice(entries, BATCH)):
        outcome.damaged += [entry for entry in chunk if isinstance(entry, DamagedLine)]
        batch = [entry for entry in chunk if isinstance(entry, ImportedOrder)]
        stored = import_orders(engine, zone, batch) if batch else 0
        outcome.stored += stored
        outcome.known += len(batch) - stored
        progress(len(chunk))
        if stored:
            _let_the_relay_catch_up(engine, held_back)
    outcome.seconds = time.monotonic() - began
    return outcome


def pending_events(engine: Engine, at_most: int) -> int:
    """Events that wait for the relay, counted up to ``at_most``."""
    waiting = sa.select(outbox.c.id).where(outbox.c.processed == sa.false()).limit(at_most).subquery()
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0


def _let_the_relay_catch_up(engine: Engine, held_back: Callable[[int], None]) -> None:
    least, since = 2 * BACKLOG_LIMIT + 1, time.monotonic()
    while (pending := pending_events(engine, 2 * BACKLOG_LIMIT)) > BACKLOG_LIMIT:
        if pending < least:
            least, since = pending, time.monotonic()
        elif time.monotonic() - since > _STALLED_SECONDS:
            raise RelayStalled(
                f"{pending:,} events wait and none was taken for {_STALLED_SECONDS:g} s: start the relay "
                "(or `make demo`) and replay again; what was imported stays"
            )
        held_back(pending)
        time.sleep(_LOOK_SECONDS)
