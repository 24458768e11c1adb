"""A copy of what images are made of, to change at will."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.process import PROJECT

PARTS = ["dashboards/web", "data/catalogue.json", "images", "pyproject.toml", "requirements", "schemas", "services"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that holds the project's own files, as far as images are made of them."""
    root = tmp_path / "project"
    for part in PARTS:
        source, target = PROJECT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return root
