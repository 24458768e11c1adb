"""What is tested is what users get: the versions of both image sets, of the engine in the lock, and of the builds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from images.locks import PYTHON
from infra.versions import UPSTREAM
from tests.support.process import PROJECT
from tools.pin_images import FILES
from tools.second_engine import LOCK as SECOND_ENGINE

LOCAL = PROJECT / "images" / "local"
CONNECT = PROJECT / "images" / "connect" / "Dockerfile"
OWN = PROJECT / "images" / "millrace" / "Dockerfile"
BUILDS = sorted(PROJECT.glob("images/*/Dockerfile"))
DIGEST = r"@sha256:[0-9a-f]{64}"


def version(name: str) -> str:
    """The version in a reference of the upstream set."""
    (found,) = re.findall(r":v?(\d[\d.]*)@", UPSTREAM[name])
    return str(found)


def arguments(dockerfile: Path) -> dict[str, str]:
    """Its build arguments that have a default."""
    return dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile.read_text(), re.MULTILINE))


def branch(text: str, parts: int = 2) -> str:
    """The first numbers of a version."""
    return ".".join(text.split(".")[:parts])


def engine(lock: Path) -> str:
    """The version of the ClickHouse engine in a lock."""
    (found,) = re.findall(r"^chdb-core==(\S+)", lock.read_text(), re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("lock", ["demo", "dev"])
def test_the_locked_engine_is_of_the_branch_of_the_server(lock: str) -> None:
    assert branch(engine(PROJECT / "requirements" / f"{lock}.lock")) == branch(version("clickhouse"))


def test_the_second_engine_is_of_another_branch() -> None:
    assert branch(engine(SECOND_ENGINE)) != branch(version("clickhouse"))


def test_mysql_is_of_one_series() -> None:
    assert arguments(LOCAL / "mysql" / "Dockerfile")["SERIES"] == branch(version("mysql"))


def test_prometheus_is_of_one_major_version() -> None:
    assert arguments(LOCAL / "prometheus" / "Dockerfile")["SERIES"] == branch(version("prometheus"), 1)


def test_kafka_is_the_same_everywhere() -> None:
    pom = (LOCAL / "kafka" / "pom.xml").read_text()
    assert re.findall(r"<kafka.version>([^<]+)<", pom) == [version("kafka")]
    assert arguments(CONNECT)["KAFKA_IMAGE"] == UPSTREAM["kafka"]


def test_python_is_of_one_branch() -> None:
    (upstream,) = re.findall(r"^python:([\d.]+)-slim", arguments(OWN)["PYTHON_IMAGE"])
    assert {branch(upstream), PYTHON} == {arguments(LOCAL / "python" / "Dockerfile")["SERIES"]}


@pytest.mark.parametrize("series", ["mysql", "prometheus", "python"])
def test_a_build_with_another_series_fails(series: str) -> None:
    """Debian's packages are what the archive has that day: the build itself looks at what it got."""
    text = (LOCAL / series / "Dockerfile").read_text()
    assert re.search(r"--version \| grep -qF \"[^\"]*\$SERIES\.\" \|\| \{ echo [^;]+; exit 1; \}", text)


@pytest.mark.parametrize(
    "reference",
    [
        *UPSTREAM.values(),
        *(value for file in BUILDS for name, value in arguments(file).items() if name.endswith("_IMAGE")),
    ],
)
def test_published_images_are_named_by_version_and_digest(reference: str) -> None:
    assert re.fullmatch(rf"[a-z/-]+:v?\d+(\.\d+){{2,3}}(-[a-z0-9-]+)?{DIGEST}", reference)


def test_every_file_that_names_an_image_can_be_pinned_anew() -> None:
    assert {PROJECT / file for file in FILES} == {PROJECT / "infra" / "versions.py", *BUILDS}


@pytest.mark.parametrize("file", BUILDS)
def test_no_stage_is_over_another_image(file: Path) -> None:
    """Every FROM is an argument that has a default, or a stage."""
    for image in re.findall(r"^FROM (\S+)", file.read_text(), re.MULTILINE):
        assert image.strip("${}") in arguments(file), image
