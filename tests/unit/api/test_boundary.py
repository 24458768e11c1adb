"""What every request passes: routes and methods, ids and traces, headers, failures, metrics."""

import re
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY
from sqlalchemy.engine import Engine

from services.api.boundary import traceparent
from services.clients.database import OutcomeUnknown
from tests.support.shop import AppClient, Call, events

ORDER = {"userId": "1", "items": [{"productId": "101", "quantity": 1}]}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def problem(answer: Any) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    assert body["requestId"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= set(body)
    return body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", path) for path in ("/nowhere", "/api", "/api/", "/api/orders/", "/api/orders/a/b", "/API/orders")],
        *[("GET", path) for path in ("/api/payments/1", "/api/inventory/0", "/openapi.yaml", "/admin/orders")],
        *[("POST", path) for path in ("/api/payments/1/refund/1", "/api/orders/1/refund")],
        ("PATCH", "/api/inventory"),
        ("GET", "/static/nothing.js"),
        ("GET", "/static/%2e%2e/README.md"),
        ("GET", "/static/..%2f..%2fpyproject.toml"),
        ("GET", "/static/a%00b"),
        ("GET", "/static"),
        ("GET", "/static/"),
        ("GET", "/static/" + "a/" * 300),
        ("GET", "/static/" + "a" * 600),
    ],
)
def test_what_is_not_there_is_a_404_problem(api: AppClient, method: str, path: str) -> None:
    answer = api.call(Call(method, path))
    assert answer.status_code == 404
    assert problem(answer)["type"] == "/problems/not-found"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/orders", {"POST", "OPTIONS"}),
        ("DELETE", "/api/orders/1", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/orders/1/cancel", {"POST", "OPTIONS"}),
        ("POST", "/api/orders/user/1", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/admin/orders/1", {"DELETE", "OPTIONS"}),
        ("PUT", "/api/inventory/101", {"GET", "HEAD", "PATCH", "OPTIONS"}),
        ("DELETE", "/api/payments/1", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/api/products", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "/api/analytics/stats", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/api/orders", {"POST", "OPTIONS"}),
        ("TRACE", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/static/favicon.svg", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_405_and_says_which_there_are(
    api: AppClient, method: str, path: str, allow: set[str]
) -> None:
    answer = api.call(Call(method, path))
    assert (answer.status_code, problem(answer)["type"]) == (405, "/problems/method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == allow


def test_options_says_which_methods_there_are_and_opens_no_other_origin(api: AppClient) -> None:
    answer = api.call(Call("OPTIONS", "/api/orders", headers={"Origin": "https://elsewhere.example"}))
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_head_has_the_headers_of_get(api: AppClient) -> None:
    get, head = api.get("/api/products/101"), api.call(Call("HEAD", "/api/products/101"))
    assert head.status_code == 200
    assert head.headers["content-length"] == get.headers["content-length"]
    assert api.call(Call("HEAD", "/api/products/0")).status_code == 404


def test_a_path_beyond_reason_is_414(api: AppClient) -> None:
    assert problem(api.get("/api/orders/" + "x" * 5000))["status"] == 414


def test_a_client_names_its_request_unless_the_name_is_odd(api: AppClient) -> None:
    assert api.get("/healthz", {"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for odd in ("", "a b", "x" * 65, "<b>", "a\tb"):
        assert re.fullmatch(r"[0-9a-f-]{36}", api.get("/healthz", {"X-Request-Id": odd}).headers["x-request-id"])


def test_the_clients_trace_goes_into_the_outbox(api: AppClient, engine: Engine) -> None:
    api.post("/api/orders", ORDER, headers={"traceparent": TRACE})
    assert [row.traceparent for row in events(engine, "OrderCreated")] == [TRACE]


@pytest.mark.parametrize(
    "given",
    [
        *(None, "", "x", TRACE.upper(), TRACE + "-00", TRACE[:-1], TRACE + "\n", "ff" + TRACE[2:]),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
    ],
)
def test_a_trace_that_is_none_is_made_anew(given: str | None) -> None:
    made = traceparent(given)
    assert made != given
    assert traceparent(made) == made


def test_every_answer_tells_browsers_to_be_careful(api: AppClient) -> None:
    for path in ("/", "/api/products", "/nowhere", "/static/favicon.svg"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
        assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
    assert api.get("/api/products").headers["cache-control"] == "no-store"


def test_only_over_tls_are_browsers_told_to_stay_with_it(api: AppClient) -> None:
    assert api.get("https://shop.test/healthz").headers["strict-transport-security"].startswith("max-age=31536000")


def test_a_fault_of_ours_is_500_without_its_cause(
    api: AppClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("services.api.orders.find_order", broken)
    answer = api.get("/api/orders/1")
    assert (answer.status_code, problem(answer)["type"]) == (500, "/problems/internal")
    assert "secret" not in answer.text
    output = capsys.readouterr()
    assert "secret detail" in output.out + output.err


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.OperationalError("SELECT secret", {}, Exception(2003, "Can't connect")),
        sa.exc.OperationalError("SELECT secret", {}, Exception(1205, "Lock wait timeout exceeded")),
        sa.exc.TimeoutError("QueuePool limit reached"),
    ],
)
def test_a_database_that_is_away_is_503_to_be_tried_again(
    api: AppClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr("services.api.placing.place_orders", away)
    answer = api.post("/api/orders", ORDER)
    assert (answer.status_code, problem(answer)["type"]) == (503, "/problems/unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "secret" not in answer.text


def test_a_commit_whose_outcome_nobody_knows_is_503_not_to_be_asked_for_again_blindly(
    api: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_arguments: object, **_named: object) -> None:
        raise OutcomeUnknown("the database went away during a commit: secret")

    monkeypatch.setattr("services.api.placing.place_orders", lost)
    answer = api.post("/api/orders", ORDER)
    assert (answer.status_code, problem(answer)["type"]) == (503, "/problems/outcome-unknown")
    assert "retry-after" not in answer.headers
    assert "secret" not in answer.text


@pytest.mark.parametrize("code", [1142, 1054, 3819, 1049])
def test_a_database_that_refuses_is_a_fault_of_ours(api: AppClient, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuses(*_arguments: object, **_named: object) -> None:
        raise sa.exc.OperationalError("UPDATE secret", {}, Exception(code, "no"))

    monkeypatch.setattr("services.api.placing.place_orders", refuses)
    assert api.post("/api/orders", ORDER).status_code == 500


def test_readiness_is_the_databases_alone(api: AppClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (api.get("/healthz").json(), api.get("/readyz").json()) == ({"status": "ok"}, {"status": "ready"})

    def away() -> None:
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(engine, "connect", away)
    assert (api.get("/healthz").status_code, api.get("/readyz").status_code) == (200, 503)


def counted(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    return REGISTRY.get_sample_value("millrace_http_requests_total", labels) or 0.0


def test_requests_are_counted_by_route_template_not_by_path(api: AppClient) -> None:
    before = counted("/api/orders/{id}", "GET", "404"), counted("none", "other", "404")
    api.get("/api/orders/some-id-of-somebody")
    api.call(Call("BREW", "/tea/pot"))
    assert counted("/api/orders/{id}", "GET", "404") == before[0] + 1
    assert counted("none", "other", "404") == before[1] + 1

    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'millrace_http_request_seconds_bucket{le="0.005",method="GET",route="/api/orders/{id}"}' in answer.text
    assert "some-id-of-somebody" not in answer.text
