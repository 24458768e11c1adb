"""Cases by the thousand out of the API's own description, each held to it: no fault, nothing that is not described, and
nothing accepted that the description does not allow.

Drawn at random, an id is hardly ever one that exists. Half of the cases therefore name things that are there
(``Known``), so that every operation is seen to succeed too, and what is invalid is not refused for an id alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, Config, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
REFUSALS: Final = ("400", "401", "404", "409", "412", "413", "414", "415", "422", "429", "431")
_A_ROUND: Final = 100
_SECONDS: Final = 30


@dataclass
class Known:
    """How to name things that exist: values of path parameters and of a body's fields, by name, made for every case.

    ``path`` is asked with the operation's id; ``body`` has whole bodies by operation id, of which fields have to fit.
    """

    path: Mapping[str, Callable[[str], str]]
    fields: Mapping[str, Callable[[], str]]
    body: Mapping[str, Callable[[random.Random], Any]]


@dataclass
class Tally:
    """What became of an operation's cases."""

    statuses: Counter[int] = field(default_factory=Counter)
    valid: int = 0
    accepted: int = 0

    @property
    def cases(self) -> int:
        """How many there were."""
        return self.statuses.total()

    @property
    def successes(self) -> int:
        """How many were answered 2xx."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)


class Fuzz:
    """A run against the API at ``url``; the same ``first_seed`` draws the same cases."""

    def __init__(self, url: str, headers: Mapping[str, str], known: Known, first_seed: int = 1) -> None:
        """``headers``: the credential, which half of the rounds go without."""
        self._url, self._headers, self._known = url.rstrip("/"), dict(headers), known
        self._session = requests.Session()
        rejects = {"checks": {"negative_data_rejection": {"expected-statuses": [*REFUSALS]}}}
        self._schema = openapi.from_url(f"{self._url}/openapi.json", config=Config.from_dict(rejects))
        self._random = random.Random(first_seed)
        self._seed = first_seed
        self.tallies: dict[str, Tally] = {}

    def operations(self) -> Iterator[APIOperation[Any, Any, Any, Any]]:
        """Every one of the description."""
        for found in self._schema.get_all_operations():
            assert isinstance(found, Ok), found
            yield found.ok()

    def run(self, cases: int) -> dict[str, Tally]:
        """At least so many, in rounds of an operation each, valid and invalid, with the credential and without.

        Raises what a check raises: it prints the case as a curl.
        """
        rounds = [
            (operation, mode, admitted)
            for operation in self.operations()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
            for admitted in (True, False)
            if mode is GenerationMode.POSITIVE or _can_be_invalid(operation)
        ]
        done = 0
        each = max(2, min(_A_ROUND, cases // len(rounds)))
        while done < cases:
            before = done
            for operation, mode, admitted in rounds:
                done += self._round(operation, mode, admitted, each)
            assert done > before, "nothing is drawn any more"
        return self.tallies

    def _round(
        self, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, admitted: bool, cases: int
    ) -> int:
        self._seed += 1
        tally = self.tallies.setdefault(operation.label, Tally())
        before = tally.cases

        @seed(self._seed)
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def each(case: Case[Any]) -> None:
            self._try(case, mode, admitted, tally)

        each()
        return tally.cases - before

    def _try(self, case: Case[Any], mode: GenerationMode, admitted: bool, tally: Tally) -> None:
        is_valid = mode is GenerationMode.POSITIVE
        headers = self._headers if admitted else {}
        if not is_valid:  # what is invalid may be a header
            headers = {name: value for name, value in headers.items() if name not in case.headers}
        if self._random.random() < 0.5:
            self._ground(case, whole=is_valid)
            meta = case.meta  # looked at anew: what was invalid may have been an id
            assert meta is not None
            is_valid = not any(part.mode.is_negative for part in meta.components.values())
        response = case.call(base_url=self._url, session=self._session, headers=headers, timeout=_SECONDS)
        tally.statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS if is_valid else [*CHECKS, negative_data_rejection])

    def _ground(self, case: Case[Any], whole: bool) -> None:
        """``whole``: all of it is what the shop takes; else what is invalid stays so, and alone is."""
        operation = case.operation.definition.raw["operationId"]
        for name, drawn in (case.path_parameters or {}).items():
            if name in self._known.path and (whole or _is_id(drawn)):
                case.path_parameters[name] = self._known.path[name](operation)
        if whole:
            case.query = {name: value for name, value in (case.query or {}).items() if name != "cursor"}
        if whole and operation in self._known.body:
            case.body = self._known.body[operation](self._random)
        elif isinstance(case.body, dict | list):
            case.body = self._with_known_fields(case.body)

    def _with_known_fields(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._with_known_fields(each) for each in value]
        if not isinstance(value, dict):
            return value
        known = self._known.fields
        return {
            name: known[name]() if name in known and _is_id(each) else self._with_known_fields(each)
            for name, each in value.items()
        }


def _is_id(value: object) -> bool:
    return (isinstance(value, str) and 0 < len(value) <= 36) or (isinstance(value, int) and not isinstance(value, bool))


def _can_be_invalid(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Whether anything can be sent to it that its description does not allow."""
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def report(tallies: Mapping[str, Tally]) -> str:
    """A table: operation, cases, share of 2xx, statuses."""
    lines = [f"{sum(tally.cases for tally in tallies.values())} cases"]
    for label, tally in sorted(tallies.items()):
        share = tally.successes / tally.cases
        told = ", ".join(f"{status}: {count}" for status, count in sorted(tally.statuses.items()))
        lines.append(f"{label:45} {tally.cases:6} {share:7.1%} 2xx   {told}")
    return "\n".join(lines)
