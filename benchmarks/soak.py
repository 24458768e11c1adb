"""A stack under traffic and random faults, then the books: `python -m benchmarks.soak` (make soak).

Brings up the stack of tests/e2e, places orders at a steady rate, and harms one part after the other: kill -9, a clean
restart, frozen for some seconds, off the network for some seconds. The next fault waits until the part is healthy and
every replica in sync. In the end every acknowledged order must be shown, once, and `millrace verify` must exit with 0.
Keeps results/soak-DATE.json; exit code 1 when something was lost, doubled or did not heal.
"""

import contextlib
import json
import random
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import typer

from benchmarks.faults import draw, strike
from benchmarks.machine import keep, machine
from tests.e2e.oracle import mended, shop_totals, shown_totals
from tests.support.process import wait_until
from tests.support.stack import engine
from tests.support.stack.project import LOCAL
from tests.support.stack.stack import Stack
from tests.support.traffic import Traffic, last_seen

_HEAL_SECONDS = 120.0
_BETWEEN_SECONDS = (5.0, 20.0)
_NOT_HARMED = ("prometheus", "grafana", "kafka-ui")


def doctor(stack: Stack) -> dict[str, Any]:
    """What `millrace doctor` finds, without a probe of its own."""
    found: dict[str, Any] = json.loads(stack.millrace("doctor", "--json", "--no-probe").stdout)
    return found


def amiss(stack: Stack) -> list[str]:
    """What is not well, in a line each."""
    return [
        f"{finding['subject']}: {finding['detail']}"
        for finding in doctor(stack)["findings"]
        if finding["state"] in ("failing", "unknown")
    ]


def memory(stack: Stack) -> dict[str, float]:
    """MiB that each part uses, caches left out."""
    used = {}
    for role in stack.servers():
        stats = cast(dict[str, Any], stack.container(role).stats(stream=False))["memory_stats"]
        cache = stats.get("stats", {}).get("inactive_file", 0)
        used[role] = round((stats.get("usage", 0) - cache) / 2**20, 1)
    return used


def harm(stack: Stack, minutes: float, chance: random.Random, traffic: Traffic) -> list[dict[str, Any]]:
    """Faults until the time is up; what each was, and how long it took to heal."""
    parts = [role for role in stack.servers() if role not in _NOT_HARMED]
    began, faults = time.monotonic(), list[dict[str, Any]]()
    while time.monotonic() - began < minutes * 60:
        time.sleep(chance.uniform(*_BETWEEN_SECONDS))
        fault = draw(chance, parts)
        entry = {"at_s": round(time.monotonic() - began, 1), **vars(fault), "acknowledged": traffic.count()}
        faults.append(entry)
        print(f"{entry['at_s']:8.1f} s  {fault.action} {fault.part} ({traffic.count():,} orders)", flush=True)
        strike(stack, fault)
        over = time.monotonic()
        stack.wait_healthy(seconds=_HEAL_SECONDS)
        wait_until(lambda: not unhealed(stack), f"everything to heal after {fault}", _HEAL_SECONDS)
        entry["healed_after_s"] = round(time.monotonic() - over, 1)
    return faults


def unhealed(stack: Stack) -> list[str]:
    """What the next fault has to wait for: replicas, connectors, leases. A backlog may remain."""
    return [line for line in amiss(stack) if not line.startswith(("group", "outbox", "dead letters"))]


def compare(stack: Stack, acknowledged: set[str]) -> None:
    """Every acknowledged order in ClickHouse, verify without a difference, equal totals; AssertionError says which not.

    A repair may have helped: after faults of this length the schedule takes late orders for lost ones, and how many it
    told anew is in the result.
    """
    with contextlib.closing(stack.clickhouse()) as clickhouse:

        def missing() -> dict[str, int]:
            return {stage: len(ids) for stage, ids in last_seen(stack.mysql(), clickhouse, acknowledged).items()}

        try:
            wait_until(lambda: not missing(), "every acknowledged order in ClickHouse", _HEAL_SECONDS)
        except AssertionError as late:
            raise AssertionError(f"{late}; last seen: {missing()}") from None
    wait_until(stack.verified, "verify to find no difference", _HEAL_SECONDS)
    ordered, shown = shop_totals(stack), shown_totals(stack)
    assert ordered == shown, f"the database has {ordered}, the views show {shown}"


def soak(
    minutes: Annotated[float, typer.Option(help="how long to harm it", min=0.1)] = 20.0,
    rate: Annotated[float, typer.Option(help="orders a second", min=1)] = 50.0,
    seed: Annotated[int | None, typer.Option(help="repeats the faults of another run")] = None,
) -> None:
    """Traffic with random faults, then the books are compared."""
    chosen = seed if seed is not None else random.SystemRandom().randrange(2**31)
    where, figures = machine(), {"minutes": minutes, "rate": rate, "seed": chosen, "config": LOCAL}
    problem = ""
    client = engine.connect()
    engine.sweep(client)
    client.close()
    with Stack(LOCAL) as stack:
        began = time.monotonic()
        stack.up()
        figures["up_s"] = round(time.monotonic() - began, 1)
        wait_until(lambda: not amiss(stack), "the stack to be well", _HEAL_SECONDS)
        figures["memory_mib_before"] = memory(stack)
        with Traffic(stack.url, rate) as traffic:
            try:
                figures["faults"] = harm(stack, minutes, random.Random(chosen), traffic)
            except AssertionError as unwell:
                problem = str(unwell)
        figures |= {"acknowledged": traffic.count(), "refused": traffic.refused}
        try:
            began = time.monotonic()
            compare(stack, traffic.acknowledged)
        except AssertionError as lost:
            problem = f"{problem}\n{lost}".strip()
        figures["settled_after_s"] = round(time.monotonic() - began, 1)
        figures |= {"mended_by_repair": mended(stack), "memory_mib_after": memory(stack), "amiss": amiss(stack)}
        figures["in_database"], figures["shown"] = shop_totals(stack)[0], shown_totals(stack)[0]
    figures["problem"] = problem or None
    keep(f"soak-{datetime.now(UTC):%Y-%m-%dT%H%M}", figures, where)
    sys.exit(1 if problem else 0)


if __name__ == "__main__":
    typer.run(soak)
