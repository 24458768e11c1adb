"""What clients may send: bodies, query parameters and path identifiers, each checked strictly and named when wrong."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from unicodedata import category

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError
from starlette.datastructures import QueryParams

from services.api.problems import FieldError, invalid, not_found
from services.clients.types import CENT
from services.domain.model import NewItem, NewOrder, PaymentMethod
from services.domain.placing import AMOUNT_LIMIT
from services.domain.stock import QUANTITY_LIMIT as STOCK_LIMIT

ID_LENGTH = 36
ADDRESS_LENGTH = 1000
QUANTITY_LIMIT = 1_000_000
ITEMS_LIMIT = 100
_ERRORS_SHOWN = 20
_FIELD_NAME_SHOWN = 100
_NO_NAME = '""'  # an empty name, or one that is no text (half of a surrogate pair)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_LINE_BREAKS_AND_TAB = "\n\r\t"

M = TypeVar("M", bound=BaseModel)


def is_identifier(text: str) -> bool:
    """Whether ``text`` can be an id: 1 to 36 characters, none of them a control character or a lone surrogate."""
    return 0 < len(text) <= ID_LENGTH and not any(category(character) in ("Cc", "Cs") for character in text)


def identifier_in_path(parameters: Mapping[str, str], name: str, kind: str) -> str:
    """The path parameter of a ``kind`` of thing (order). Raises a 404 problem for what can be no id: nothing has it."""
    text = parameters[name]
    if not is_identifier(text):
        raise not_found(f"There is no such {kind}.")
    return text


def _identifier(value: object) -> str:
    """A string or an integer, kept as the string it stands for."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("identifier", "must be a string or an integer")
    text = str(value)
    if not is_identifier(text):
        raise PydanticCustomError("identifier", f"must have 1 to {ID_LENGTH} characters and no control characters")
    return text


def _money(value: object) -> Decimal:
    """A JSON number with up to two decimal places, from 0 to 10^13."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("money", "must be a number")
    amount = Decimal(value)
    if not amount.is_finite():
        raise PydanticCustomError("money", "must be a finite number")
    if amount.is_signed():
        raise PydanticCustomError("money", "must not be negative")
    if amount > AMOUNT_LIMIT:
        raise PydanticCustomError("money", f"must not be above {AMOUNT_LIMIT}")
    exact = amount.quantize(CENT)
    if exact != amount:
        raise PydanticCustomError("money", "must have two decimal places at most")
    return exact


def _quantity(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("quantity", "must be a whole number, written without decimal point or exponent")
    if not 1 <= value <= QUANTITY_LIMIT:
        raise PydanticCustomError("quantity", f"must be from 1 to {QUANTITY_LIMIT}")
    return value


def _address(value: object) -> str | None:
    """Text of up to 1000 characters, kept as it is; null means none."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise PydanticCustomError("address", "must be a string")
    if len(value) > ADDRESS_LENGTH:
        raise PydanticCustomError("address", f"must have {ADDRESS_LENGTH} characters at most")
    if any(category(c) in ("Cc", "Cs") and c not in _LINE_BREAKS_AND_TAB for c in value):
        raise PydanticCustomError("address", "must not contain control characters or half of a surrogate pair")
    return value


# The same as the validators above say, for the description; a test compares the two.
_IDENTIFIER_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": ID_LENGTH, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"},
        {"type": "integer", "minimum": 1 - 10 ** (ID_LENGTH - 1), "maximum": 10**ID_LENGTH - 1},
    ],
    "description": 'An id; the integer 101 and the string "101" are the same one.',
}
_MONEY_SCHEMA = {"type": "number", "minimum": 0, "maximum": int(AMOUNT_LIMIT), "multipleOf": 0.01}
_QUANTITY_SCHEMA = {"type": "integer", "minimum": 1, "maximum": QUANTITY_LIMIT}
_ADDRESS_SCHEMA = {
    "type": ["string", "null"],
    "maxLength": ADDRESS_LENGTH,
    "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
}

