"""Who reaches which server, tried from inside every container; and who shows which password to `docker inspect`.

Kafka Connect is there for it (`relay: debezium`): it is the part that nobody else should reach.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from services.clients.connect import ConnectClient, ConnectError
from tests.support.stack.engine import labelled
from tests.support.stack.stack import Stack
from tests.support.who_knows import shown_by

PORTS = {"kafka-local1": 29092, "mysql": 3306, "clickhouse": 8123, "kafka-connect": 8083}
# Server to those that reach it, themselves included; a server that Connect uses reaches Connect too.
REACHED_BY = {
    "kafka-local1": {
        "kafka-local1", "kafka-local2", "kafka-local3", "kafka-connect", "relay", "transformer", "sink",
    },
    "mysql": {"mysql", "kafka-connect", "api", "relay", "aggregator", "reconciler"},
    "clickhouse": {"clickhouse", "kafka-connect", "api", "sink", "aggregator", "reconciler"},
    "kafka-connect": {
        "kafka-connect", "relay", "sink", "kafka-local1", "kafka-local2", "kafka-local3", "mysql", "clickhouse",
    },
}  # fmt: skip
# What is not in the local images, and whom it shares a network with.
PAGES = {"grafana": ("clickhouse", "metrics"), "kafka-ui": ("kafka",)}
PAGES_REACH = {"grafana": {"clickhouse"}, "kafka-ui": {"kafka-local1"}}
# Prints as JSON which of the names it knows, and which of the addresses it reaches.
PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def known(name):
    try:
        return bool(socket.gethostbyname(name))
    except OSError:
        return False
def reached(target):
    try:
        socket.create_connection((target[0], target[1]), timeout=2).close()
        return True
    except OSError:
        return False
asked = json.loads(sys.argv[1])
with ThreadPoolExecutor(32) as threads:
    print(json.dumps([list(threads.map(known, asked["names"])), list(threads.map(reached, asked["addresses"]))]))
"""


pytestmark = pytest.mark.usefixtures("with_connect")


def addresses(stack: Stack, role: str) -> list[str]:
    joined = stack.container(role).attrs["NetworkSettings"]["Networks"].values()
    return [str(one["IPAddress"]) for one in joined]


def probe(stack: Stack, asked: dict[str, Any], **network: Any) -> tuple[set[str], set[str]]:
    """Names known and addresses reached from a network, or from where a container is."""
    image = stack.inputs("api")["image"]
    started = stack.client.containers.create(
        image, ["-c", PROBE, json.dumps(asked)], entrypoint=["python3"], labels=labelled(image, {}), **network
    )
    try:
        started.start()
        assert started.wait(timeout=120)["StatusCode"] == 0, started.logs()
        known, reached = json.loads(started.logs(stderr=False))
    finally:
        started.remove(force=True)
    return (
        {name for name, found in zip(asked["names"], known, strict=True) if found},
        {address for (address, _), found in zip(asked["addresses"], reached, strict=True) if found},
    )


@pytest.fixture(scope="module")
def found(stack: Stack, with_connect: None) -> dict[str, tuple[set[str], set[str]]]:
    """Container to the servers it finds by name, and those it reaches at one of their addresses, however it got it."""
    where = {role: addresses(stack, role) for role in PORTS}
    owner = {address: role for role, several in where.items() for address in several}
    asked = {"names": list(PORTS), "addresses": [(address, PORTS[role]) for address, role in owner.items()]}

    def look(ask: Callable[[], tuple[set[str], set[str]]]) -> tuple[set[str], set[str]]:
        known, reached = ask()
        return known, {owner[address] for address in reached}

    asks = {
        role: partial(probe, stack, asked, network_mode=f"container:{stack.container(role).id}")
        for role in stack.servers()
    }
    for page, networks in PAGES.items():
        asks[page] = partial(like, stack, asked, networks)
    with ThreadPoolExecutor(4) as threads:
        return dict(zip(asks, threads.map(look, asks.values()), strict=True))


