"""Files of the pages: where ours are, and those that an installed package brings along."""

import gzip
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from services.api.problems import not_found
from services.settings import PROJECT_ROOT

WEB = PROJECT_ROOT / "dashboards" / "web"
_A_WEEK = "public, max-age=604800"


class PackagedFile:
    """A file of a package, found without importing the package; compressed once, where the client takes gzip."""

    def __init__(self, package: str, inside: str, media_type: str, distribution: str | None = None) -> None:
        """``distribution``: the package's name where it is installed from, if that is another one."""
        self._package, self._inside, self._media_type = package, inside, media_type
        self._distribution = distribution or package
        self._lock = Lock()

    @cached_property
    def path(self) -> Path:
        """Where the file is. Raises a 404 problem when the package is not installed."""
        package = find_spec(self._package)
        if package is None or package.origin is None:
            raise not_found(f"The package {self._package} is not installed.")
        return Path(package.origin).parent / self._inside

    @cached_property
    def etag(self) -> str:
        """The package's version: the file changes with it."""
        return f'W/"{self._distribution}-{version(self._distribution)}"'

    @cached_property
    def _gzip(self) -> bytes:
        return gzip.compress(self.path.read_bytes(), compresslevel=6, mtime=0)

    def compressed(self) -> bytes:
        """The file in gzip."""
        with self._lock:
            return self._gzip

    async def answer(self, request: Request) -> Response:
        """The file, to be kept for a week; 304 when the client has it."""
        etag = self.etag
        headers = {"Cache-Control": _A_WEEK, "ETag": etag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            content = await run_in_threadpool(self.path.read_bytes)
        else:
            content = await run_in_threadpool(self.compressed)
            headers["Content-Encoding"] = "gzip"
        return Response(content, media_type=self._media_type, headers=headers)
