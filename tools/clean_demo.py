"""Throw the demo's data away: `make clean-demo`. Refuses while a demo works on it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from services.embedded.demo.folder import DemoFolder, FolderInUse
from services.settings import DemoSettings, SettingsError, load


def clean(root: Path) -> str:
    """Remove the demo's folder; what was done, in a line. Raises FolderInUse, and OSError when it cannot be removed.

    A folder without a demo's lock file is left alone: the setting may name one that holds something else.
    """
    if not (root / "demo.lock").exists():
        return f"there is no demo data in {root}"
    folder = DemoFolder(root)
    folder.lock()
    try:
        shutil.rmtree(folder.root)
    finally:
        folder.unlock()
    return f"removed {folder.root}"


def main() -> int:
    """Clean the folder that the settings name; 1 with a line that says why when it was not possible."""
    try:
        print(f"millrace: {clean(load(DemoSettings).demo_data)}")
    except FolderInUse as in_use:
        print(f"millrace: {in_use}; stop it with Ctrl-C first", file=sys.stderr)
        return 1
    except (SettingsError, OSError) as error:
        print(f"millrace: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
