"""Files that are put into containers, read from where they stand in the project."""

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
_INFRA: Final = PROJECT / "infra"


def read(name: str) -> str:
    """The text of a file of `infra/`, named from there."""
    return (_INFRA / name).read_text(encoding="utf-8")


def below(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """The files of `folder` that match one of the patterns, in an order that is the same everywhere."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
