"""What a handler says of itself, beside its code: services.api.openapi makes the API's description of it.

    @describe("Cancel an order", tag="orders", answers={200: Answers("The cancelled order", OrderAnswer)},
              problems=("not-found", "conflict"))
    def cancel(self, post): …

Path parameters come from the route, a POST's body and its key from services.api.posting, the problems that every
operation can have from services.api.openapi.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel

H = TypeVar("H", bound=Callable[..., Any])
JSON: Final = "application/json"


@dataclass(frozen=True)
class Parameter:
    """A query parameter or header: its JSON Schema, and what it is for."""

    name: str
    schema: Mapping[str, Any]
    says: str


@dataclass(frozen=True)
class Answers:
    """A success: what it says, the model of its JSON body (None: no body, or of another ``media`` type), headers.

    ``many``: the body is an array of the model's.
    """

    says: str
    model: type[BaseModel] | None = None
    many: bool = False
    media: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """An operation. ``problems`` are slugs of its own; ``examples`` are bodies by what they show."""

    summary: str
    text: str
    tag: str
    answers: Mapping[int, Answers]
    problems: tuple[str, ...]
    query: tuple[Parameter, ...]
    headers: tuple[Parameter, ...]
    body: type[BaseModel] | None
    examples: Mapping[str, Mapping[str, Any]]
    admin: bool
    hidden: bool


_DESCRIBED: "WeakKeyDictionary[Callable[..., Any], Described]" = WeakKeyDictionary()


def describe(
    summary: str,
    *,
    tag: str,
    answers: Mapping[int, Answers],
    text: str | None = None,
    problems: tuple[str, ...] = (),
    query: tuple[Parameter, ...] = (),
    headers: tuple[Parameter, ...] = (),
    body: type[BaseModel] | None = None,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
    admin: bool = False,
    hidden: bool = False,
) -> Callable[[H], H]:
    """Describes the decorated handler; ``text`` is its docstring unless given.

    ``body`` only where the method is not POST. ``admin``: takes an admin token and X-Admin-Id. ``hidden``: a part of a
    page that nobody calls by itself; left out of the description.
    """

    def keep(handler: H) -> H:
        said = cleandoc(handler.__doc__ or "") if text is None else text
        _DESCRIBED[handler] = Described(
            summary, said, tag, answers, problems, query, headers, body, examples or {}, admin, hidden
        )
        return handler

    return keep


def described(handler: object) -> Described | None:
    """What was said of the function, or of the function of the bound method; None when nothing was."""
    function = getattr(handler, "__func__", handler)
    return _DESCRIBED.get(function) if callable(function) else None
