"""tools/clean_demo.py: removes the demo's folder, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.embedded.demo.folder import DemoFolder, FolderInUse
from tools.clean_demo import clean, main


@pytest.fixture
def demo(tmp_path: Path) -> DemoFolder:
    """The folder of a demo that runs."""
    folder = DemoFolder(tmp_path / "demo")
    folder.lock()
    (folder.logs / "api.log").write_text("started\n")
    return folder


def test_removes_the_folder_of_a_stopped_demo(demo: DemoFolder) -> None:
    demo.unlock()
    assert str(demo.root) in clean(demo.root)
    assert not demo.root.exists()


def test_refuses_while_a_demo_runs(demo: DemoFolder) -> None:
    with pytest.raises(FolderInUse):
        clean(demo.root)
    assert (demo.logs / "api.log").exists()
    demo.unlock()


def test_leaves_alone_what_is_no_demo(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    assert "no demo data" in clean(tmp_path)
    assert (tmp_path / "letters").exists()


def test_says_what_to_do_while_a_demo_runs(
    demo: DemoFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_DEMO_DATA", str(demo.root))
    assert main() == 1
    assert "stop it with Ctrl-C first" in capsys.readouterr().err
    demo.unlock()
    assert main() == 0
