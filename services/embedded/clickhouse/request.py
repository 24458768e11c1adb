"""A request to the HTTP interface, sorted into credentials, statement, parameters and settings."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.embedded.clickhouse.errors import Code, QueryError

# URL parameters of the transport, and settings that mean nothing to an engine in process: inserts are always
# synchronous, and answers are always buffered until the statement has ended.
_NOT_SETTINGS: Final = {
    "query",
    "database",
    "default_format",
    "user",
    "password",
    "quota_key",
    "query_id",
    "session_id",
    "session_timeout",
    "session_check",
    "close_session",
    "compress",
    "decompress",
    "wait_end_of_query",
    "buffer_size",
    "role",
    "stacktrace",
    "client_protocol_version",
    "enable_http_compression",
    "http_zlib_compression_level",
    "http_receive_timeout",
    "http_send_timeout",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
    "async_insert",
    "wait_for_async_insert",
}
_SETTING_NAME: Final = re.compile(r"[A-Za-z_]\w*\Z")
_SESSION_SECONDS: Final = 60
_MAX_SESSION_SECONDS: Final = 3600


@dataclass(frozen=True)
class SessionRef:
    """The session that a request names."""

    session_id: str
    timeout: int  # seconds
    must_exist: bool
    close: bool


@dataclass(frozen=True)
class QueryRequest:
    """Everything of a request but its body and credentials."""

    query_id: str
    head: bytes  # SQL of the URL
    database: str
    default_format: str
    params: Mapping[str, str]  # bound parameters, without the prefix
    settings: Mapping[str, str]
    session: SessionRef | None
    compress: bool
    decompress: bool
    content_encoding: str
    accept_encoding: str  # "" unless the client enabled compressed answers
    changes_allowed: bool  # ClickHouse runs GET requests read-only


def credentials(url: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    """User and password from the X-ClickHouse headers, basic authentication or the URL, in ClickHouse's order."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise QueryError(Code.AUTHENTICATION_FAILED, "The Authorization header is not valid basic auth") from None
        return user, password
    return url.get("user", "default"), url.get("password", "")


def read_request(method: str, url: Mapping[str, str], headers: Mapping[str, str]) -> QueryRequest:
    """Sort URL parameters and headers (names in lower case); raises QueryError for one that is malformed."""
    settings = {name: value for name, value in url.items() if name not in _NOT_SETTINGS and name[:6] != "param_"}
    for name in settings:
        if not _SETTING_NAME.match(name):
            raise QueryError(
                Code.UNKNOWN_SETTING, f"Setting {name} is neither a builtin setting nor started with param_"
            )
    if headers.get("content-type", "").startswith("multipart/form-data"):
        raise QueryError(Code.NOT_IMPLEMENTED, "External data and form bodies are not supported: use URL parameters")
    return QueryRequest(
        query_id=url.get("query_id") or str(uuid.uuid4()),
        head=url.get("query", "").encode(),
        database=url.get("database") or headers.get("x-clickhouse-database", ""),
        default_format=url.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        params={name[6:]: value for name, value in url.items() if name.startswith("param_")},
        settings=settings,
        session=_session(url),
        compress=url.get("compress") in ("1", "true"),
        decompress=url.get("decompress") in ("1", "true"),
        content_encoding=headers.get("content-encoding", "").strip().lower(),
        accept_encoding=headers.get("accept-encoding", "")
        if url.get("enable_http_compression") in ("1", "true")
        else "",
        changes_allowed=method == "POST",
    )


def _session(url: Mapping[str, str]) -> SessionRef | None:
    session_id = url.get("session_id")
    if not session_id:
        return None
    timeout = url.get("session_timeout", str(_SESSION_SECONDS))
    if not (timeout.isascii() and timeout.isdigit() and 0 < int(timeout) <= _MAX_SESSION_SECONDS):
        raise QueryError(
            Code.INVALID_SESSION_TIMEOUT, f"Invalid session timeout: '{timeout}': 1 to {_MAX_SESSION_SECONDS} seconds"
        )
    return SessionRef(session_id, int(timeout), url.get("session_check") == "1", url.get("close_session") == "1")
