"""Every key has its effect, and a value that makes no sense is refused in one line before anything is registered."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with pulumi, types do not
from hypothesis import given
from hypothesis import strategies as st

from infra import keys
from infra.config import _prefix
from infra.faults import Refusal
from tests.infra.variants import DEFAULT, captured, write_plugin
from tests.support.process import PROJECT
from tests.support.stack.capture import CONTAINER, Program, capture
from tests.support.stack.configuration import hand_over
from tools import configuration

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"images": "remote"}, "millrace:images is 'remote': choose upstream or local"),
    ({"sink": "Python"}, "millrace:sink is 'Python': choose connect or python"),
    ({"relay": ""}, "millrace:relay is '': choose outbox or debezium"),
    ({"kafkaNodes": "2"}, "millrace:kafkaNodes is 2: a quorum needs an odd number; choose 1 or 3"),
    ({"kafkaNodes": "5"}, "millrace:kafkaNodes is 5: a quorum needs an odd number; choose 1 or 3"),
    ({"kafkaNodes": "three"}, "millrace:kafkaNodes is 'three': give a whole number from 1 to 1000"),
    ({"kafkaPartitions": "0"}, "millrace:kafkaPartitions is '0': give a whole number from 1 to 1000"),
    ({"kafkaPartitions": "1.5"}, "millrace:kafkaPartitions is '1.5': give a whole number from 1 to 1000"),
    ({"kafkaRetentionHours": "-1"}, "millrace:kafkaRetentionHours is '-1': give a whole number from 1 to 87600"),
    ({"portApi": "70000"}, "millrace:portApi is '70000': give a whole number from 1 to 65535"),
    ({"portApi": "0"}, "millrace:portApi is '0': give a whole number from 1 to 65535"),
    ({"portApi": "http"}, "millrace:portApi is 'http': give a whole number from 1 to 65535"),
    ({"portApi": "8083"}, "millrace:portConnect is port 8083, as is millrace:portApi: "),
    ({"portMysql": "19093"}, "millrace:portKafka (node 2) is port 19093, as is millrace:portMysql: "),
    ({"portKafka": "65534"}, "millrace:portKafka (node 3) would be port 65536: "),
    ({"memoryMysql": "64"}, "millrace:memoryMysql is '64': give a whole number from 512 to 1048576"),
    ({"prefix": "My Stack"}, "millrace:prefix is 'My Stack': use at most 32 of a-z, 0-9, - and _"),
    ({"prefix": "-x"}, "millrace:prefix is '-x': "),
    ({"prefix": "x" * 33}, "millrace:prefix is 'xxx"),
    ({"prefix": "../x"}, "millrace:prefix is '../x': "),
    ({"timezone": "Middle/Earth"}, "millrace:timezone is 'Middle/Earth': give an IANA time zone, like Europe/Berlin"),
    ({"timezone": "../../etc/passwd"}, "millrace:timezone is '../../etc/passwd': "),
    ({"timezone": ""}, "millrace:timezone is '': "),
    ({"bind": "localhost"}, "millrace:bind is 'localhost': give an IPv4 address of this machine"),
    ({"bind": "::1"}, "millrace:bind is '::1': give an IPv4 address of this machine"),
    ({"bind": "127.0.0.01"}, "millrace:bind is '127.0.0.01': give an IPv4 address of this machine"),
    ({"apiTrustedProxies": "proxy, 10.0.0.1"}, "millrace:apiTrustedProxies has 'proxy': give addresses or networks"),
    ({"alertmanagerUrl": "alertmanager:9093"}, "millrace:alertmanagerUrl is no http or https address: give an address"),
    ({"alertmanagerUrl": "ftp://alertmanager"}, "millrace:alertmanagerUrl is no http or https address: "),
    ({"alertmanagerUrl": "http://alertmanager:90933"}, "millrace:alertmanagerUrl is no address: "),
    ({"alertmanagerUrl": "http://"}, "millrace:alertmanagerUrl is no http or https address: "),
    ({"alertmanagerUrl": "http://a\n b:9093"}, "millrace:alertmanagerUrl is no"),
    (
        {"alertmanagerUrl": "http://alertmanager/?a=b"},
        "millrace:alertmanagerUrl has more than a host, a port and a path",
    ),
    (
        {"alertmanagerUrl": "http://localhost:9093"},
        "millrace:alertmanagerUrl is this machine's loopback address, which in",
    ),
    ({"alertmanagerUrl": "http://[::1]:9093"}, "millrace:alertmanagerUrl is this machine's loopback address, which in"),
    ({"seedCatalogue": "maybe"}, "millrace:seedCatalogue is 'maybe': choose true or false"),
    ({"images": "local"}, "millrace:sink is connect, but the local Connect image has no ClickHouse sink: set "),
    ({"connectPlugins": "/nowhere"}, "millrace:connectPlugins names /nowhere, which is not a folder: "),
    ({"connectPlugins": "data"}, "millrace:connectPlugins cannot be used: "),
    ({"port.api": "1"}, "millrace:port.api is not a configuration key: did you mean millrace:portApi?"),
    # a dotted name of an earlier version, kept in a stack's file
    (
        {"ports.api": "13000"},
        "millrace:ports.api is called millrace:portApi now: pulumi config rm millrace:ports.api; ",
    ),
    ({"kafka.nodes": "1"}, "millrace:kafka.nodes is called millrace:kafkaNodes now: "),
    ({"connect.plugins": "x"}, "millrace:connect.plugins is called millrace:connectPlugins now: "),
    ({"api.trustedProxies": "x"}, "millrace:api.trustedProxies is called millrace:apiTrustedProxies now: "),
    # what `--path` makes of the same
    (
        {"ports": {"api": 13000, "mysql": 13306}},
        "millrace:ports is not a key, and keys have no dots: pulumi config rm millrace:ports; "
        "set millrace:portApi, millrace:portMysql instead",
    ),
    ({"kafka": {"what": 1}}, "millrace:kafka is not a key, and keys have no dots: "),
    ({"memory": ["1"]}, "millrace:memory is not a key, and keys have no dots: "),
    (
        {"kafkaNodes": {"a": 1}},
        "millrace:kafkaNodes is an object, not one value: pulumi config rm millrace:kafkaNodes; ",
    ),
    ({"prefix": ["x-"]}, "millrace:prefix is an array, not one value: pulumi config rm millrace:prefix; "),
    ({"xyzzy": "1"}, "millrace:xyzzy is not a configuration key: Pulumi.yaml lists them all"),
]


def made_nothing(type_: str, name: str, _inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """As capture.Create: fails the test."""
    raise AssertionError(f"{type_} {name} was registered")


@pytest.mark.parametrize(("config", "message"), REFUSED, ids=[str(one[0]) for one in REFUSED])
def test_nonsense_is_refused_in_one_line(config: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal) as refused:
        capture({"preflight": "false", **config}, create=made_nothing, validate=False)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert ": " in str(refused.value)[len("millrace:") :]


@pytest.mark.parametrize("url", ["http://me:hush@alertmanager:9093", "https://hush@alertmanager", "http://a:hush:9093"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Refusal, match=r"^millrace:alertmanagerUrl (has a user or password in it|is no )") as refused:
        capture({"preflight": "false", "alertmanagerUrl": url}, create=made_nothing)
    assert "hush" not in str(refused.value)


def test_plugins_belong_to_the_local_set(tmp_path: Path) -> None:
    write_plugin(tmp_path / "sink.zip")
    with pytest.raises(Refusal, match=r"millrace:connectPlugins is set, but with millrace:images upstream"):
        capture({"preflight": "false", "connectPlugins": str(tmp_path)}, create=made_nothing)


def test_a_broken_plugin_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "sink.zip").write_bytes(b"PK but not quite")
    config = {"preflight": "false", "images": "local", "connectPlugins": str(tmp_path)}
    with pytest.raises(Refusal, match=r"millrace:connectPlugins cannot be used: .*sink\.zip.* is broken"):
        capture(config, create=made_nothing)


@given(st.text(max_size=40))
def test_a_prefix_is_part_of_a_container_name_or_refused(prefix: str) -> None:
    fits = re.fullmatch("([a-z0-9][a-z0-9_-]{0,31})?", prefix) is not None
    if fits:
        assert _prefix(prefix) == prefix
    else:
        with pytest.raises(Refusal, match=r"^millrace:prefix is "):
            _prefix(prefix)


# ---- each key

Holds = Callable[[Program], object]


def _env(program: Program, container: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in program.containers[container].inputs["envs"])


def _options(program: Program) -> dict[str, str]:
    words = program.containers["topics-job"].inputs["command"][2:]
    return dict(zip(words[::2], words[1::2], strict=True))


def _published(program: Program) -> set[int]:
    return {port["external"] for one in program.containers.values() for port in one.inputs.get("ports", [])}


def _files(program: Program, container: str) -> str:
    return "\n".join(one["content"] for one in program.containers[container].inputs["uploads"])


EFFECTS: list[tuple[str, str, Holds]] = [
    ("images", "upstream", lambda p: p.containers["mysql"].inputs["image"].startswith("mysql:")),
    ("sink", "python", lambda p: (_env(p, "sink")["SINK_MODE"], "CONNECT_URL" in _env(p, "sink")) == ("python", False)),
    ("relay", "debezium", lambda p: _env(p, "relay")["RELAY_MODE"] == "debezium"),
    ("kafkaNodes", "1", lambda p: "kafka-local2" not in p.containers and p.outputs["kafka"] == "localhost:19092"),
    ("kafkaPartitions", "3", lambda p: _options(p)["--partitions"] == "3"),
    ("kafkaRetentionHours", "9", lambda p: _options(p)["--retention-hours"] == "9"),
    ("prefix", "x-", lambda p: {one.physical[:2] for one in p.of(CONTAINER).values()} == {"x-"}),
    ("bind", "192.0.2.1", lambda p: p.containers["api"].inputs["ports"][0]["ip"] == "192.0.2.1"),
    ("timezone", "Asia/Seoul", lambda p: "<session_timezone>Asia/Seoul<" in _files(p, "clickhouse")),
    ("apiTrustedProxies", "172.18.0.1", lambda p: _env(p, "api")["API_TRUSTED_PROXIES"] == "172.18.0.1"),
    ("alertmanagerUrl", "http://am.example:9093", lambda p: '["am.example:9093"]' in _files(p, "prometheus")),
    ("seedCatalogue", "false", lambda p: "--seed-catalogue" not in p.containers["database-job"].inputs["command"]),
    ("bootstrapAdminToken", "false", lambda p: "MILLRACE_ADMIN_TOKEN" not in _env(p, "api")),
    ("preflight", "false", lambda p: True),  # test_preflight.py shows that it is looked at otherwise
    ("connectPlugins", "", lambda p: True),  # test_images.py shows what a folder does
]  # fmt: skip
PORT_OF = {
    "api": "api", "relayMetrics": "relay", "transformerMetrics": "transformer", "sinkMetrics": "sink",
    "aggregatorMetrics": "aggregator", "reconcilerMetrics": "reconciler", "mysql": "mysql", "kafka": "kafka-local1",
    "connect": "kafka-connect", "clickhouse": "clickhouse", "clickhouseNative": "clickhouse", "kafkaUi": "kafka-ui",
    "grafana": "grafana", "prometheus": "prometheus",
}  # fmt: skip
MEMORY_OF = {
    "kafka": "kafka-local2", "connect": "kafka-connect", "kafkaUi": "kafka-ui", "jobs": "database-job",
} | {name: name for name in keys.MEMORY if name not in ("kafka", "connect", "kafkaUi", "jobs")}  # fmt: skip


@pytest.mark.parametrize(("key", "value", "holds"), EFFECTS, ids=[one[0] for one in EFFECTS])
def test_a_key_has_its_effect(key: str, value: str, holds: Holds) -> None:
    assert holds(captured(DEFAULT, **{key: value}))


def test_writes_are_limited_where_the_api_can_tell_its_clients_apart() -> None:
    """Behind the gateway of the stack's network all clients of this machine are one."""
    assert _env(captured(DEFAULT), "api")["API_WRITES_PER_SECOND"] == "0"
    for more in ({"bind": "192.0.2.1"}, {"apiTrustedProxies": "172.18.0.1"}):
        assert "API_WRITES_PER_SECOND" not in _env(captured(DEFAULT, **more), "api"), more


