"""Holds answers to the description that the API gives of itself: status, media type, form, headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import simplejson
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from starlette.applications import Starlette
from starlette.routing import Match, Route

from services.api.described import Described
from services.api.openapi import description, operations
from services.api.routing import Resource


def exact(text: bytes | str) -> Any:
    """JSON with its numbers as they are written."""
    return simplejson.loads(text, use_decimal=True)


@dataclass
class Description:
    """The description of an application; ``seen`` are the operations and statuses that were held to it."""

    app: Starlette
    seen: set[tuple[str, str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        # as clients read it
        self.document = exact(simplejson.dumps(description(self.app.routes, "0"), use_decimal=True))
        self._said = {(template, method): said for template, method, _, said in operations(self.app.routes)}
        self._validators: dict[tuple[str, str, int, str], Validator] = {}

    def check(self, method: str, path: str, answer: httpx.Response) -> None:
        """Raises AssertionError for an answer that the description does not have."""
        if method == "HEAD":
            return
        media = answer.headers.get("content-type", "").split(";")[0]
        if media == "application/problem+json":
            self._check_problem(answer)
        template = self._template(path)
        if template is None or (template, method) not in self._said:
            assert answer.status_code in (204, 400, 404, 405, 414) or method == "OPTIONS" or not template
            return
        if self._described(template, method).hidden:
            return
        told = f"{method} {template} answers {answer.status_code} {media}"
        operation = self.document["paths"][template][method.lower()]
        response = operation["responses"].get(str(answer.status_code))
        assert response is not None, f"{told}, which its description does not have: {answer.text[:300]}"
        self.seen.add((method, template, answer.status_code))
        if media == "application/problem+json":
            kind = answer.json()["type"]
            assert f"]({kind}):" in response["description"], f"{told} with {kind}, which its description does not have"
        missing = {name.lower() for name in response.get("headers", {})} - {*answer.headers}
        assert not missing or media == "application/problem+json", f"{told} without {missing}"
        if not answer.content:
            assert "content" not in response, f"{told} without a body"
            return
        assert media in response.get("content", {}), f"{told}; described are {[*response.get('content', {})]}"
        if media.endswith("json"):
            self._check_form(template, method, answer, media)

    def _check_problem(self, answer: httpx.Response) -> None:
        schema = {"$ref": "#/components/schemas/ProblemAnswer", "components": self.document["components"]}
        Draft202012Validator(schema).validate(exact(answer.content))

    def _check_form(self, template: str, method: str, answer: httpx.Response, media: str) -> None:
        key = (template, method, answer.status_code, media)
        if key not in self._validators:
            response = self.document["paths"][template][method.lower()]["responses"][str(answer.status_code)]
            schema = {**response["content"][media].get("schema", {}), "components": self.document["components"]}
            self._validators[key] = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        self._validators[key].validate(exact(answer.content))
        told = self._described(template, method).answers.get(answer.status_code)
        if told is not None and told.model is not None and media == "application/json":
            # models have no field that is not described; the schema leaves that open for later versions
            for each in answer.json() if told.many else [answer.json()]:
                told.model.model_validate(each)

    def _described(self, template: str, method: str) -> Described:
        said = self._said[template, method]
        assert said is not None
        return said

    def _template(self, path: str) -> str | None:
        scope = {"type": "http", "method": "GET", "path": httpx.URL(path).path, "root_path": "", "headers": []}
        for route in self.app.routes:
            if isinstance(route, Route) and isinstance(route.app, Resource) and route.matches(scope)[0] != Match.NONE:
                return route.app.template
        return None
