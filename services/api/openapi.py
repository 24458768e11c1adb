"""The OpenAPI 3.1 description, made of the route table and of what every handler says of itself.

What follows from the kind of an operation is added here and stands nowhere else: the problems that every request, every
body, every key and every administrator's request can have, path parameters, and the header Idempotency-Key.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import openapi_pydantic as oa
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute, Route

from services.api.answer_models import ProblemAnswer
from services.api.described import JSON, Answers, Described, Parameter, described
from services.api.idempotency import HEADER
from services.api.posting import Posting
from services.api.problem_types import PROBLEM_TYPES
from services.api.requests import ID_LENGTH
from services.api.routing import Resource

EVERY: Final = ("malformed-request", "target-too-long", "headers-too-large", "internal", "unavailable", "overloaded")
WITH_QUERY: Final = ("validation",)
WITH_BODY: Final = ("timeout", "content-too-large", "validation")
WITH_TYPED_BODY: Final = ("unsupported-media-type",)
WITH_KEY: Final = ("idempotency-key-malformed", "idempotency-key-in-use", "idempotency-key-reused")
CHANGING: Final = ("too-many-requests", "outcome-unknown")
BY_ADMIN: Final = ("unauthorized", "admin-id-missing")

PATH_PARAMETERS: Final[Mapping[str, str]] = {
    "id": "the thing's id",
    "orderId": "the order's id",
    "productId": "the product's id",
    "userId": "the user's id",
    "slug": "the last part of a problem's type",
}
TAGS: Final[Mapping[str, str]] = {
    "orders": "Placing, reading and cancelling orders",
    "payments": "Paying orders, and giving money back",
    "inventory": "What is in the house",
    "catalogue": "Products and users",
    "analytics": "Sales, exact to the cent, a second or two after the order",
    "administration": "What only the bearer of an admin token may do",
    "operation": "For supervisors and Prometheus",
    "description": "This description",
}
_KEY: Final = Parameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!#-~]([ -~]*[!-~])?$"},
    "The same request sent again with the same key within 24 hours is answered again, and not done again",
)
_ADMIN_ID: Final = Parameter(
    "X-Admin-Id",
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[!-~]([ -~]*[!-~])?$"},
    "Who acts, for the record; never whether they may",
)
_ABOUT: Final = """Orders, payments and analytics of a shop.

Money is a JSON number with its exact digits (25000.00); ids may be sent as strings or integers and are strings in
answers. Every failure is `application/problem+json` with a `type` that is explained where it leads.
A `traceparent` and an `X-Request-Id` are taken over; every answer has an `X-Request-Id`.
A POST with an `Idempotency-Key` can be sent again safely."""
_VERSION: Final = "3.1.1"
_PROBLEM: Final = "application/problem+json"
_IN_TEMPLATE: Final = re.compile(r"\{(\w+)")


def operations(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str, Any, Described | None]]:
    """Path template, method, handler, and what it says of itself, of every resource there is."""
    for route in routes:
        if isinstance(route, Route) and isinstance(route.app, Resource):
            for method, handler in route.app.described.items():
                yield (
                    route.app.template,
                    method,
                    handler,
                    described(handler.work if isinstance(handler, Posting) else handler),
                )


def description(routes: Sequence[BaseRoute], version: str) -> dict[str, Any]:
    """The document, with Decimals as they are. Raises ValueError for a route that nobody described."""
    models = _Models()
    paths: dict[str, dict[str, oa.Operation]] = {}
    for template, method, handler, said in operations(routes):
        if said is None:
            raise ValueError(f"{method} {template} has no description: put describe(…) on its handler")
        if not said.hidden:
            paths.setdefault(template, {})[method.lower()] = _operation(template, method, handler, said, models)
    used = {tag for each in paths.values() for operation in each.values() for tag in operation.tags or ()}
    document = oa.OpenAPI(
        openapi=_VERSION,
        info=oa.Info(title="millrace", version=version, description=_ABOUT),
        servers=[oa.Server(url="/")],
        paths={template: oa.PathItem(**by_method) for template, by_method in paths.items()},
        components=oa.Components(
            securitySchemes={
                "adminToken": oa.SecurityScheme(type="http", scheme="bearer", description="an admin token")
            }
        ),
        tags=[oa.Tag(name=name, description=says) for name, says in TAGS.items() if name in used],
    )
    made = document.model_dump(mode="python", by_alias=True, exclude_none=True, exclude_unset=True)
    # the library keeps every number of a schema as a float: models go around it
    whole: dict[str, Any] = _whole(made)
    whole["components"]["schemas"] = models.schemas()
    return whole


class _Models:
    """The models that operations name."""

    def __init__(self) -> None:
        self._named: set[type[BaseModel]] = set()

    def named(self, model: type[BaseModel]) -> oa.Reference:
        """Where the model's schema is; it has to be another one than those of the same name."""
        self._named.add(model)
        return oa.Reference.model_validate({"$ref": f"#/components/schemas/{model.__name__}"})

    def media(self, model: type[BaseModel], many: bool = False) -> oa.MediaType:
        """A body of the model, or of an array of it."""
        schema: oa.Schema | oa.Reference = self.named(model)
        return oa.MediaType(schema=oa.Schema(type=oa.DataType.ARRAY, items=schema) if many else schema)

    def schemas(self) -> dict[str, Any]:
        """All of them, and those they are made of, by name."""
        models = sorted(self._named, key=lambda model: model.__name__)
        template = "#/components/schemas/{model}"
        _, made = models_json_schema([(model, "validation") for model in models], ref_template=template)
        return dict(sorted(made["$defs"].items()))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _operation(template: str, method: str, handler: Any, said: Described, models: _Models) -> oa.Operation:
    posting = handler if isinstance(handler, Posting) else None
    body = posting.model if posting else said.body
    headers = (*said.headers, *((_KEY,) if posting else ()), *((_ADMIN_ID,) if said.admin else ()))
    optional = posting is not None and posting.body_optional
    slugs = [*EVERY, *said.problems]
    slugs += WITH_QUERY if said.query else ()
    slugs += () if body is None else WITH_BODY if optional else (*WITH_BODY, *WITH_TYPED_BODY)
    slugs += WITH_KEY if posting else ()
    slugs += () if method == "GET" else CHANGING
    slugs += BY_ADMIN if said.admin else ()
    return oa.Operation(
        tags=[said.tag],
        summary=said.summary,
        description=said.text,
        operationId=_operation_id(template, method),
        parameters=[
            *(_path_parameter(name) for name in _IN_TEMPLATE.findall(template)),
            *(_parameter(each, "query") for each in said.query),
            *(_parameter(each, "header", required=each is _ADMIN_ID) for each in headers),
        ],
        requestBody=None if body is None else _request_body(models.named(body), not optional, said.examples),
        responses=_responses(said.answers, slugs, models),
        security=[{"adminToken": []}] if said.admin else None,
    )