@pytest.mark.parametrize("port", keys.PORTS)
def test_a_port_is_published_where_it_is_wanted(port: str) -> None:
    other = {name: 40_000 + 10 * number for number, name in enumerate(keys.PORTS)}
    more = {keys.port_key(name): str(wanted) for name, wanted in other.items()}
    program = captured(DEFAULT, sink="python", relay="debezium", **more)
    published = [one["external"] for one in program.containers[PORT_OF[port]].inputs["ports"]]
    assert other[port] in published
    assert keys.PORTS[port].default not in _published(program)


@pytest.mark.parametrize("part", keys.MEMORY)
def test_memory_is_limited_as_wanted(part: str) -> None:
    other = {name: 2_000 + number for number, name in enumerate(keys.MEMORY)}
    more = {keys.memory_key(name): str(wanted) for name, wanted in other.items()}
    program = captured(DEFAULT, sink="python", relay="debezium", **more)
    assert program.containers[MEMORY_OF[part]].inputs["memory"] == other[part]


def test_every_key_has_a_test() -> None:
    tested = {key for key, *_ in EFFECTS} | set(map(keys.port_key, PORT_OF)) | set(map(keys.memory_key, MEMORY_OF))
    assert tested == set(keys.KEYS)


def test_no_key_has_a_dot() -> None:
    """The CLI takes a dot for a path: the program would get one object in place of the keys."""
    for file in ("Pulumi.yaml", "Pulumi.dev.yaml"):
        for key in yaml.safe_load((PROJECT / file).read_text())["config"]:
            assert re.fullmatch(r"millrace:[a-z][a-zA-Z]*", key), (file, key)
    for name in keys.KEYS:
        assert re.fullmatch(r"[a-z][a-zA-Z]*", name), name


