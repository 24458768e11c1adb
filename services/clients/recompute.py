"""Asks the aggregator to recompute days or users although nothing new came in, as after rows were removed by key.

A request is a row that claims one more insert. It is appended, so it holds also while a recompute is running: that one
read the count before the rows, its mark comes out one short, and the key stays dirty.
"""

from collections.abc import Iterable
from datetime import date

from clickhouse_connect.driver.client import Client

from services.clients.named_sql import load

_QUERIES = load("services.clients", "recompute.sql")


def request_days(client: Client, days: Iterable[date]) -> None:
    """Makes these days dirty."""
    _request(client, "request_days", days=sorted({day.isoformat() for day in days}))


def request_users(client: Client, user_ids: Iterable[str]) -> None:
    """Makes the buckets of these users dirty."""
    _request(client, "request_users", users=sorted(set(user_ids)))


def request_buckets(client: Client, buckets: Iterable[int]) -> None:
    """Makes these buckets of users dirty; for users there is ``request_users``."""
    _request(client, "request_buckets", buckets=sorted(set(buckets)))


def request_everything(client: Client) -> None:
    """Makes every day and bucket dirty that ever had a row: a full rebuild, beside traffic."""
    client.command(_QUERIES["request_all_days"])
    client.command(_QUERIES["request_all_buckets"])


def _request(client: Client, name: str, **keys: list[str] | list[int]) -> None:
    if all(keys.values()):
        client.command(_QUERIES[name], parameters=keys)