def like(stack: Stack, asked: dict[str, Any], networks: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """From each of the networks of a container that the local images do not have."""
    answers = [probe(stack, asked, network=f"{stack.prefix}millrace-{name}") for name in networks]
    return set().union(*(known for known, _ in answers)), set().union(*(reached for _, reached in answers))


@pytest.mark.parametrize("server", PORTS)
def test_only_who_uses_a_server_reaches_it(found: dict[str, tuple[set[str], set[str]]], server: str) -> None:
    wanted = REACHED_BY[server] | {page for page, servers in PAGES_REACH.items() if server in servers}
    wanted &= set(found)
    assert {role for role, (known, _) in found.items() if server in known} == wanted, "by its name"
    assert {role for role, (_, reached) in found.items() if server in reached} == wanted, "by its address"


def test_no_container_reaches_connect_where_it_is_published(stack: Stack) -> None:
    """The port is this machine's own; a gateway's address is this machine's, seen from a container."""
    port = httpx.URL(stack.environment["CONNECT_URL"]).port
    gateways = [stack.client.networks.get(name).attrs["IPAM"]["Config"][0]["Gateway"] for name in stack.networks]
    asked = {"names": [], "addresses": [(gateway, port) for gateway in gateways]}
    _, reached = probe(stack, asked, network_mode=f"container:{stack.container('api').id}")
    assert reached == set()


# ---- the password


PAGES_OF_CONNECT = ("/", "/connectors", "/connector-plugins", "/admin/loggers", "/health")


@pytest.mark.parametrize("login", [None, ("connect", "guessed"), ("admin", None)])
def test_without_the_password_connect_answers_401(stack: Stack, login: tuple[str, str | None] | None) -> None:
    known = stack.environment
    auth = login and (login[0], login[1] or known["CONNECT_PASSWORD"])
    # a connection each: the server ends one whose body it refused to read
    alone = {"Connection": "close"}
    with httpx.Client(base_url=known["CONNECT_URL"], auth=auth, headers=alone, timeout=30) as client:
        answers = {page: client.get(page).status_code for page in PAGES_OF_CONNECT}
        assert answers == dict.fromkeys(PAGES_OF_CONNECT, 401)
        assert client.put("/connectors/x/config", json={"connector.class": "x"}).status_code == 401
        assert client.delete("/connectors/outbox-debezium").status_code == 401


def test_what_workers_ask_of_one_another_is_refused_without_their_own_signature(stack: Stack) -> None:
    """The two requests that the extension lets through."""
    with httpx.Client(base_url=stack.environment["CONNECT_URL"], timeout=30) as client:
        assert client.post("/connectors/outbox-debezium/tasks", json=[]).status_code in (400, 403)
        assert client.put("/connectors/outbox-debezium/fence").status_code in (400, 403)


def test_with_the_password_it_answers(stack: Stack) -> None:
    assert set(stack.connect_rest.get("/connectors").json()) == {"clickhouse-sink-orders", "outbox-debezium"}


def test_the_program_says_which_settings_are_wrong(stack: Stack) -> None:
    with (
        ConnectClient(stack.environment["CONNECT_URL"], ("connect", "guessed")) as client,
        pytest.raises(ConnectError, match="CONNECT_USER and CONNECT_PASSWORD"),
    ):
        client.version()


# ---- who shows what


def test_docker_inspect_shows_a_password_only_of_those_who_use_it(stack: Stack) -> None:
    """Environment, command, labels, health check and all else that the engine tells of a container."""
    sink = stack.environment["MILLRACE_SINK"]
    shown = {
        role: {name for name, secret in stack.generated.items() if secret in json.dumps(stack.container(role).attrs)}
        for role in stack.roles()
    }
    assert len(stack.generated) >= 14
    assert shown == {role: shown_by(role, sink, "debezium") for role in stack.roles()}


def test_the_password_is_in_no_process_that_others_see(stack: Stack) -> None:
    """`docker top` and `ps` show arguments; the health check's command runs all the time."""
    password = stack.generated["connect"]
    for role in stack.servers():
        processes = stack.container(role).top(ps_args="-eo pid,args")["Processes"]
        assert password not in json.dumps(processes), role
