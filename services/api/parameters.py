"""Query parameters that are read as they are described: one object does both."""

from dataclasses import dataclass
from datetime import date

from services.api.described import Parameter
from services.api.requests import Query


@dataclass(frozen=True, init=False)
class Whole(Parameter):
    """A whole number from 1 to ``most``; ``default`` where it is absent."""

    def __init__(self, name: str, default: int, most: int, says: str) -> None:
        schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
        super().__init__(name, schema, says)

    def of(self, query: Query) -> int:
        """The request's. Raises a 422 problem."""
        return query.whole(self.name, self.schema["default"], self.schema["maximum"])


@dataclass(frozen=True, init=False)
class Day(Parameter):
    """A day that exists, as YYYY-MM-DD."""

    def __init__(self, name: str, says: str) -> None:
        super().__init__(name, {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}, says)

    def of(self, query: Query) -> date | None:
        """The request's, None where it is absent. Raises a 422 problem."""
        return query.day(self.name)
