"""Serving the application over HTTP until the process is told to stop."""

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Iterator
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from services.api.connections import REFUSED_ABOVE, Connection, LimitedConfig, Limits
from services.observability.heartbeat import beat
from services.observability.logging import get_logger
from services.observability.process import CannotStart, StopSignal
from services.settings import ApiSettings

_TICKS_A_SECOND = 10  # uvicorn's
_OTHER_FILES = 256  # database connections, ClickHouse, logs
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


def serve(app: ASGIApp, listener: socket.socket, settings: ApiSettings, stop: StopSignal) -> None:
    """Answers requests until ``stop`` is set; those under way then have 3 s to finish. Raises CannotStart."""
    limits = Limits(
        connections=settings.api_max_connections,
        head_bytes=settings.api_max_header_bytes,
        head_seconds=settings.api_header_seconds,
        body_seconds=settings.api_body_seconds,
        send_seconds=settings.api_send_seconds,
    )
    _make_room(limits.connections + REFUSED_ABOVE)
    config = LimitedConfig(
        app,
        limits,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # who is not named here cannot say who the client is
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=settings.api_trusted_proxies.split(","),
        backlog=_BACKLOG,
        timeout_keep_alive=settings.api_keep_alive_seconds,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    _Server(config, stop).run(sockets=[listener])


def _make_room(connections: int) -> None:
    """Lets the process open as many files as it may need. Raises CannotStart where that is not allowed."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise CannotStart(
            f"this process may open {hard} files, API_MAX_CONNECTIONS needs {wanted}: "
            "allow it more (ulimit -Hn), or set API_MAX_CONNECTIONS lower"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
        if counter % _TICKS_A_SECOND == 0:
            beat()
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast(Connection, connection).look(now)
        return await super().on_tick(counter) or self._stop.stopped

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
