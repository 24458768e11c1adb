"""The name of an image follows from everything that it is made of, and from nothing else."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from images.errors import ImagesError, PluginsError
from images.recipes import NAMES, reference

PLUGIN = "sink-1.0.zip"
OVER_PYTHON = {"python", "clickhouse", "millrace"}
OVER_KAFKA = {"kafka", "connect"}


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / PLUGIN).write_bytes(b"an archive")
    return folder


def references(project: Path, plugins: Path) -> dict[str, str]:
    return {name: reference(name, plugins if name == "connect" else None, project) for name in NAMES}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_has_the_form_that_the_program_asks_the_engine_for(project: Path, plugins: Path) -> None:
    found = references(project, plugins)
    assert set(found) == {"base", "kafka", "mysql", "clickhouse", "prometheus", "python", "millrace", "connect"}
    for name, full in found.items():
        assert re.fullmatch(rf"millrace-local/{name}:[0-9a-f]{{12}}", full)
    assert len({full.partition(":")[2] for full in found.values()}) == len(found)


@pytest.mark.parametrize(
    ("path", "renamed"),
    [
        ("images/local/base/debootstrap.sh", set(NAMES)),
        ("images/local/mysql/my.cnf", {"mysql"}),
        ("images/local/mysql/Dockerfile", {"mysql"}),
        ("images/local/kafka/pom.xml", OVER_KAFKA),
        ("images/local/kafka/SHA256SUMS", OVER_KAFKA),
        ("images/local/kafka/bin/kafka-tool.sh", OVER_KAFKA),
        ("images/local/prometheus/Dockerfile", {"prometheus"}),
        ("images/local/python/Dockerfile", OVER_PYTHON),
        ("images/local/clickhouse/packages.txt", {"clickhouse"}),
        ("images/local/connect/Dockerfile", {"connect"}),
        ("images/millrace/Dockerfile", {"millrace"}),
        ("images/millrace/http-healthy", {"millrace"}),
        ("services/embedded/clickhouse/querylog.sql", {"clickhouse", "millrace"}),
        ("services/api/app.py", {"millrace"}),
        ("schemas/clickhouse/001_raw.sql", {"millrace"}),
        ("data/catalogue.json", {"millrace"}),
        ("pyproject.toml", {"millrace"}),
        ("requirements/services.lock", {"millrace"}),
        ("requirements/demo.lock", {"millrace"}),
    ],
)
def test_a_changed_file_renames_what_is_made_of_it(project: Path, plugins: Path, path: str, renamed: set[str]) -> None:
    before = references(project, plugins)
    with (project / path).open("a") as file:
        file.write("\n")
    assert changed(before, references(project, plugins)) == renamed


def test_another_version_renames_what_installs_it(project: Path, plugins: Path) -> None:
    before = references(project, plugins)
    lock = project / "requirements" / "demo.lock"
    lock.write_text(re.sub(r"^chdb-core==\S+", "chdb-core==27.0.0", lock.read_text(), flags=re.MULTILINE))
    # the other image copies the lock as a whole
    assert changed(before, references(project, plugins)) == {"clickhouse", "millrace"}


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "images/recipes.py",
        "images/connect/Dockerfile",
        "data/cdnow_master.txt.gz",
        "requirements/dev.lock",
        "services/api/__pycache__/app.cpython-311.pyc",
        "services/api/__pycache__/note",
        "services/api/app.pyc",
        "services/api/.app.py.swp",
        "services/api/app.py~",
        "services/api/app.py.orig",
        "schemas/.DS_Store",
        "var/images/log/kafka.log",
    ],
)
def test_other_files_rename_nothing(project: Path, plugins: Path, path: str) -> None:
    before = references(project, plugins)
    file = project / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("something else\n")
    assert references(project, plugins) == before


def test_a_file_more_or_less_or_elsewhere_renames(project: Path, plugins: Path) -> None:
    before = references(project, plugins)
    new = project / "services" / "api" / "new.py"
    new.write_text("")
    with_one_more = references(project, plugins)
    assert changed(before, with_one_more) == {"millrace"}
    elsewhere = new.rename(project / "services" / "relay" / "new.py")
    assert changed(with_one_more, references(project, plugins)) == {"millrace"}
    elsewhere.unlink()
    assert references(project, plugins) == before


def test_what_a_file_is_called_counts(project: Path, plugins: Path) -> None:
    before = references(project, plugins)
    folder = project / "images" / "local" / "mysql"
    # in the same place among the others
    (folder / "my.cnf").rename(folder / "my.cnf2")
    assert changed(before, references(project, plugins)) == {"mysql"}


def test_where_one_file_ends_and_the_next_begins_counts(project: Path, plugins: Path) -> None:
    folder = project / "images" / "local" / "mysql"
    (folder / "a").write_text("ab")
    (folder / "b").write_text("c")
    before = references(project, plugins)
    (folder / "a").write_text("a")
    (folder / "b").write_text("bc")
    assert changed(before, references(project, plugins)) == {"mysql"}


def test_whether_a_file_may_be_run_counts_and_no_other_right_does(project: Path, plugins: Path) -> None:
    before = references(project, plugins)
    script = project / "images" / "local" / "mysql" / "docker-entrypoint.sh"
    script.chmod(0o700)
    assert references(project, plugins) == before
    script.chmod(0o644)
    assert changed(before, references(project, plugins)) == {"mysql"}


def test_neither_times_nor_the_order_on_disk_count(project: Path, plugins: Path, tmp_path: Path) -> None:
    before = references(project, plugins)
    again = tmp_path / "again"
    for number, path in enumerate(sorted(project.rglob("*"), reverse=True)):
        if path.is_file():
            target = again / path.relative_to(project)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            os.utime(target, (number, number))
    assert references(again, plugins) == before


def test_connect_is_made_of_names_and_contents_of_its_archives(project: Path, plugins: Path) -> None:
    before = references(project, plugins)
    (plugins / "README.md").write_text("not an archive")
    assert references(project, plugins) == before
    archive = plugins / PLUGIN
    archive.write_bytes(b"another archive")
    other_content = references(project, plugins)
    assert changed(before, other_content) == {"connect"}
    archive.rename(plugins / "sink-1.1.zip")
    assert changed(other_content, references(project, plugins)) == {"connect"}


def test_what_cannot_be_named_is_said_in_a_line(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match=r"there is no image grafana: there are base, mysql"):
        reference("grafana", project=project)
    with pytest.raises(ImagesError, match="--connect-plugins"):
        reference("connect", project=project)
    with pytest.raises(PluginsError, match="none is not a folder"):
        reference("connect", tmp_path / "none", project)
    (project / "data" / "catalogue.json").unlink()
    with pytest.raises(ImagesError, match=r"data/catalogue\.json is missing"):
        reference("millrace", project=project)
