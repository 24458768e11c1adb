"""A stack as this machine sees it: the command, the API and the servers, through published ports alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from clickhouse_connect.driver.client import Client as ClickHouse
from confluent_kafka.admin import AdminClient
from sqlalchemy.engine import Engine

from services.clients import clickhouse, database
from services.settings import DatabaseSettings

MILLRACE = Path(sys.executable).with_name("millrace")
_COMMAND_SECONDS = 300.0


class Host:
    """Clients of a stack, made from nothing but the program's output `environment`."""

    outputs: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which `millrace` on the host works against this stack."""
        return {name: str(value) for name, value in self.outputs["environment"].items()}

    def millrace(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs `millrace ARGUMENTS` on the host against this stack; `more` are further environment variables."""
        with self.begin(*arguments, **more) as process:
            try:
                said, errors = process.communicate(timeout=_COMMAND_SECONDS)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, said, errors)

    def begin(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Starts `millrace ARGUMENTS`; the caller ends it."""
        return subprocess.Popen(
            [str(MILLRACE), *arguments],
            cwd=Path(sys.prefix),  # a folder without .env
            env={**os.environ, **self.environment, "COLUMNS": "160", **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def verified(self) -> dict[str, Any] | None:
        """The verify report when everything is the same and nothing is on its way, else None."""
        done = self.millrace("verify", "--json", VERIFY_IN_FLIGHT="0")
        if done.returncode != 0:
            return None
        report: dict[str, Any] = json.loads(done.stdout)
        return None if report["in_flight"]["orders"] + report["in_flight"]["cells"] else report

    def sql(self, query: str, **parameters: str | int) -> list[dict[str, Any]]:
        """Rows of a ClickHouse query, as the reading user, in the analytics database; {name:Type} are parameters."""
        known = self.environment
        answer = self._clickhouse_http.post(
            "/",
            params={
                "database": known["CLICKHOUSE_DATABASE"],
                "default_format": "JSONEachRow",
                **{f"param_{name}": value for name, value in parameters.items()},
            },
            headers={
                "X-ClickHouse-User": known["CLICKHOUSE_READER_USER"],
                "X-ClickHouse-Key": known["CLICKHOUSE_READER_PASSWORD"],
            },
            content=query,
        )
        assert answer.is_success, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    @property
    def url(self) -> str:
        """The API."""
        return f"http://127.0.0.1:{self.environment['PORT']}"

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON answer of a GET; AssertionError for anything but success."""
        answer = self.api.get(path, params=parameters)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    @property
    def admin(self) -> dict[str, str]:
        """The headers of an administrator's request."""
        token = self.environment["MILLRACE_ADMIN_TOKEN"]
        return {"Authorization": f"Bearer {token}", "X-Admin-Id": "admin-user-123"}

    @cached_property
    def api(self) -> httpx.Client:
        """A client of the API."""
        return httpx.Client(base_url=self.url, timeout=30)

    @cached_property
    def connect_rest(self) -> httpx.Client:
        """A client of Kafka Connect's REST API."""
        known = self.environment
        login = (known["CONNECT_USER"], known["CONNECT_PASSWORD"])
        return httpx.Client(base_url=known["CONNECT_URL"], auth=login, timeout=30)

    @cached_property
    def _clickhouse_http(self) -> httpx.Client:
        return httpx.Client(base_url=self.environment["CLICKHOUSE_HOST"], timeout=30)

    @cached_property
    def _engine(self) -> Engine:
        known = {name.lower(): value for name, value in self.environment.items()}
        return database.connect(DatabaseSettings.model_validate(known))

    def mysql(self) -> Engine:
        """The relational database, as user admin."""
        return self._engine

    def clickhouse(self) -> ClickHouse:
        """A new connection to ClickHouse as people's own user; the caller closes it."""
        known = self.environment
        return clickhouse.connect(
            known["CLICKHOUSE_HOST"],
            user=known["CLICKHOUSE_USER"],
            password=known["CLICKHOUSE_PASSWORD"],
            database=known["CLICKHOUSE_DATABASE"],
        )

    def admin_client(self) -> AdminClient:
        """Kafka's admin client."""
        return AdminClient({"bootstrap.servers": self.environment["KAFKA_BROKERS"]})

    def _close_clients(self) -> None:
        """Clients made for the last environment; the next use makes them anew."""
        for name in ("api", "connect_rest", "_clickhouse_http"):
            client: httpx.Client | None = self.__dict__.pop(name, None)
            if client is not None:
                client.close()
        engine: Engine | None = self.__dict__.pop("_engine", None)
        if engine is not None:
            engine.dispose()
