"""Serving the application over HTTP until the process is told to stop."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from services.observability.logging import get_logger
from services.observability.process import CannotStart, StopSignal

_GRACE_SECONDS = 2
_BACKLOG = 1024

log = get_logger()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CannotStart, naming the setting, where there can be none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, UnicodeError) as refused:
        listener.close()
        if isinstance(refused, OSError) and refused.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"port {port} is taken: stop what listens there, or set PORT to another one (PORT=3100)"
            ) from None
        raise CannotStart(f"cannot listen on {host} port {port} ({refused}): set API_HOST and PORT") from None
    return listener


def link(listener: socket.socket) -> str:
    """The address of the page in a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(app: ASGIApp, listener: socket.socket, stop: StopSignal) -> None:
    """Answers requests until ``stop`` is set; those under way then have 3 s to finish."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    _Server(config, stop).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn that stops by the process's signal, which also knows of a lost parent, and catches none itself."""

    def __init__(self, config: uvicorn.Config, stop: StopSignal) -> None:
        super().__init__(config)
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            log.info("ready", link=link(listener))

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.stopped

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
