"""Settings, commands and make targets are documented, or this is red."""

import re
import subprocess

import typer

from services.settings import PROJECT_ROOT, as_markdown

DOCS = PROJECT_ROOT / "docs"


def test_the_settings_page_is_what_the_code_says() -> None:
    assert (DOCS / "settings.md").read_text() == as_markdown(), "run `python -m services.settings`"


def names(app: typer.Typer) -> set[str]:
    """Commands and groups of commands."""
    return {str(one.name) for one in app.registered_commands} | {str(one.name) for one in app.registered_groups}


def test_every_command_is_in_the_readme() -> None:
    from services.cli.main import app

    readme = (PROJECT_ROOT / "README.md").read_text()
    commands = names(app)
    assert len(commands) >= 12
    assert [name for name in commands if f"`millrace {name}" not in readme] == []


def test_the_readme_names_no_command_or_target_that_is_not_there() -> None:
    from services.cli.main import app

    readme = (PROJECT_ROOT / "README.md").read_text()
    commands = names(app)
    assert set(re.findall(r"`millrace ([a-z]+)", readme)) <= commands
    targets = subprocess.run(["make", "help"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    for target in re.findall(r"make ([a-z][a-z-]+)", readme):
        assert re.search(rf"\b{target}\b", targets), f"make {target} is in the README, not in the Makefile"
