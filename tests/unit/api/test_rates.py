"""Rate limits on changes: so many a second for each client, whoever that is; reading is free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import Engine

from services.api.app import create_app
from services.api.rates import KnownTokens, Rates, client_of
from services.domain.admin_tokens import create_token, digest_of, revoke_token
from services.settings import ApiSettings
from tests.support.shop import ADMIN, ADMIN_TOKEN, AppClient, Call
from tests.unit.api.conftest import FakeReader

ORDER = {"userId": "1", "items": [{"productId": "101", "quantity": 1}]}


def test_a_burst_then_the_rate() -> None:
    rates = Rates(10, 3)
    assert [rates.take("a", 1000.0) for _ in range(3)] == [0, 0, 0]
    assert rates.take("a", 1000.0) == pytest.approx(0.1)
    assert rates.take("a", 1000.05) == pytest.approx(0.05)
    assert [rates.take("a", 1000.1), rates.take("b", 1000.1)] == [0, 0]
    assert rates.take("a", 1000.1) == pytest.approx(0.1)  # what was refused has cost nothing
    assert [rates.take("a", 2000.0) for _ in range(3)] == [0, 0, 0]  # and a pause saves up no more than the burst
    assert rates.take("a", 2000.0) > 0


def test_many_clients_are_kept_within_bounds() -> None:
    rates = Rates(1, 1)
    rates.take("first", 0.0)
    for number in range(60_000):
        rates.take(str(number), 0.0)
    assert len(rates._full_at) == 50_000
    assert rates.take("first", 0.0) == 0  # the one that was away longest is forgotten
    assert rates.take("59999", 0.0) > 0


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("2001:db8:1:2:ffff::1", "2001:0db8:0001:0002"),
        ("2001:db8:1:3::1", "2001:0db8:0001:0003"),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("unknown", "unknown"),
        ("a" * 1000, "unknown"),
    ],
)
def test_a_client_is_its_address_or_its_network_of_ipv6(host: str, client: str | None) -> None:
    assert client_of({"client": (host, 4711)}, loopback=False) == client


def test_this_machine_is_limited_where_that_is_asked_for() -> None:
    assert client_of({"client": ("127.0.0.1", 4711)}, loopback=True) == "127.0.0.1"


class From:
    """The application as clients of chosen addresses see it."""

    def __init__(self, client: AppClient, app: Any) -> None:
        self.app_client, self._app = client, app

    def calls(self, address: str, calls: list[Call]) -> list[httpx.Response]:
        """One after the other."""

        async def send() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self._app, client=(address, 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
                return [
                    await client.request(call.method, call.path, json=call.json, headers=call.headers) for call in calls
                ]

        answers: list[httpx.Response] = self.app_client.run(send)
        return answers

    def statuses(self, address: str, calls: list[Call]) -> list[int]:
        """Of the answers."""
        return [answer.status_code for answer in self.calls(address, calls)]


@contextmanager
def limited(engine: Engine, reader: FakeReader, **settings: object) -> Iterator[From]:
    known = ApiSettings.model_validate({"millrace_admin_token": ADMIN_TOKEN, "api_write_burst": 2, **settings})
    app = create_app(engine, "UTC", reader, known)
    client = AppClient(app)
    try:
        yield From(client, app)
    finally:
        client.close()


PLACE, READ = Call("POST", "/api/orders", ORDER), Call("GET", "/api/orders/unknown")
SLOW = 0.000_01  # a change in 28 hours, so that no test depends on its own speed


def test_beyond_its_rate_a_client_gets_429_and_when_to_come_back(engine: Engine, reader: FakeReader) -> None:
    with limited(engine, reader, api_writes_per_second=SLOW) as shop:
        assert shop.statuses("192.0.2.1", [PLACE] * 2) == [201, 201]
        (answer,) = shop.calls("192.0.2.1", [PLACE])
        assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-requests")
        assert 0 < int(answer.headers["retry-after"]) <= 100_000
        assert shop.statuses("192.0.2.1", [READ, Call("OPTIONS", "/api/orders"), PLACE]) == [404, 204, 429]
        assert shop.statuses("192.0.2.2", [PLACE]) == [201]  # others are not held up


def test_every_kind_of_change_counts(engine: Engine, reader: FakeReader) -> None:
    with limited(engine, reader, api_writes_per_second=SLOW) as shop:
        kinds = [Call("DELETE", "/admin/orders/x"), Call("POST", "/api/orders/x/cancel"), Call("PATCH", "/api/orders")]
        assert shop.statuses("192.0.2.1", kinds) == [401, 404, 429]


@pytest.mark.parametrize(("asked", "last"), [(None, 201), (0, 201), (SLOW, 429)])
def test_clients_on_this_machine_are_limited_only_where_that_was_asked_for(
    engine: Engine, reader: FakeReader, asked: float | None, last: int
) -> None:
    with limited(engine, reader, **({} if asked is None else {"api_writes_per_second": asked})) as shop:
        assert shop.statuses("127.0.0.1", [PLACE] * 5)[-1] == last


def test_where_nothing_was_said_others_are_limited(
    engine: Engine, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.app.DEFAULT_WRITES_PER_SECOND", SLOW)
    with limited(engine, reader) as shop:
        assert shop.statuses("192.0.2.1", [PLACE] * 3) == [201, 201, 429]


def test_a_token_that_was_let_in_is_a_client_of_its_own(engine: Engine, reader: FakeReader) -> None:
    alice = create_token(engine, "alice")
    with limited(engine, reader, api_writes_per_second=SLOW) as shop:
        headers = {"Authorization": f"Bearer {alice.secret}", "X-Admin-Id": "a"}
        mine = Call("DELETE", "/admin/orders/x", headers=headers)
        guessed = Call("DELETE", "/admin/orders/x", headers={**headers, "Authorization": "Bearer mr_guessed"})
        assert shop.statuses("192.0.2.1", [mine]) == [404]  # counted for the address, which is all that was known
        assert shop.statuses("192.0.2.1", [guessed, guessed]) == [401, 429]  # others cannot use up what is alice's
        assert shop.statuses("192.0.2.1", [mine, mine, mine]) == [404, 404, 429]
        assert shop.statuses("192.0.2.3", [mine]) == [429]  # nor has she more from elsewhere
        assert shop.statuses("192.0.2.3", [Call("DELETE", "/admin/orders/x", headers=ADMIN)]) == [404]


def test_a_revoked_token_is_let_in_no_more_however_well_known(engine: Engine, reader: FakeReader) -> None:
    alice = create_token(engine, "alice")
    call = Call("DELETE", "/admin/orders/x", headers={"Authorization": f"Bearer {alice.secret}", "X-Admin-Id": "a"})
    with limited(engine, reader, api_writes_per_second=100) as shop:
        assert shop.statuses("192.0.2.1", [call]) == [404]
        revoke_token(engine, "alice")
        assert shop.statuses("192.0.2.1", [call]) == [401]


def test_tokens_known_are_kept_within_bounds() -> None:
    known = KnownTokens()
    for number in range(1_001):
        known.remember(digest_of(str(number)), str(number))
    held = [known.of(httpx_headers(str(number))) for number in (0, 1, 1000)]
    assert held == [None, "token 1", "token 1000"]


def httpx_headers(secret: str) -> Any:
    """As a request has them."""
    return httpx.Headers({"Authorization": f"Bearer {secret}"})
