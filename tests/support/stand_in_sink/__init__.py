"""A Connect plugin that plays the ClickHouse sink's part where its release archive cannot be had.

Built from the Java sources beside this file against the very jars that the local Kafka image is made of, and packed as
`connectPlugins` wants it. It is Connect's own plugin API, in a real worker: what Connect itself does with an error, a
task that FAILED, offsets and groups is not played.
"""

from __future__ import annotations

import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from images.fetch import CACHE, maven_files
from images.files import digest
from images.recipes import RECIPES, Maven

_SOURCES: Final = Path(__file__).parent / "src"
_JARS: Final = ("connect-api", "connect-json", "kafka-clients")
_SERVICE: Final = "META-INF/services/org.apache.kafka.connect.sink.SinkConnector"
_CLASS: Final = "com.clickhouse.kafka.connect.ClickHouseSinkConnector"
_NAME: Final = "clickhouse-kafka-connect-stand-in"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def plugin_folder() -> Path:
    """A folder with the plugin's archive, built unless it is there. Raises ImagesError, and AssertionError of javac."""
    sources = sorted(_SOURCES.rglob("*.java"))
    made_of = {path.relative_to(_SOURCES).as_posix(): path.read_text(encoding="utf-8") for path in sources}
    folder = CACHE / "stand-in-sink" / digest([], made_of)[:16]
    archive = folder / f"{_NAME}.zip"
    if not archive.is_file():
        kafka = RECIPES["kafka"].downloads
        assert isinstance(kafka, Maven)
        libs = maven_files(kafka, CACHE / "log" / "stand-in-sink.log") / "libs"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            _compile(sources, libs, Path(work) / "classes")
            jar, packed = Path(work) / f"{_NAME}.jar", Path(work) / archive.name
            _zip(jar, {**_below(Path(work) / "classes"), _SERVICE: _CLASS.encode()})
            _zip(packed, {f"{_NAME}/lib/{jar.name}": jar.read_bytes()})
            packed.rename(archive)
    return folder


def _compile(sources: list[Path], libs: Path, classes: Path) -> None:
    jars = [next(libs.glob(f"{name}-[0-9]*.jar")) for name in _JARS]
    command = ["javac", "--release", "17", "-Xlint:all", "-Werror", "-proc:none", "-d", str(classes)]
    command += ["-cp", ":".join(map(str, jars)), *map(str, sources)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise AssertionError("javac is not installed (Debian, Ubuntu: apt install default-jdk-headless)") from None
    assert done.returncode == 0, done.stdout + done.stderr


def _below(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _zip(archive: Path, files: dict[str, bytes]) -> None:
    """The same files make the same archive, and so the same image."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
