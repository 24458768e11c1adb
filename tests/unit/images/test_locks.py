"""What a lock names for a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from images.errors import ImagesError
from images.locks import read_lock, target_environment

HASH = "sha256:" + "0" * 64
OTHER = "sha256:" + "1" * 64
LOCK = f"""\
# made by a tool
one==1.0 \\
    --hash={HASH} \\
    --hash={OTHER}
    # via two
Two_B==2.0 ; python_full_version < '3.14' and sys_platform != 'win32' \\
    --hash={HASH}
colorama==0.4 ; sys_platform == 'win32' \\
    --hash={HASH}
later==3.0 ; python_version >= '3.14' \\
    --hash={HASH}
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "some.lock"
    path.write_text(LOCK)
    return path


def test_takes_what_the_images_need_and_drops_the_markers(lock: Path) -> None:
    found = read_lock(lock, target_environment())
    assert [(each.name, each.pinned, each.hashes) for each in found] == [
        ("one", "one==1.0", (HASH, OTHER)),
        ("two-b", "two-b==2.0", (HASH,)),
    ]
    assert str(found[0]) == f"one==1.0 \\\n    --hash={HASH} \\\n    --hash={OTHER}"


def test_takes_those_that_are_named(lock: Path) -> None:
    assert [each.name for each in read_lock(lock, target_environment(), ["two-b"])] == ["two-b"]
    with pytest.raises(ImagesError, match=r"some\.lock does not name absent, colorama: run make lock"):
        read_lock(lock, target_environment(), ["one", "colorama", "absent"])


@pytest.mark.parametrize(
    ("text", "said"),
    [("one==1.0\n", "one==1.0 has no hash"), (f"-e . --hash={HASH}\n", "'-e .' is not a requirement")],
)
def test_refuses_what_pins_nothing(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.lock"
    path.write_text(text)
    with pytest.raises(ImagesError, match=said) as raised:
        read_lock(path, target_environment())
    assert str(path) in str(raised.value)
