"""What is kept in var/stack."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tools.stack.folder import StackFolder
from tools.stack.refusal import Refusal


@pytest.mark.parametrize("value", ["it's", "a$b", "a\nb", "a\\b"])
def test_a_value_that_the_file_cannot_hold_is_refused(tmp_path: Path, value: str) -> None:
    folder = StackFolder(tmp_path / "stack")
    with pytest.raises(Refusal, match="BUSINESS_TIMEZONE, X cannot be written"):
        folder.write_environment({"X": value, "BUSINESS_TIMEZONE": value, "Y": "fine"})
    assert not folder.environment_file.exists()


def test_what_is_written_is_read_back_as_it_was(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "stack")
    values = {"EMPTY": "", "URL": "mysql://a:b@c:1/d?e=f#g", "SPACES": " a b "}
    folder.write_environment(values)
    assert folder.environment() == values
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
