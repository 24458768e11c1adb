"""Actions in several transactions, and those of somebody: what a POST route may be made of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import json_response
from services.api.boundary import Boundary
from services.api.idempotency import Keep
from services.api.posting import Post, Posting
from services.api.problems import Problem, may_still_finish, unavailable_now
from services.api.requests import EmptyBody
from services.api.routing import resource
from services.api.shop import Shop
from services.api.workers import Workers
from services.clients.database import write
from services.domain.errors import Conflict
from services.domain.tables import users
from tests.support.process import wait_until
from tests.support.shop import AppClient
from tests.unit.api.keyed import KEY, again, kept, lease_runs_out, slug

pytestmark = pytest.mark.real_servers


class Provider:
    """Somebody asked between two transactions."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: BaseException | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def answer(self) -> str:
        self.asked += 1
        self.meanwhile()
        if self.error is not None:
            raise self.error
        return "COMPLETED"


def named(status: str) -> Response:
    return json_response({"status": status}, 201)


class Desk:
    """A route in two transactions, with the provider in between; its state is a user's name."""

    def __init__(self, shop: Shop, provider: Provider) -> None:
        self._shop, self._provider = shop, provider
        self.entered: list[str] = []

    @asynccontextmanager
    async def admitted(self, request: Request) -> AsyncIterator[str]:
        if "x-who" not in request.headers:
            raise Problem(401, "unauthorized", "Unauthorized", "Who?")
        try:
            yield request.headers["x-who"]
        except Exception as error:
            self.entered.append(type(error).__name__)
            raise

    async def pay(self, post: Post[EmptyBody]) -> Response:
        async def steps(keep: Keep) -> Response:
            await self._shop.do(lambda: self._write("PENDING", keep.also(named, final=False)))
            status = self._provider.answer()
            await self._shop.do(lambda: self._write(status, keep.also(named)))
            return named(status)

        async def patient(keep: Keep) -> Response:
            try:
                return await steps(keep)
            except TimeoutError:
                return named("PENDING")

        return await post.in_steps(patient)

    def admin(self, post: Post[EmptyBody]) -> Response:
        def beside(connection: Connection, status: str) -> None:
            connection.execute(sa.update(users).where(users.c.id == "2").values(name=f"{post.actor} {status}"))

        return post.once(lambda also: self._write("PAID", also), named, beside)

    def forgetful(self, post: Post[EmptyBody]) -> Response:
        return named("nothing")

    def _write(self, status: str, also: Any) -> str:
        def work(connection: Connection) -> str:
            connection.execute(sa.update(users).where(users.c.id == "1").values(name=status))
            if also is not None:
                also(connection, status)
            return status

        return write(self._shop.engine, work)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def desk(engine: Engine, provider: Provider) -> Iterator[Desk]:
    workers = Workers("database", 4, 30)
    yield Desk(Shop(engine, ZoneInfo("UTC"), workers, 1000), provider)
    workers.close()


@pytest.fixture
def api(desk: Desk) -> Iterator[AppClient]:
    def post(work: Any, **more: Any) -> Posting[EmptyBody]:
        return Posting(desk._shop, EmptyBody, work, body_optional=True, **more)

    app = Starlette(
        routes=[
            resource("/pay", post=post(desk.pay)),
            resource("/admin", post=post(desk.admin, within=desk.admitted)),
            resource("/forgetful", post=post(desk.forgetful)),
        ],
        middleware=[Middleware(Boundary, body_seconds=30)],
    )
    client = AppClient(app)
    yield client
    client.close()


def state(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(users.c.name).order_by(users.c.id)))


def test_the_last_step_is_the_answer_that_is_repeated(api: AppClient, provider: Provider) -> None:
    first = api.post("/pay", headers=KEY)
    assert first.json() == {"status": "COMPLETED"}
    again(first, api.post("/pay", headers=KEY))
    assert provider.asked == 1


def test_without_a_key_every_request_is_one_of_its_own(api: AppClient, provider: Provider, engine: Engine) -> None:
    assert [api.post("/pay").json() for _ in range(2)] == [{"status": "COMPLETED"}] * 2
    assert (provider.asked, kept(engine)) == (2, 0)


def test_between_the_steps_others_are_told_to_wait_and_later_get_the_first_steps_answer(
    api: AppClient, provider: Provider, engine: Engine
) -> None:
    """The process dies while the provider is asked."""
    provider.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        api.post("/pay", headers=KEY)
    assert state(engine)[0] == "PENDING"
    waiting = api.post("/pay", headers=KEY)
    assert (waiting.status_code, slug(waiting)) == (409, "idempotency-key-in-use")
    lease_runs_out(engine)
    answer = api.post("/pay", headers=KEY)
    assert (answer.status_code, answer.json()) == (201, {"status": "PENDING"})
    assert answer.headers["idempotency-replayed"] == "true"
    assert provider.asked == 1


def test_an_action_that_ends_with_its_first_answer_lets_others_have_it_at_once(
    api: AppClient, provider: Provider
) -> None:
    provider.error = TimeoutError()
    first = api.post("/pay", headers=KEY)
    assert first.json() == {"status": "PENDING"}
    again(first, api.post("/pay", headers=KEY))
    assert provider.asked == 1


def test_a_fault_between_the_steps_is_answered_and_then_the_first_steps_answer_stands(
    api: AppClient, provider: Provider
) -> None:
    provider.error = RuntimeError("a fault")
    assert api.post("/pay", headers=KEY).status_code == 500
    assert api.post("/pay", headers=KEY).json() == {"status": "PENDING"}
    assert provider.asked == 1


