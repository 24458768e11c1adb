"""What `make up` is given: CONFIG="KEY=VALUE …" and SETTINGS="NAME=VALUE …", checked before anything keeps it."""

from collections.abc import Callable
from typing import Final

from infra import config, keys, service_settings
from infra.faults import Refusal as ProgramRefusal
from tools.stack.refusal import Refusal

_CONFIG_EXAMPLE: Final = 'make up CONFIG="images=local sink=python"'
_SETTINGS_EXAMPLE: Final = 'make up SETTINGS="ORDER_EXPIRY=1800"'


def read_config(text: str) -> dict[str, str]:
    """Configuration keys with their values. Raises Refusal for what is not of that form, or no key of the stack."""
    given = _pairs("CONFIG", text, _CONFIG_EXAMPLE)
    if keys.SETTINGS in given:
        raise Refusal(f"CONFIG cannot hold settings of the services: {_SETTINGS_EXAMPLE}")
    return _checked(given, config.check_name)


def read_settings(text: str) -> dict[str, str]:
    """Settings of the services. Raises Refusal for what is not of that form, or nothing that can be set."""
    return _checked(_pairs("SETTINGS", text, _SETTINGS_EXAMPLE), service_settings.check)


def _pairs(variable: str, text: str, example: str) -> dict[str, str]:
    given = {}
    for word in text.split():
        name, _, value = word.partition("=")
        if not name or not value:
            raise Refusal(f"{variable}={text!r} is not NAME=VALUE with blanks between: {example}")
        given[name] = value
    return given


def _checked(given: dict[str, str], check: Callable[[str, str], None]) -> dict[str, str]:
    """What the program would refuse is refused here, in its words."""
    try:
        for name, value in given.items():
            check(name, value)
    except ProgramRefusal as refused:
        raise Refusal(str(refused)) from None
    return given
