"""No secret leaves the program unmarked, and each reaches only those who need it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # no types are published

from infra.accounts import CLICKHOUSE
from infra.components.passwords import LENGTH
from tests.infra.variants import DEFAULT, VARIANTS, Variant, captured, name
from tests.support.stack import capture
from tests.support.stack.capture import SECRET, SIGNATURE, Program
from tests.support.who_knows import known_by, shown_by


def strings(value: Any, secret: bool = False) -> Iterator[tuple[str, bool]]:
    """Every string of a request, keys too, and whether it is marked as secret."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            yield from strings(value["value"], True)
        else:
            for key, one in value.items():
                yield key, secret
                yield from strings(one, secret)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one, secret)
    elif isinstance(value, str):
        yield value, secret


def found_in(program: Program, wire: Any) -> dict[str, bool]:
    """Names of the secrets in a request, and whether all places are marked."""
    marked: dict[str, bool] = {}
    for text, secret in strings(MessageToDict(wire.object)):
        for name_, value in program.generated.items():
            if value in text or hashlib.sha256(value.encode()).hexdigest() in text:
                marked[name_] = marked.get(name_, True) and secret
    return marked


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_no_secret_travels_in_clear(variant: Variant) -> None:
    program = captured(variant)
    assert len(program.generated) >= 14
    for resource in program.resources.values():
        clear = [secret for secret, marked in found_in(program, resource.wire).items() if not marked]
        assert clear == [], f"{resource.type} {resource.name}"


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_each_secret_reaches_only_who_needs_it(variant: Variant) -> None:
    program = captured(variant)
    known = {container.name: set(found_in(program, container.wire)) for container in program.containers.values()}
    sink, relay = dict(variant)["sink"], dict(variant)["relay"]
    assert known == {container: known_by(container, sink, relay) for container in program.containers}


@pytest.mark.parametrize("variant", VARIANTS, ids=name)
def test_what_docker_inspect_shows_is_what_is_used(variant: Variant) -> None:
    """All that the engine tells of a container to whoever may ask it, which is everything but its files."""
    program = captured(variant)
    sink, relay = dict(variant)["sink"], dict(variant)["relay"]
    for container in program.containers.values():
        shown = str({key: value for key, value in container.inputs.items() if key != "uploads"})
        found = {secret for secret, value in program.generated.items() if value in shown}
        assert found == shown_by(container.name, sink, relay), container.name


def test_an_unmarked_secret_is_seen() -> None:
    program = captured(DEFAULT)
    (password,) = (one for one in program.of(capture.PASSWORD).values() if one.name == "mysql-root")
    assert dict(strings({"envs": [f"A={program.generated['mysql-root']}"]})) != {}
    assert [secret for _, secret in strings({SIGNATURE: SECRET, "value": {"a": ["b"]}})] == [True, True]
    assert [secret for _, secret in strings({"other": SECRET, "value": "b"})] == [False] * 4
    assert password.inputs["length"] == LENGTH


def test_no_command_and_no_label_carries_a_secret() -> None:
    """They are shown by `docker ps` and `docker inspect` to whoever asks, marked or not."""
    program = captured(DEFAULT)
    for container in program.containers.values():
        shown = str([container.inputs.get(key) for key in ("command", "labels", "healthcheck", "tmpfs", "hostname")])
        assert not [secret for secret, value in program.generated.items() if value in shown], container.name


def test_secrets_are_long_and_plain() -> None:
    """24 letters and digits are 142 bits; nothing in them means anything to a shell, a URL, XML or SQL."""
    for password in captured(DEFAULT).of(capture.PASSWORD).values():
        assert password.inputs["length"] >= 24
        assert password.inputs["special"] is False


def test_what_opens_the_volumes_is_kept_with_them() -> None:
    """`make down` destroys what is not protected; MySQL's data does not take another password."""
    program = captured(DEFAULT)
    kept = {one.name for one in program.resources.values() if one.wire.protect}
    assert kept == {*program.of(capture.PASSWORD), *program.of(capture.RANDOM_ID)}
    assert len(kept) >= 15


def test_only_the_environment_is_a_secret_output() -> None:
    program = captured(DEFAULT)
    assert program.secret_outputs == {"environment"}
    shown = str({output: value for output, value in program.outputs.items() if output != "environment"})
    assert not [secret for secret, value in program.generated.items() if value in shown]


def test_clickhouse_gets_digests_not_passwords() -> None:
    program = captured(DEFAULT)
    texts = str(program.containers["clickhouse"].inputs)
    for user in CLICKHOUSE:
        secret = program.generated[f"clickhouse-{user}"]
        assert secret not in texts
        assert hashlib.sha256(secret.encode()).hexdigest() in texts
