"""requirements/*.lock: complete, pinned, hashed, and silent about where the packages come from."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.process import PROJECT

LOCKS = ["demo", "dev", "services"]


def requirements(kind: str) -> dict[str, list[str]]:
    """Each requirement of a lock (as "name==version ; marker") with its hashes."""
    text = (PROJECT / "requirements" / f"{kind}.lock").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    return {line.split(" --hash")[0].strip(): re.findall(r"--hash=(\S+)", line) for line in lines}


def pins(kind: str) -> set[tuple[str, str]]:
    """(name, specifier and marker) of every requirement of a lock."""
    parsed = [Requirement(text) for text in requirements(kind)]
    return {(canonicalize_name(one.name), f"{one.specifier} ; {one.marker}") for one in parsed}


def names(kind: str) -> set[str]:
    return {name for name, _ in pins(kind)}


def versions(kind: str) -> dict[str, str]:
    return {name: specifier.split(" ;")[0].removeprefix("==") for name, specifier in pins(kind)}


@pytest.mark.parametrize("kind", LOCKS)
def test_every_requirement_is_pinned_and_hashed(kind: str) -> None:
    assert len(requirements(kind)) > 40
    for text, hashes in requirements(kind).items():
        assert re.fullmatch(r"[a-z0-9-]+==[^*<>=!~]+( ; .*)?", text)
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


@pytest.mark.parametrize("kind", LOCKS)
def test_names_no_source(kind: str) -> None:
    text = (PROJECT / "requirements" / f"{kind}.lock").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


@pytest.mark.parametrize("kind", LOCKS)
def test_leaves_out_what_chdb_declares_but_does_not_need(kind: str) -> None:
    assert not names(kind) & {"pandas", "pyarrow", "numpy", "python-dateutil"}


def test_development_runs_the_versions_of_the_demo() -> None:
    assert pins("demo") < pins("dev")


def test_the_image_of_the_services_runs_the_versions_of_the_demo() -> None:
    assert versions("services").items() < versions("demo").items()
    # what only the embedded servers and setting up need: the ClickHouse engine alone is half a gigabyte
    assert not names("services") & {"chdb-core", "uv", "pip", "pytest", "pulumi", "docker"}


@pytest.mark.parametrize(
    ("kind", "extras"), [("services", []), ("demo", ["embedded"]), ("dev", ["embedded", "stack", "dev"])]
)
def test_holds_everything_that_the_project_declares(kind: str, extras: list[str]) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + [one for extra in extras for one in project["optional-dependencies"][extra]]
    locked = versions(kind)
    for requirement in map(Requirement, declared):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in requirements/{kind}.lock: run make lock"
        assert version in requirement.specifier, f"requirements/{kind}.lock is older than pyproject.toml: run make lock"