Identifier = Annotated[str, BeforeValidator(_identifier), WithJsonSchema(_IDENTIFIER_SCHEMA)]
Money = Annotated[Decimal, BeforeValidator(_money), WithJsonSchema(_MONEY_SCHEMA)]
Quantity = Annotated[int, BeforeValidator(_quantity), WithJsonSchema(_QUANTITY_SCHEMA)]
Address = Annotated[str | None, BeforeValidator(_address), WithJsonSchema(_ADDRESS_SCHEMA)]


def _without_null_defaults(schema: dict[str, Any]) -> None:
    """None stands for a field that is absent; whoever sends null is refused."""
    for each in schema.get("properties", {}).values():
        if each.get("default", "") is None and "null" not in each.get("type", ()):
            del each["default"]


class Body(BaseModel):
    """camelCase names, and none that is not known."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, json_schema_extra=_without_null_defaults
    )


class EmptyBody(Body):
    """An action without parameters: no body, or ``{}``."""


class ItemBody(Body):
    """One line of an order."""

    product_id: Identifier
    quantity: Quantity
    price: Money = Field(default=None)  # type: ignore[assignment]  # may be absent, but not null


class OrderBody(Body):
    """An order as it is asked for."""

    user_id: Identifier
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=ITEMS_LIMIT)]
    total_amount: Money = Field(default=None)  # type: ignore[assignment]  # may be absent, but not null
    status: Literal["PENDING"] = "PENDING"
    shipping_address: Address = None

    def to_domain(self) -> NewOrder:
        """The same, as the domain takes it."""
        items = tuple(NewItem(item.product_id, item.quantity, item.price) for item in self.items)
        return NewOrder(self.user_id, items, self.total_amount, self.shipping_address)


class PaymentBody(Body):
    """What is to be paid; an amount, where given, must be the order's total."""

    order_id: Identifier
    method: PaymentMethod
    amount: Money = Field(default=None)  # type: ignore[assignment]  # may be absent, but not null


class RefundBody(Body):
    """Whether the pieces come back into the house."""

    restock: bool = False


class StockBody(Body):
    """``quantity`` sets what is in the house, ``adjust`` adds to it or takes from it: one of the two."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    quantity: Annotated[int, Field(ge=0, le=STOCK_LIMIT)] = Field(default=None)  # type: ignore[assignment]  # not null
    adjust: Annotated[int, Field(ge=-STOCK_LIMIT, le=STOCK_LIMIT)] = Field(default=None)  # type: ignore[assignment]


def validated(model: type[M], value: dict[str, Any]) -> M:
    """The body as its model. Raises a 422 problem that names the first 20 faulty fields."""
    try:
        return model.model_validate(value)
    except ValidationError as faults:
        details = faults.errors(include_url=False, include_context=False, include_input=False)[:_ERRORS_SHOWN]
    raise invalid(tuple(FieldError(path(fault["loc"]), _message(fault["type"], fault["msg"])) for fault in details))


def path(location: Sequence[int | str]) -> str:
    """``("items", 0, "price")`` as ``items[0].price``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:_FIELD_NAME_SHOWN]}" if text else part
    return text[: 3 * _FIELD_NAME_SHOWN] or _NO_NAME


_MESSAGES = {"missing": "is required", "extra_forbidden": "is not a known field"}


def _message(kind: str, message: str) -> str:
    return _MESSAGES.get(kind) or message.replace("Input should", "must", 1)


class Query:
    """A request's query parameters. Unknown ones are let be; the same one twice is refused."""

    def __init__(self, parameters: QueryParams) -> None:
        self._parameters = parameters

    def text(self, name: str) -> str | None:
        """The parameter as it stands, None where absent. Raises a 422 problem when it is given twice."""
        values = self._parameters.getlist(name)
        if len(values) > 1:
            raise invalid((FieldError(name, "is given more than once"),))
        return values[0] if values else None

    def whole(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to ``most``. Raises a 422 problem."""
        text = self.text(name)
        if text is None:
            return default
        if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
            raise invalid((FieldError(name, f"must be a whole number from 1 to {most}"),))
        return int(text)

    def day(self, name: str) -> date | None:
        """A day as YYYY-MM-DD. Raises a 422 problem."""
        text = self.text(name)
        if text is None:
            return None
        try:
            if _ISO_DAY.fullmatch(text):
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise invalid((FieldError(name, "must be a day that exists, as YYYY-MM-DD"),))
