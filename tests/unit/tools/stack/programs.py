"""The programs that the targets of the stack call, played by shell scripts on a PATH of their own."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.stack.__main__ import app

# What the scripts themselves need.
_TOOLS = ("sh", "cat", "sleep")


@dataclass(frozen=True)
class Says:
    """What a program prints and how it ends."""

    out: str = ""
    err: str = ""
    code: int = 0


@dataclass(frozen=True)
class Ended:
    """A command that has run: what it printed, its own and its programs', and its exit code."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line of a command that could not do it."""
        assert (self.code, self.err.count("\n")) == (2, 1), self
        return self.err

    @property
    def failure(self) -> str:
        """The last line of a command that began and failed."""
        assert self.code == 1, self
        return self.err.splitlines()[-1]


class Programs:
    """A folder that is the whole PATH, and what was called in it with which variables."""

    def __init__(self, root: Path) -> None:
        self.bin, self._log, self._answers = root / "bin", root / "calls", root / "answers"
        self.bin.mkdir()
        self._answers.mkdir()
        for tool in _TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)

    def put(self, name: str, says: Mapping[str, Says], variables: tuple[str, ...] = ()) -> None:
        """A program that answers by its arguments, a pattern of the shell each; ``variables`` are logged too."""
        cases = []
        for number, (pattern, what) in enumerate(says.items()):
            (self._answers / f"{name}-{number}.out").write_text(what.out)
            (self._answers / f"{name}-{number}.err").write_text(what.err)
            files = self._answers / f"{name}-{number}"
            glob = "*" if pattern == "*" else "*".join(shlex.quote(part) for part in pattern.split("*"))
            cases.append(f"{glob}) cat {files}.out; cat {files}.err >&2; exit {what.code} ;;")
        logged = " ".join(f'{variable}="${variable}"' for variable in variables)
        script = [
            "#!/bin/sh",
            f"printf '%s\\n' \"{name} $*\" >>{self._log}",
            *([f"printf '%s\\n' '{name}:' {logged} >>{self._log}.{name}"] if variables else []),
            'case "$*" in',
            *cases,
            "esac",
            f'echo "{name}: nobody expected: $*" >&2; exit 99',
        ]
        file = self.bin / name
        file.write_text("\n".join(script) + "\n")
        file.chmod(0o755)

    def calls(self, name: str = "") -> list[str]:
        """Every call, or those of one program without its name, in order."""
        made = self._log.read_text().splitlines() if self._log.exists() else []
        return [call.removeprefix(f"{name} ") for call in made if call.startswith(f"{name} ")] if name else made

    def variables(self, name: str) -> dict[str, str]:
        """The variables of a program's last call."""
        told = (self._log.with_name(f"{self._log.name}.{name}")).read_text().rpartition(f"{name}:\n")[2]
        return dict(line.partition("=")[::2] for line in told.splitlines())


def containers(*roles: str, prefix: str = "", state: str = "running") -> str:
    """`docker ps` as the stack's tools ask for it."""
    return "".join(f"{prefix}{role}\t{role}\t{'exited' if role.endswith('-job') else state}\n" for role in roles)


def command(*words: str) -> int:
    """Runs `python -m tools.stack WORDS` in this process; its exit code."""
    try:
        app(list(words), prog_name="python -m tools.stack")
    except SystemExit as ended:
        return int(ended.code or 0)
    raise AssertionError("a command ends with an exit code")
