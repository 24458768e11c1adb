"""A web server that says what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.http_server import Answer, Request, answering


class Api:
    """Answers by method and path; what was asked, with its headers, stands in ``asked``."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.anything: Callable[[str, str], Answer] = lambda _method, _path: (404, {"title": "no"})
        """For what ``answers`` does not have."""
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""

    def answer(self, request: Request) -> Answer:
        """What it says to a request."""
        self.asked.append((request.method, request.target, dict(request.headers)))
        known = self.answers.get((request.method, request.target))
        return known or self.anything(request.method, request.target)


@contextmanager
def serve() -> Iterator[Api]:
    """Such a server on a free port of 127.0.0.1."""
    api = Api()
    with answering(api.answer) as api.url:
        yield api
