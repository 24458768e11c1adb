"""Rules of the house that no checker knows: read from the files that git tracks."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.process import PROJECT

LONGEST_MODULE = 350
# Hosts that code and configuration may name: local, reserved (RFC 2606, 5737, 6762), or cited. Documents cite freely.
KNOWN_HOSTS = re.compile(
    r"localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]"
    r"|(.+\.)?example\.(com|org|net)|(.+\.)?(test|invalid|example|local)"
    r"|192\.0\.2\.\d+|github\.com|dev\.mysql\.com|json-schema\.org|www\.w3\.org|keepachangelog\.com|semver\.org"
)
# A URL whose host is written out: one that starts with a placeholder is somebody's setting.
URL = re.compile(r"https?://(?:[^/@\s\"'`]*@)?(\[[0-9a-f:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)")
DATA = {".gz", ".png", ".ico", ".woff2", ".svg"}


def tracked(*patterns: str) -> list[Path]:
    """The files of the project that git tracks, or would track, under these patterns."""
    git = shutil.which("git")
    assert git, "git is not on the PATH"
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listing = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60).stdout
    return [path for name in listing.split("\0") if name and (path := PROJECT / name).is_file()]


def named(paths: list[Path]) -> list[str]:
    return sorted(str(path.relative_to(PROJECT)) for path in paths)


def test_only_settings_reads_the_environment() -> None:
    readers = [path for path in tracked("services/*.py", "schemas/*.py", "infra/*.py") if reads_environment(path)]
    assert [name for name in named(readers) if not name.startswith("services/settings/")] == []
    assert readers, "services/settings reads the environment; if it is not found this test looks for the wrong thing"


def reads_environment(path: Path) -> bool:
    """Whether a module names os.environ or os.getenv, however imported."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names.update(alias.name for alias in node.names)
    return bool(names & {"environ", "environb", "getenv"})


def test_a_module_is_one_room() -> None:
    long = [path for path in tracked("*.py") if len(path.read_text().splitlines()) > LONGEST_MODULE]
    assert named(long) == []


def test_code_and_configuration_name_no_foreign_host() -> None:
    found: dict[str, set[str]] = {}
    for path in tracked():
        if path.suffix in DATA | {".md"}:
            continue
        for host in URL.findall(path.read_text(errors="replace")):
            # A name without a dot is a machine of a private network: a container, or a made-up one.
            if "." in host and not KNOWN_HOSTS.fullmatch(host):
                found.setdefault(str(path.relative_to(PROJECT)), set()).add(host)
    assert found == {}


def test_documents_link_to_files_that_exist() -> None:
    dead = [
        f"{path.relative_to(PROJECT)}: {target}"
        for path in tracked("*.md")
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())
        if not (path.parent / target).exists()
    ]
    assert dead == []


@pytest.mark.parametrize("package", named(tracked("services/*__init__.py", "schemas/*__init__.py")))
def test_a_package_says_what_it_is_for(package: str) -> None:
    assert ast.get_docstring(ast.parse((PROJECT / package).read_text())), f"{package} has no docstring"
