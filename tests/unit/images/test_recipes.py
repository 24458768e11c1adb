"""What the recipes, the Dockerfiles and the files beside them say of the same things."""

from __future__ import annotations

import ast
import io
import os
import re
import sys
import tarfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from images.files import Entry, context
from images.locks import target_environment
from images.recipes import BACKEND, NAMES, RECIPES, Maven, Wheels
from tests.support.process import PROJECT

# What else a build context holds: put there from what was downloaded.
DOWNLOADED = {"kafka": {"libs", "plugins"}, "clickhouse": {"wheels"}, "millrace": {"wheels*"}, "connect": {"plugins"}}

UPSTREAMS_CONNECT = PROJECT / "images/connect/Dockerfile"


def dockerfile(name: str) -> str:
    recipe = RECIPES[name]
    path = next(entry.path for entry in recipe.files() if entry.name == recipe.dockerfile)
    return path.read_text().replace("\\\n", " ")


def copied(text: str) -> set[str]:
    """What the COPY lines take out of the build context."""
    lines = re.findall(r"^COPY (.*)$", text, re.MULTILINE)
    words = [[word for word in line.split() if not word.startswith("--chown")] for line in lines]
    return {source for line in words if not line[0].startswith("--from") for source in line[:-1]}


@pytest.mark.parametrize("name", [name for name in NAMES if RECIPES[name].parent])
def test_a_context_holds_what_the_dockerfile_copies(name: str) -> None:
    files = {entry.name for entry in RECIPES[name].files()}
    held = files | {str(parent) for file in files for parent in Path(file).parents} | DOWNLOADED.get(name, set())
    assert copied(dockerfile(name)) <= held
    assert copied(dockerfile(name)) >= DOWNLOADED.get(name, set())


@pytest.mark.parametrize("name", [name for name in NAMES if RECIPES[name].parent])
def test_a_dockerfile_takes_its_parent_by_argument(name: str) -> None:
    argument = RECIPES[name].parent_argument
    assert re.search(rf"^ARG {argument}\b", dockerfile(name), re.MULTILINE)
    stages = re.findall(r"^FROM (\S+)", dockerfile(name), re.MULTILINE)
    assert set(stages) == {f"${{{argument}}}"}


def test_upstreams_context_is_the_local_one() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    # The engine is always sent these two.
    sent = exclude_paths(str(PROJECT), patterns) - {".dockerignore", "Dockerfile"}
    files = {str(path) for path in sent if (PROJECT / str(path)).is_file()}
    assert files == {entry.name for entry in RECIPES["millrace"].files()}


def test_both_connect_images_hold_the_same_debezium() -> None:
    text = UPSTREAMS_CONNECT.read_text()
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    archive = f"archives/debezium-connector-mysql-{arguments['DEBEZIUM_VERSION']}-plugin.tar.gz"
    sums = (PROJECT / "images/local/kafka/SHA256SUMS").read_text().splitlines()
    assert f"{arguments['DEBEZIUM_SHA256']}  {archive}" in sums
    pom = (PROJECT / "images/local/kafka/pom.xml").read_text()
    assert f"<debezium.version>{arguments['DEBEZIUM_VERSION']}<" in pom
    downloads = RECIPES["kafka"].downloads
    assert isinstance(downloads, Maven)
    assert set(re.findall(r"--exclude '([^']+)'", text)) == set(downloads.leave_out)


def test_the_sink_is_the_pinned_release() -> None:
    text = UPSTREAMS_CONNECT.read_text()
    assert "ARG SINK_VERSION=1.5.0\n" in text
    assert "ARG SINK_SHA256=53e31ccd96734b8fb1f251279da17863b9b193f0764a61280461aa314050ecc6\n" in text


def test_the_backend_is_the_one_of_the_dockerfile_and_of_the_project() -> None:
    found = re.search(r"for name in ([a-z -]+);", dockerfile("millrace"))
    assert found is not None
    assert tuple(found[1].split()) == BACKEND
    required = re.findall(r"^requires = \[(.*)\]", (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)[0]
    assert set(re.findall(r'"([a-z-]+)', required)) <= set(BACKEND)


def imported(path: Path) -> set[str]:
    """The modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_the_clickhouse_image_holds_what_the_front_imports() -> None:
    files = [entry for entry in RECIPES["clickhouse"].files() if entry.name.endswith(".py")]
    modules = {entry.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for entry in files}
    names = set().union(*(imported(entry.path) for entry in files))
    ours = {name for name in names if name.startswith("services.")}
    # A name may be a module or something in one.
    assert {name for name in ours if name not in modules and name.rpartition(".")[0] not in modules} == set()
    downloads = RECIPES["clickhouse"].downloads
    assert isinstance(downloads, Wheels)
    packages = set((PROJECT / downloads.names).read_text().split())
    third_party = {name.partition(".")[0] for name in names} - {"services", "__future__"} - set(sys.stdlib_module_names)
    distributions = packages_distributions()
    needed = {canonicalize_name(distributions[name][0]) for name in third_party}
    # Found by name at run time rather than imported.
    assert needed | {"chdb-core", "httptools", "uvloop", "tzdata"} <= packages
    for package in packages:
        declared = map(Requirement, requires(package) or ())
        below = {one.name for one in declared if not one.marker or one.marker.evaluate(dict(target_environment()))}
        # chDB declares two that are not used here (pyproject.toml)
        assert {canonicalize_name(name) for name in below} - {"pandas", "pyarrow"} <= packages


def test_the_jars_are_listed_without_doubles() -> None:
    names = [line.split()[1] for line in (PROJECT / "images/local/kafka/SHA256SUMS").read_text().splitlines()]
    assert names == sorted(set(names), key=names.index)
    jars = [re.sub(r"-[0-9].*", "", name.removeprefix("libs/")) for name in names if name.startswith("libs/")]
    assert len(jars) == len(set(jars)) > 50


def test_a_context_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    def archive(folder: Path, mode: int, time: int) -> bytes:
        folder.mkdir()
        path = folder / "a"
        path.write_text("content")
        path.chmod(mode)
        os.utime(path, (time, time))
        out = io.BytesIO()
        context([Entry("x/a", path)], out)
        return out.getvalue()

    first = archive(tmp_path / "one", 0o640, 1)
    assert first == archive(tmp_path / "two", 0o664, 2)
    assert first != archive(tmp_path / "three", 0o755, 1)
    with tarfile.open(fileobj=io.BytesIO(first)) as opened:
        (member,) = opened.getmembers()
        assert (member.name, member.mode, member.mtime, member.uid) == ("x/a", 0o644, 0, 0)