def test_a_refusal_between_the_steps_is_what_is_repeated(api: AppClient, provider: Provider) -> None:
    provider.error = Conflict("too late")
    first = api.post("/pay", headers=KEY)
    assert (first.status_code, slug(first)) == (409, "conflict")
    again(first, api.post("/pay", headers=KEY))


def test_what_is_stored_after_the_key_went_to_another_is_undone(
    api: AppClient, provider: Provider, engine: Engine
) -> None:
    def forgotten() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE idempotency_keys SET claim = 'another'"))

    provider.meanwhile = forgotten
    answer = api.post("/pay", headers=KEY)
    assert (answer.status_code, slug(answer)) == (409, "idempotency-key-in-use")
    assert state(engine)[0] == "PENDING"


@contextmanager
def no_thread_when(desk: Desk, refuses: Callable[[], bool]) -> Iterator[None]:
    """Every piece of work that comes when ``refuses`` says so finds the queue full."""
    run = desk._shop.workers.run

    async def full(work: Callable[[], Any]) -> Any:
        if refuses():
            raise unavailable_now("Too much waits for the database")
        return await run(work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk._shop.workers, "run", full)
        yield


def test_what_is_committed_is_answered_although_the_queue_is_full_by_then(
    api: AppClient, desk: Desk, engine: Engine
) -> None:
    with no_thread_when(desk, lambda: state(engine)[0] == "COMPLETED"):
        first = api.post("/pay", headers=KEY)
    assert (first.status_code, first.json()) == (201, {"status": "COMPLETED"})
    again(first, api.post("/pay", headers=KEY))


@pytest.mark.parametrize(("error", "status"), [(TimeoutError(), 201), (Conflict("too late"), 409)])
def test_an_answer_whose_claim_cannot_be_ended_for_want_of_room_is_given_all_the_same(
    api: AppClient, desk: Desk, provider: Provider, engine: Engine, error: Exception, status: int
) -> None:
    provider.error = error
    with no_thread_when(desk, lambda: provider.asked > 0):
        assert api.post("/pay", headers=KEY).status_code == status
    assert slug(api.post("/pay", headers=KEY)) == "idempotency-key-in-use"
    lease_runs_out(engine)
    assert api.post("/pay", headers=KEY).json() == {"status": "PENDING"}
    assert provider.asked == 1


def test_a_step_beyond_the_deadline_keeps_the_claim_because_it_may_be_done_yet(
    api: AppClient, provider: Provider, engine: Engine
) -> None:
    provider.error = may_still_finish("The database took longer than 30 s")
    unknown(api.post("/pay", headers=KEY))
    waiting = api.post("/pay", headers=KEY)
    assert (waiting.status_code, slug(waiting)) == (409, "idempotency-key-in-use")
    lease_runs_out(engine)
    assert api.post("/pay", headers=KEY).json() == {"status": "PENDING"}


def unknown(answer: httpx.Response) -> None:
    """Raises AssertionError unless it says that nobody knows, and that the key makes it safe to ask again."""
    assert (answer.status_code, slug(answer), answer.headers["retry-after"]) == (503, "outcome-unknown", "1")
    assert "same Idempotency-Key" in answer.json()["detail"]


def test_a_change_beyond_the_deadline_is_asked_for_again_with_its_key_and_done_once(
    api: AppClient, desk: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    run, change = desk._shop.workers.run, desk._write

    def slowly(status: str, also: Any) -> str:
        begun.set()
        assert go_on.wait(30)
        return change(status, also)

    async def beyond(work: Callable[[], Any]) -> Any:
        late.append(asyncio.ensure_future(run(work)))
        await asyncio.to_thread(begun.wait, 30)
        raise may_still_finish("The database took longer than 30 s")

    late: list[asyncio.Future[Any]] = []
    headers = {**KEY, "x-who": "ann"}
    with monkeypatch.context() as patch:
        patch.setattr(desk, "_write", slowly)
        patch.setattr(desk._shop.workers, "run", beyond)
        unknown(api.post("/admin", headers=headers))
    assert slug(api.post("/admin", headers=headers)) == "idempotency-key-in-use"
    go_on.set()
    wait_until(lambda: state(engine)[0] == "PAID", "the change")
    answer = api.post("/admin", headers=headers)
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")


@pytest.mark.parametrize("headers", [KEY, {}])
def test_what_belongs_to_a_change_goes_with_it_once(api: AppClient, engine: Engine, headers: dict[str, str]) -> None:
    assert api.post("/admin", headers={**headers, "x-who": "ann"}).status_code == 201
    assert state(engine) == ["PAID", "ann PAID"]
    api.post("/admin", headers={**headers, "x-who": "ben"})
    assert state(engine)[1] == ("ann PAID" if headers else "ben PAID")


def test_nobody_who_is_not_admitted_gets_a_kept_answer(api: AppClient) -> None:
    assert api.post("/admin", headers={**KEY, "x-who": "ann"}).status_code == 201
    assert api.post("/admin", headers=KEY).status_code == 401
    assert api.post("/admin", headers={"Idempotency-Key": '"'}).status_code == 401


def test_who_admits_learns_of_every_refusal(api: AppClient, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are stored too: an audit has to know."""

    def refuses(_status: str, _also: object) -> str:
        raise Conflict("no")

    monkeypatch.setattr(desk, "_write", refuses)
    first = api.post("/admin", headers={**KEY, "x-who": "ann"})
    again(first, api.post("/admin", headers={**KEY, "x-who": "ann"}))
    api.post("/admin", headers={"x-who": "ann"})
    api.post("/admin", content=b"{", headers={"x-who": "ann"})
    assert desk.entered == ["Conflict", "Conflict", "Problem"]


def test_a_route_that_ignores_the_key_is_a_fault(api: AppClient) -> None:
    assert api.post("/forgetful").status_code == 201
    assert api.post("/forgetful", headers=KEY).status_code == 500