def test_project_file_and_page_are_written_from_the_keys() -> None:
    for file, made in (
        (configuration.PROJECT_FILE, configuration.project_file),
        (configuration.PAGE, configuration.page),
    ):
        text = file.read_text(encoding="utf-8")
        assert text == made(text), "python -m tools.configuration writes it"
    declared = yaml.safe_load(configuration.PROJECT_FILE.read_text(encoding="utf-8"))["config"]
    assert list(declared) == [f"millrace:{name}" for name in (*keys.KEYS, keys.SETTINGS)]
    assert all(len(one["description"]) >= 5 for one in declared.values())


def test_the_stack_file_holds_known_keys_and_no_secret() -> None:
    text = (PROJECT / "Pulumi.dev.yaml").read_text()
    stack = yaml.safe_load(text)
    assert set(stack) == {"config"}
    named = set(re.findall(r"^ +(?:# )?millrace:(\S+):", text, re.MULTILINE))
    assert len(named) >= 4
    assert named <= set(keys.KEYS)
    assert "secure:" not in text


def test_a_stack_file_with_nothing_in_it_gives_the_defaults() -> None:
    """What the CLI hands over then is every default of the project file, as text."""
    handed = hand_over({})
    assert handed.values["millrace:kafkaNodes"] == "3"
    assert handed.values["millrace:preflight"] == "true"
    assert handed.values["millrace:settings"] == "{}"
    assert set(handed.values) == {f"millrace:{name}" for name in (*keys.KEYS, keys.SETTINGS)}
