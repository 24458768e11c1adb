"""`millrace admin` as a person meets it: the token once, lists without it, faults in one line."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli.durations import duration, moment
from services.domain.admin_actions import Actor, AdminAction, record_action
from services.domain.admin_tokens import find_token
from tests.support.databases import open_database
from tests.support.shop import SHOP
from tests.unit.cli.test_commands import millrace

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Command:
    """The command on a database of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.engine = open_database(url)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`millrace admin ARGUMENTS`."""
        return millrace(self.folder, "admin", *arguments, DATABASE_URL=self.url, COLUMNS="250")

    def json(self, *arguments: str) -> Any:
        """Its answer in JSON."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def state(self, secret: str) -> str | None:
        """What the API would be told of a token."""
        token = find_token(self.engine, secret)
        return token.state if token else None


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Command]:
    with SHOP.copy(tmp_path) as url:
        command = Command(tmp_path, url)
        yield command
        command.engine.dispose()


def test_a_token_is_shown_once_and_works(admin: Command) -> None:
    made = admin.run("create", "alice", "--expires", "90d")
    assert made.returncode == 0, made.stderr
    says, secret = made.stdout.strip().splitlines()
    assert re.fullmatch(r"alice \(.{36}\), good until .+ UTC. It is not shown again:", says)
    assert (re.fullmatch(r"mr_[\w-]{43}", secret), admin.state(secret)) != (None, None)
    assert admin.state(secret) == "active"

    listed = admin.run("list")
    assert "alice" in listed.stdout
    assert secret[3:] not in listed.stdout + admin.run("list", "--json").stdout + admin.run("actions", "--json").stdout


def test_its_whole_life_in_json(admin: Command) -> None:
    first = admin.json("create", "alice", "--expires", "1h")
    assert set(first) == {"id", "name", "state", "createdAt", "expiresAt", "revokedAt", "token"}
    lifetime = datetime.fromisoformat(first["expiresAt"]) - datetime.fromisoformat(first["createdAt"])
    assert lifetime == timedelta(hours=1)
    second = admin.json("rotate", "alice", "--overlap", "0s")
    assert [admin.state(each["token"]) for each in (first, second)] == ["expired", "active"]
    (revoked,) = admin.json("revoke", "alice")
    assert (revoked["id"], admin.state(second["token"])) == (second["id"], "revoked")
    assert [each["state"] for each in admin.json("list")] == ["expired", "revoked"]
    done = [(each["tokenName"], each["action"], each["target"], each["outcome"]) for each in admin.json("actions")]
    assert done == [
        ("millrace admin", "token.create", first["id"], "done"),
        ("millrace admin", "token.rotate", second["id"], "done"),
        ("millrace admin", "token.revoke", second["id"], "done"),
    ]


def test_actions_can_be_asked_for_by_time_and_number(admin: Command) -> None:
    admin.json("create", "alice")
    admin.json("create", "bob")
    assert len(admin.json("actions", "--since", "1h")) == 2
    assert admin.json("actions", "--since", "2999-01-01") == []
    assert [each["details"]["name"] for each in admin.json("actions", "--limit", "1")] == ["bob"]


def test_what_clients_sent_cannot_talk_to_the_terminal(admin: Command) -> None:
    actor = Actor("id", "alice", "[red]me", "request")
    record_action(
        admin.engine, AdminAction(actor, "order.delete", "x\u202e\x1b[2J", "refused", {"problem": "conflict"})
    )
    shown = admin.run("actions").stdout
    assert "x??[2J" in shown
    assert "[red]me" in shown
    assert "refused: conflict" in shown


def test_the_token_of_the_setting_is_listed_where_it_is_set(admin: Command) -> None:
    def listed(**settings: str) -> str:
        return millrace(admin.folder, "admin", "list", DATABASE_URL=admin.url, **settings).stdout

    assert "MILLRACE_ADMIN_TOKEN" in listed(MILLRACE_ADMIN_TOKEN="a-token-of-16-characters")
    assert "MILLRACE_ADMIN_TOKEN" not in listed()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("create", "a b"),
            "millrace: name must be 1 to 64 letters, digits, and . _ @ - after the first: 'a b' is not",
        ),
        (("create", "a\x1b[2J\n"), r"'a\x1b[2J\n' is not"),
        (("create", "bootstrap"), "MILLRACE_ADMIN_TOKEN"),
        (("create", "x", "--expires", "soon"), "--expires is no length of time"),
        (("create", "x", "--expires", "0d"), "--expires is no time at all"),
        (("rotate", "nobody"), "there is no active token nobody"),
        (("rotate", "nobody", "--overlap", "1"), "--overlap is no length of time"),
        (("revoke", "nobody"), "there is no active token nobody"),
        (("revoke", "bootstrap"), "MILLRACE_ADMIN_TOKEN"),
        (("actions", "--since", "yesterday"), "--since is neither"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(admin: Command, arguments: tuple[str, ...], says: str) -> None:
    done = admin.run(*arguments)
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert says in line
    assert admin.json("list") == []


def test_without_a_schema_it_says_what_to_run(tmp_path: Path) -> None:
    done = millrace(tmp_path, "admin", "list", DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")
    assert (done.returncode, "run `millrace migrate`" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "length"),
    [("90d", timedelta(90)), ("1h", timedelta(hours=1)), ("30m", timedelta(minutes=30)), (" 2 w", timedelta(14))],
)
def test_lengths_of_time(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "d", "-1d", "1", "1.5h", "1y", "999999w", "1d2h"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2h", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T14:00+01:00", datetime(2026, 11, 20, 13, tzinfo=UTC)),
    ],
)
def test_moments(text: str, when: datetime) -> None:
    assert moment(text, NOW) == when
