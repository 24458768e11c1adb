"""Running other programs: shown as they work, or read."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from tools.stack.refusal import Refusal

_ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """What a program that was read said."""

    code: int
    out: str
    err: str


def need(program: str, remedy: str) -> None:
    """Raises Refusal with the remedy unless the program is on the PATH."""
    if shutil.which(program) is None:
        raise Refusal(f"{program} is not on the PATH: {remedy}")


def show(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Runs it on this terminal and returns its exit code.

    Ctrl-C reaches it too, and it may have to tidy up: it is waited for until it has ended by itself.
    """
    with subprocess.Popen(list(command), env={**os.environ, **(environment or {})}) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Runs it in place of this process: signals, terminal and exit code are its own. Raises Refusal."""
    try:
        os.execvpe(command[0], list(command), {**os.environ, **environment})  # noqa: S606  # that no shell is between is meant
    except OSError as unfit:
        raise Refusal(f"{command[0]} cannot be run: {unfit.strerror}") from None


def read(
    command: Sequence[str], environment: Mapping[str, str] | None = None, seconds: float = _ANSWER_SECONDS
) -> Answer:
    """Runs it and returns what it said. Raises Refusal when it takes longer."""
    try:
        done = subprocess.run(
            list(command),
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refusal(
            f"`{' '.join(command[:2])}` gave no answer within {seconds:g} s: is it waiting for something?"
        ) from None
    return Answer(done.returncode, done.stdout, done.stderr)


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
