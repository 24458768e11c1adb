"""What is downloaded for an image: with which command, kept where, and held to what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from images import fetch as fetching
from images.errors import ImagesError
from images.fetch import check_sums, downloaded, fetch
from images.recipes import Maven, Recipe, Wheels
from tests.unit.images.test_plugins import PLUGIN_JAR, tarred

HASH = "sha256:" + "0" * 64
JAR = b"a jar"
ARCHIVE = tarred({"debezium/debezium.jar": PLUGIN_JAR, "debezium/slf4j-api-1.jar": b"", "debezium/README.md": b""})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


SUMS = f"{sha256(ARCHIVE)}  archives/debezium.tar.gz\n{sha256(JAR)}  libs/a.jar\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with nothing but a pom and a lock, and a PATH with nothing but `bin`."""
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "pom.xml").write_text("<project/>")
    (tmp_path / "kafka" / "SHA256SUMS").write_text(SUMS)
    (tmp_path / "some.lock").write_text(f"one==1.0 \\\n    --hash={HASH}\ntwo==2.0 \\\n    --hash={HASH}\n")
    (tmp_path / "names.txt").write_text("two\n")
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(fetching, "PROJECT", tmp_path)
    monkeypatch.setattr(fetching, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


@pytest.fixture
def program(root: Path) -> Callable[[str, str], Path]:
    """Puts a shell script on the PATH, which also counts its runs in the file it returns."""

    def put(name: str, script: str) -> Path:
        path, calls = root / "bin" / name, root / f"{name}.calls"
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{calls}\n{script}')
        path.chmod(0o755)
        calls.write_text("")
        return calls

    return put


def kafka() -> Recipe:
    return Recipe("kafka", 0, (), "base", downloads=Maven("kafka", ("*.md", "slf4j-api-*")))


def maven_script(root: Path, jar: bytes = JAR) -> str:
    (root / "a.jar").write_bytes(jar)
    (root / "a.tar.gz").write_bytes(ARCHIVE)
    return (
        f"mkdir -p target/libs target/archives && cp {root}/a.jar target/libs"
        f" && cp {root}/a.tar.gz target/archives/debezium.tar.gz\n"
    )


def test_jars_and_unpacked_archives_come_into_the_context(root: Path, program: Callable[[str, str], Path]) -> None:
    calls = program("mvn", maven_script(root))
    fetch(kafka(), root / "log")
    found = downloaded(kafka(), root / "log", root / "work")
    assert {entry.name: entry.path.read_bytes() for entry in found} == {
        "libs/a.jar": JAR,
        "plugins/debezium/debezium.jar": PLUGIN_JAR,
    }
    assert calls.read_text() == "-q -B -ntp package\n"
    (root / "kafka" / "pom.xml").write_text("<project>newer</project>")
    fetch(kafka(), root / "log")
    assert len(calls.read_text().splitlines()) == 2


def test_what_is_not_what_was_pinned_is_not_kept(root: Path, program: Callable[[str, str], Path]) -> None:
    program("mvn", maven_script(root, b"another jar"))
    with pytest.raises(ImagesError, match=r"libs/a\.jar was downloaded with other content than listed"):
        fetch(kafka(), root / "log")
    calls = program("mvn", maven_script(root))
    fetch(kafka(), root / "log")
    assert calls.read_text()


def test_what_was_damaged_since_is_noticed(root: Path, program: Callable[[str, str], Path]) -> None:
    program("mvn", maven_script(root))
    fetch(kafka(), root / "log")
    (jar,) = (root / "cache").rglob("*.jar")
    jar.write_bytes(b"damaged")
    with pytest.raises(ImagesError, match="with other content"):
        downloaded(kafka(), root / "log", root / "work")


def test_sums_name_every_file_and_no_other(root: Path) -> None:
    folder = root / "found"
    (folder / "libs").mkdir(parents=True)
    (folder / "libs" / "a.jar").write_bytes(JAR)
    with pytest.raises(ImagesError, match=r"SHA256SUMS: archives/debezium\.tar\.gz was not downloaded"):
        check_sums(folder, root / "kafka" / "SHA256SUMS")
    (folder / "archives").mkdir()
    (folder / "archives" / "debezium.tar.gz").write_bytes(ARCHIVE)
    check_sums(folder, root / "kafka" / "SHA256SUMS")
    (folder / "libs" / "b.jar").write_bytes(JAR)
    with pytest.raises(ImagesError, match=r"libs/b\.jar was downloaded but is not listed"):
        check_sums(folder, root / "kafka" / "SHA256SUMS")


def test_a_failed_program_is_quoted_in_a_line(root: Path, program: Callable[[str, str], Path]) -> None:
    program("mvn", 'echo "[INFO] a"; echo "[ERROR] no route to the repository" >&2; echo; exit 1\n')
    with pytest.raises(ImagesError) as raised:
        fetch(kafka(), root / "log")
    assert str(raised.value) == f"mvn failed: [ERROR] no route to the repository ({root / 'log'} has all of it)"


def test_a_missing_program_is_named_with_its_package(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root / "bin"))
    with pytest.raises(ImagesError, match=r"mvn is not installed: install it \(Debian, Ubuntu: apt install maven\)"):
        fetch(kafka(), root / "log")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImagesError, match=r"pip is not installed: .* apt install python3-pip"):
        fetch(Recipe("x", 0, (), "python", downloads=Wheels("some.lock")), root / "log")


def test_wheels_are_fetched_for_the_images_interpreter(
    root: Path, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    calls = program("pip3", 'while [ "$1" != --dest ]; do shift; done; echo wheel >"$2/two-2.0.whl"\n')
    recipe = Recipe("x", 0, (), "python", downloads=Wheels("some.lock", names="names.txt"))
    fetch(recipe, root / "log")
    found = {entry.name: entry.path.read_text() for entry in downloaded(recipe, root / "log", root)}
    assert found == {"wheels/packages.lock": f"two==2.0 \\\n    --hash={HASH}\n", "wheels/two-2.0.whl": "wheel\n"}
    (call,) = calls.read_text().splitlines()
    for part in ("download", "--no-deps", "--only-binary :all:", "--require-hashes", "--python-version 3.13"):
        assert part in call
    assert "--platform manylinux_2_36_" in call
    assert "--platform manylinux_2_37_" not in call