def _operation_id(template: str, method: str) -> str:
    words = re.findall(r"\w+", template.replace("/api/", "/"))
    return "".join([method.lower(), *(word[:1].upper() + word[1:] for word in words)])


def _path_parameter(name: str) -> oa.Parameter:
    schema = {"type": "string", "minLength": 1, "maxLength": ID_LENGTH}
    return _parameter(Parameter(name, schema, PATH_PARAMETERS[name]), "path", required=True)


def _parameter(said: Parameter, where: str, required: bool = False) -> oa.Parameter:
    return oa.Parameter.model_validate(
        {"name": said.name, "in": where, "required": required, "description": said.says, "schema": dict(said.schema)}
    )


def _request_body(body: oa.Reference, required: bool, examples: Mapping[str, Any]) -> oa.RequestBody:
    shown: dict[str, Any] = {name: oa.Example(summary=name, value=value) for name, value in examples.items()}
    media = oa.MediaType(schema=body, examples=shown or None)
    return oa.RequestBody(required=required, content={JSON: media})


def _responses(answers: Mapping[int, Answers], slugs: Sequence[str], models: _Models) -> dict[str, oa.Response]:
    by_status: dict[int, list[str]] = {}
    for slug in dict.fromkeys(slugs):
        status = PROBLEM_TYPES[slug].status
        if status is None:
            raise ValueError(f"the problem type {slug} has no status of its own")
        by_status.setdefault(status, []).append(slug)
    made: dict[int, oa.Response] = {status: _success(answer, models) for status, answer in answers.items()}
    for status, found in by_status.items():
        known = made.get(status)
        made[status] = oa.Response(
            description="\n".join(([known.description] if known else []) + [_said(slug) for slug in found]),
            content={**((known and known.content) or {}), _PROBLEM: models.media(ProblemAnswer)},
            headers=known.headers if known else None,
        )
    return {str(status): made[status] for status in sorted(made)}


def _said(slug: str) -> str:
    return f"- [{slug}](/problems/{slug}): {PROBLEM_TYPES[slug].meaning}"


def _success(answer: Answers, models: _Models) -> oa.Response:
    content: dict[str, oa.MediaType] | None = None
    if answer.model is not None:
        content = {answer.media or JSON: models.media(answer.model, answer.many)}
    elif answer.media is not None:
        kind = oa.DataType.OBJECT if answer.media == JSON else oa.DataType.STRING
        content = {answer.media: oa.MediaType(schema=oa.Schema(type=kind))}
    headers: dict[str, Any] = {
        name: oa.Header(description=says, schema=oa.Schema(type=oa.DataType.STRING))
        for name, says in answer.headers.items()
    }
    return oa.Response(description=answer.says, content=content, headers=headers or None)
