"""The chDB engine: one per process and data folder, any number of connections to it."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Final, NamedTuple

from services.embedded.clickhouse.errors import EngineError
from services.embedded.lifetime import StartError

# glibc: symbols of the library win over those already loaded (its own allocator must not be mixed with another).
_RTLD_DEEPBIND: Final = 0x8


class Result(NamedTuple):
    """What a statement gave: its output, rows of output, rows and bytes read from storage, rows and bytes written.

    The engine gives rows read from a file as rows of output, and those of VALUES as read. 26.3 does not say what it has
    written: `written_rows` is then None.
    """

    data: bytes
    result_rows: int
    read_rows: int
    read_bytes: int
    written_rows: int | None
    written_bytes: int


class Connection:
    """One connection: it keeps SET and USE to itself, runs beside the others, and serves one thread at a time."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def query(self, sql: bytes | str, output_format: str, params: Mapping[str, str] | None = None) -> Result:
        """Run one statement to its end; raises EngineError with the engine's text."""
        try:
            result = self._raw.query(sql, output_format, params=dict(params or {}))
        except RuntimeError as error:
            raise EngineError(str(error)) from None
        return Result(
            data=result.bytes(),
            result_rows=result.rows_read(),
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written() if hasattr(result, "rows_written") else None,
            written_bytes=result.bytes_written() if hasattr(result, "bytes_written") else 0,
        )

    def close(self) -> None:
        """Give the connection back; the engine stays."""
        self._raw.close()


class Engine:
    """The engine on a data folder, which belongs to this process while it runs."""

    def __init__(self, folder: Path, configuration: Path | None = None) -> None:
        """Lock the folder and load what is in it, as `configuration` says (`rights.write_configuration`).

        Raises StartError when another process has the folder, chDB is missing, or the configuration is not understood.
        """
        self.folder = folder.resolve()
        self._lock = _lock_folder(self.folder)
        self._module = _load_chdb()
        self._path = str(self.folder / "store") + (f"?config-file={configuration}" if configuration else "")
        try:
            # Keeps the engine open between requests: it ends with its last connection.
            with _said_nothing():
                self._resident = self._module.connect(self._path)
        except RuntimeError as error:
            raise StartError(f"the data in {self.folder} cannot be opened: {error}") from error
        with contextlib.closing(self.connect()) as connection:
            self.version = connection.query("SELECT version()", "TSVRaw").data.decode().strip()

    def connect(self) -> Connection:
        """A new connection (about 0.3 ms)."""
        return Connection(self._module.connect(self._path))


def _lock_folder(folder: Path) -> IO[str]:
    """Take the folder for this process; the lock goes when the process ends, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise StartError(
            f"the data folder {folder} cannot be used: {error.strerror}; choose another (--data)"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise StartError(
            f"the data folder {folder} is in use by process {owner or 'unknown'}; "
            "stop that process, or choose another folder (--data)"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


@contextlib.contextmanager
def _said_nothing() -> Iterator[None]:
    """Keep from stderr what the engine's allocator says of itself when the engine opens; its errors are exceptions."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _load_chdb() -> ModuleType:
    """Import chDB's extension module alone.

    `import chdb` opens an engine in memory and pulls in pyarrow and numpy where installed: 1.8 s instead of 0.1 s.
    The extension finds its companion library relative to the working directory while it loads.
    """
    package = importlib.util.find_spec("chdb")
    if package is None or not package.submodule_search_locations:
        raise StartError("chdb-core is not installed; install the embedded extra (make install)")
    folder = Path(package.submodule_search_locations[0])
    path = folder / "_chdb.abi3.so"
    if not path.exists():
        raise StartError(f"{path} is missing; reinstall chdb-core (26 or later)")
    with contextlib.chdir(folder):
        if sys.platform == "linux":
            ctypes.CDLL(str(path), mode=sys.getdlopenflags() | _RTLD_DEEPBIND)
        loader = importlib.machinery.ExtensionFileLoader("chdb._chdb", str(path))
        spec = importlib.util.spec_from_file_location("chdb._chdb", path, loader=loader)
        if spec is None:
            raise StartError(f"{path} cannot be loaded; reinstall chdb-core")
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    return module
