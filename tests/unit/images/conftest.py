"""A small copy of what images are made of, to change at will."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.process import PROJECT

WHOLE = ["data/catalogue.json", "images", "pyproject.toml", "requirements", "services/embedded/clickhouse"]
# Of the large folders a few files stand for all.
SOME = [
    "dashboards/web/*.html",
    "schemas/clickhouse/*.sql",
    "services/__init__.py",
    "services/api/app.py",
    "services/clients/__init__.py",
    "services/clients/named_sql.py",
    "services/embedded/*.py",
    "services/relay/__init__.py",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that holds the project's own files, as far as the names of images need them."""
    root = tmp_path / "project"
    for pattern in [*WHOLE, *SOME]:
        for source in PROJECT.glob(pattern):
            target = root / source.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
    return root
