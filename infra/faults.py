"""How the program refuses: one line that names the configuration key, the port or the file, and what to do."""

import json

import pulumi

NAMESPACE = "millrace"


class Refusal(pulumi.RunError):
    """Nothing was created. The message is one line; Pulumi shows it without a stack trace."""


def key(name: str) -> str:
    """A configuration key as `pulumi config set` wants it."""
    return f"{NAMESPACE}:{name}"


def refuse(name: str, why: str, remedy: str) -> Refusal:
    """The refusal of the value of configuration key `name`."""
    return Refusal(f"{key(name)} {why}: {remedy}")


def structure(value: str) -> object:
    """The object or array that the CLI handed over as JSON text; None for a plain value."""
    if not value.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None
