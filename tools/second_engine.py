"""Puts the second ClickHouse engine that the tests run the project's SQL on into a folder of its own."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = PROJECT / "requirements" / "second-engine.lock"


def folder() -> Path:
    """Where it is put: another lock, another folder."""
    return PROJECT / "var" / "engines" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]


def install() -> int:
    """Installs what the lock names unless it is there; returns pip's exit code."""
    wanted = folder()
    if wanted.exists():
        return 0
    shutil.rmtree(wanted.parent, ignore_errors=True)
    unfinished = wanted.with_suffix(".unfinished")
    print("millrace: fetching the second ClickHouse engine for the tests (some 180 MB)", flush=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", "install"]
    exact = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile"]
    done = subprocess.run([*pip, *exact, "--target", unfinished, "--requirement", LOCK], check=False)
    if done.returncode:
        print("millrace: the engine was not installed for the reason above; check the network and try again")
        return done.returncode
    unfinished.rename(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(install())
