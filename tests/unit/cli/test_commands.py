"""The command as a person meets it: help with examples, JSON for scripts, faults in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MILLRACE = Path(sys.executable).with_name("millrace")


def millrace(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in an empty folder with nothing set but PATH and what is given."""
    return subprocess.run(
        [str(MILLRACE), *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "MILLRACE_DEMO_DATA": str(folder),
            "MILLRACE_STACK_DATA": str(folder),
            "COLUMNS": "120",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_has_examples_and_every_command_says_what_it_does(tmp_path: Path) -> None:
    shown = millrace(tmp_path, "--help")
    assert shown.returncode == 0
    assert "Examples" in shown.stdout
    for command in (
        "demo",
        "replay",
        "load",
        "verify",
        "doctor",
        "sql",
        "settings",
        "admin",
        "migrate",
        "relay",
        "reconciler",
    ):
        assert f" {command} " in shown.stdout
    assert "Example: millrace verify --repair" in millrace(tmp_path, "verify", "--help").stdout


def test_settings_tell_value_and_source_and_hide_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=4000\n")
    done = millrace(tmp_path, "settings", "--json", MYSQL_PASSWORD="verysecret")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert (rows["PORT"]["value"], rows["PORT"]["source"], rows["PORT"]["default"]) == ("4000", ".env", "3000")
    assert rows["MYSQL_PASSWORD"]["source"] == "environment"
    assert "verysecret" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("relay",), {}, "MYSQL_PASSWORD is not set"),
        (("verify",), {}, "is not set"),
        (("doctor",), {}, "is not set"),
        (("migrate",), {"DATABASE_URL": "postgres://x"}, "only mysql and sqlite"),
        (
            ("aggregator",),
            {"DATABASE_URL": "sqlite:///x.db", "CLICKHOUSE_PASSWORD": "x", "LOG_LEVEL": "LOUD"},
            "LOG_LEVEL",
        ),
        (("replay", "missing.gz"), {"DATABASE_URL": "sqlite:///x.db"}, "millrace migrate"),
        (("demo", "--timezone", "Mars"), {}, "IANA time zone"),
    ],
)
def test_what_cannot_work_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    done = millrace(tmp_path, *arguments, **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert says in line
