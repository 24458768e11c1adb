"""The HTTP interface as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from services.embedded.clickhouse import compression
from services.embedded.clickhouse.errors import Code, QueryError
from services.embedded.clickhouse.execution import Answer, Executor, read_statement
from services.embedded.clickhouse.querylog import QueryLog, failed, finished
from services.embedded.clickhouse.request import QueryRequest, credentials, read_request
from services.embedded.clickhouse.users import User, Users

MAX_BODY_BYTES: Final = 256 << 20
# Statements of one user that run at once; further ones wait. Users do not wait for each other.
CONCURRENCY: Final = 8
_COMPRESS_ABOVE_BYTES: Final = 4096
_PLAIN: Final = "text/plain; charset=UTF-8"
_MEDIA_TYPES: Final = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
}


class Front:
    """Answers requests; one instance per engine."""

    def __init__(self, executor: Executor, users: Users, log: QueryLog, version: str) -> None:
        self._executor = executor
        self._users = users
        self._log = log
        self._version = version
        self._pools = {user.name: ThreadPoolExecutor(CONCURRENCY, f"chdb-{user.name}") for user in users}

    def application(self) -> Starlette:
        """The ASGI application: /ping, /replicas_status, and / for statements."""
        return Starlette(
            routes=[
                Route("/ping", self._ping, methods=["GET", "HEAD"]),
                Route("/replicas_status", self._ping, methods=["GET", "HEAD"]),
                Route("/", self._root, methods=["GET", "HEAD", "POST"]),
            ]
        )

    async def _ping(self, request: Request) -> Response:
        return Response("Ok.\n", media_type=_PLAIN)

    async def _root(self, request: Request) -> Response:
        if request.method != "POST" and "query" not in request.query_params:
            return await self._ping(request)
        query: QueryRequest | None = None
        try:
            url, headers = dict(request.query_params), dict(request.headers)
            user = self._users.authenticate(*credentials(url, headers))
            query = read_request(request.method, url, headers)
            body = await _read_body(request)
            answer = await asyncio.get_running_loop().run_in_executor(
                self._pools[user.name], self._run, query, user, body
            )
        except QueryError as error:
            return self._refusal(error, query)
        return answer

    def _run(self, query: QueryRequest, user: User, body: bytes) -> Response:
        """Decode, run, encode and log one statement, in a thread."""
        started = time.time()
        body = compression.decode_content(body, query.content_encoding, MAX_BODY_BYTES)
        if query.decompress:
            body = compression.decompress_native(body, MAX_BODY_BYTES)
        statement = read_statement(query, body)
        try:
            answer = self._executor.run(query, user, statement)
        except QueryError as error:
            self._log.add(failed(query, user, statement, started, error))
            raise
        seconds = time.time() - started
        if statement.kind == "System" and b"FLUSH LOGS" in statement.sql.upper():
            self._log.flush()
        self._log.add(finished(query, user, statement, started, seconds, answer))
        return _success(query, answer, seconds)

    def _refusal(self, error: QueryError, query: QueryRequest | None) -> Response:
        headers = {"X-ClickHouse-Exception-Code": str(error.code)}
        if query is not None:
            headers["X-ClickHouse-Query-Id"] = query.query_id
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        return Response(f"{error} (version {self._version})\n", error.status, headers, _PLAIN)


async def _read_body(request: Request) -> bytes:
    """The body, up to the limit."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise compression.too_large(MAX_BODY_BYTES)
            chunks.append(chunk)
    except ClientDisconnect:
        # Half an INSERT must not be run.
        raise QueryError(Code.QUERY_WAS_CANCELLED, "The client went away before the end of the body") from None
    return b"".join(chunks)


def _success(query: QueryRequest, answer: Answer, seconds: float) -> Response:
    data, result = answer.result.data, answer.result
    summary = {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "total_rows_to_read": 0,
        "result_rows": result.written_rows or result.result_rows,
        "result_bytes": len(data),
        "elapsed_ns": int(seconds * 1e9),
    }
    headers = {
        "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()}),
        "X-ClickHouse-Query-Id": query.query_id,
        "X-ClickHouse-Timezone": answer.timezone,
        "X-ClickHouse-Server-Display-Name": "chdb",
    }
    if answer.output_format:
        # Clients take a present format for "this statement has rows", even if none came.
        headers["X-ClickHouse-Format"] = answer.output_format
    if query.compress:
        data = compression.compress_native(data)
    elif query.accept_encoding and len(data) > _COMPRESS_ABOVE_BYTES:
        data, encoding = compression.encode_content(data, query.accept_encoding)
        if encoding:
            headers["Content-Encoding"] = encoding
    return Response(data, 200, headers, _MEDIA_TYPES.get(answer.output_format, "application/octet-stream"))
