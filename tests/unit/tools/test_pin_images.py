"""Pinning published images: what is written, what is left, and what is said when no registry answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.versions import UPSTREAM
from tests.support.process import PROJECT
from tools import pin_images


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that name images, to be changed."""
    for file in pin_images.FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text((PROJECT / file).read_text())
    return tmp_path


def digests(project: Path) -> dict[str, str]:
    return dict(one for file in pin_images.FILES for one in pin_images.pinned((project / file).read_text()))


def test_every_published_image_is_found(project: Path) -> None:
    found = digests(project)
    assert {f"{name}@{digest}" for name, digest in found.items()} >= set(UPSTREAM.values())
    assert {name.partition(":")[0] for name in found} - {one.partition(":")[0] for one in UPSTREAM.values()} == {
        "maven",
        "python",
    }


def test_a_moved_tag_is_written_and_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(project)
    moved = next(name for name in before if name.startswith("clickhouse/"))
    today = {**before, moved: "sha256:" + "1" * 64}
    assert pin_images.main(["--check"], today.__getitem__, project) == 1
    assert digests(project) == before
    assert pin_images.main([], today.__getitem__, project) == 0
    assert digests(project) == today
    assert f"{moved} was {before[moved]}, is {today[moved]}" in capsys.readouterr().out
    assert pin_images.main(["--check"], today.__getitem__, project) == 0
    compile((project / "infra/versions.py").read_text(), "versions.py", "exec")


def test_without_a_registry_nothing_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(project)

    def away(name: str) -> str:
        raise pin_images.Unanswered(f"{name}: no route")

    assert pin_images.main([], away, project) == 2
    assert digests(project) == before
    assert "is the engine up" in capsys.readouterr().err
