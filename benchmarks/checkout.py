"""A stack of this or of another checkout, so that one run can measure both in turn."""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_HOLDING = Path(__file__).with_name("holding.py")
_LEAVE_SECONDS = 120.0


class CheckedOut:
    """The stack of a checkout, held by a process of that checkout's own environment (`make setup`, `make images`)."""

    def __init__(self, folder: Path) -> None:
        """Starts the process; no container yet. Raises FileNotFoundError when the checkout has no environment."""
        self._process = subprocess.Popen(
            [str(folder / ".venv" / "bin" / "python"), "-c", _HOLDING.read_text(encoding="utf-8")],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.prefix = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the process, which removes its stack."""
        self._process.communicate(timeout=_LEAVE_SECONDS)

    def up(self) -> float:
        """Seconds until every part was healthy."""
        answer = self._ask("up")
        self.prefix = answer["prefix"]
        return float(answer["seconds"])

    def load(self, rate: int, count: int) -> dict[str, Any]:
        """The figures of `millrace load`."""
        return self._ask(f"load {rate} {count}")

    def down(self) -> float:
        """Seconds that `make down` takes."""
        return float(self._ask("down")["seconds"])

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the checkout's process ended at `{command}`: its error is above")
        answer: dict[str, Any] = json.loads(line)
        return answer
