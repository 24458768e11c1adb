"""Folders of Connect plugin archives: which are taken, and what is said of the others."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from images.errors import PluginsError
from images.plugins import check_plugins, unpack

SERVICE = "META-INF/services/org.apache.kafka.connect.sink.SinkConnector"
LINK_MODE = 0o120777 << 16


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


PLUGIN_JAR = zipped({SERVICE: b"org.example.Sink\n"})
OTHER_JAR = zipped({"META-INF/MANIFEST.MF": b""})
FILES = {"sink-1.0/lib/sink.jar": PLUGIN_JAR, "sink-1.0/lib/other.jar": OTHER_JAR, "sink-1.0/manifest.json": b"{}"}


def refused(folder: Path) -> str:
    """The one line that a folder is refused with."""
    with pytest.raises(PluginsError) as raised:
        check_plugins(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_takes_zip_and_tar_archives_by_name(tmp_path: Path) -> None:
    (tmp_path / "sink-1.0.zip").write_bytes(zipped(FILES))
    (tmp_path / "source.tar.gz").write_bytes(tarred({f"./{name}": content for name, content in FILES.items()}))
    (tmp_path / "more.tgz").write_bytes(tarred(FILES))
    (tmp_path / "LICENSE").write_text("")
    (tmp_path / "empty").mkdir()
    found = check_plugins(tmp_path)
    assert [(each.name, each.archive.name) for each in found] == [
        ("more", "more.tgz"),
        ("sink-1.0", "sink-1.0.zip"),
        ("source", "source.tar.gz"),
    ]
    for each in found:
        unpack(each.archive, tmp_path / "out" / each.name)
        out = tmp_path / "out" / each.name
        unpacked = [path for path in out.rglob("*") if path.is_file()]
        assert {path.relative_to(out).as_posix(): path.read_bytes() for path in unpacked} == FILES


def test_leaves_out_what_it_is_told_to(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped(FILES))
    unpack(archive, tmp_path / "out", exclude=("*.json", "other*"))
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["sink.jar"]


def test_a_folder_must_hold_an_archive(tmp_path: Path) -> None:
    assert "none is not a folder" in refused(tmp_path / "none")
    (tmp_path / "sink.rar").write_text("")
    assert "holds no plugin archive (.zip, .tar.gz, .tgz)" in refused(tmp_path)


def test_a_name_must_fit_a_folder_and_be_its_own(tmp_path: Path) -> None:
    (tmp_path / "my sink.zip").write_bytes(zipped(FILES))
    assert "my sink.zip: rename it" in refused(tmp_path)
    (tmp_path / "my sink.zip").unlink()
    (tmp_path / "sink.zip").write_bytes(zipped(FILES))
    (tmp_path / "sink.tar.gz").write_bytes(tarred(FILES))
    assert "would be unpacked to the same place" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", b"", "is broken"),
        ("a.zip", zipped(FILES)[:-30], "is broken"),
        ("a.zip", tarred(FILES), "is broken"),
        ("a.tar.gz", b"not gzip", "is broken"),
        ("a.tar.gz", tarred(FILES)[:60], "is broken"),
        ("a.tgz", zipped(FILES), "is broken"),
        ("a.zip", zipped({"lib/a.jar": b"not a jar"}), "is broken, at lib/a.jar"),
        ("a.zip", zipped({"README.md": b""}), "holds no .jar"),
        ("a.tar.gz", tarred({}), "holds no .jar"),
        ("a.zip", zipped({"lib/a.jar": OTHER_JAR}), "holds no Connect plugin"),
        ("a.zip", zipped({"../a.jar": PLUGIN_JAR}), "'../a.jar' lies outside"),
        ("a.zip", zipped({"/a.jar": PLUGIN_JAR}), "'/a.jar' lies outside"),
        ("a.zip", zipped({"x/../../a.jar": PLUGIN_JAR}), "lies outside"),
        ("a.tar.gz", tarred({"../a.jar": PLUGIN_JAR}), "'../a.jar' lies outside"),
        ("a.tar.gz", tarred({"/a.jar": PLUGIN_JAR}), "'/a.jar' lies outside"),
        ("a.zip", zipped({"..\\a.jar": PLUGIN_JAR}), "lies outside"),
    ],
    ids=itertools.count(),
)
def test_an_archive_that_is_no_plugin_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    message = refused(tmp_path)
    assert str(tmp_path / name) in message
    assert said in message


def test_a_damaged_file_in_an_archive_is_noticed(tmp_path: Path) -> None:
    content = bytearray(zipped({"lib/a.jar": PLUGIN_JAR, "notes": os.urandom(500)}))
    at = content.index(b"notes") + 100
    content[at] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(bytes(content))
    assert "is broken" in refused(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("lib/a.jar")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    (tmp_path / "a.tar.gz").write_bytes(out.getvalue())
    assert "lib/a.jar is a link or a device" in refused(tmp_path)


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("lib/a.jar")
        member.external_attr = LINK_MODE
        archive.writestr(member, "/etc/passwd")
    assert "lib/a.jar is a link" in refused(tmp_path)


def test_an_archive_may_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"lib/a.jar": PLUGIN_JAR, "zeros": bytes(2_000_000)}))
    monkeypatch.setattr("images.plugins._MOST_BYTES", 1_000_000)
    assert "unpacks to more than" in refused(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr("images.plugins._MOST_FILES", 1)
    assert "unpacks to more than 1 files" in refused(tmp_path)


def test_an_archive_is_held_to_the_digest_beside_it(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped(FILES))
    beside = tmp_path / "a.zip.sha256"
    beside.write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest().upper()}  a.zip\n")
    assert [each.name for each in check_plugins(tmp_path)] == ["a"]
    beside.write_text("0" * 64)
    assert "does not have the SHA-256 that a.zip.sha256 says" in refused(tmp_path)
    for text in ("", "see the website"):
        beside.write_text(text)
        assert "a.zip.sha256 does not begin with a SHA-256" in refused(tmp_path)
