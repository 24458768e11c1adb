"""Secrets and ids that the random provider generates."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping
from typing import Any

from tests.support.stack.fields import Fields

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


def random_password(inputs: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """Id and outputs of a RandomPassword: characters of the classes asked for, at least so many of each."""
    with Fields(inputs, f"password {name}") as fields:
        length = fields.require("length")
        fields.take("keepers")
        classes = [
            (string.ascii_lowercase, fields.take("lower", True), fields.take("minLower", 0)),
            (string.ascii_uppercase, fields.take("upper", True), fields.take("minUpper", 0)),
            (string.digits, fields.take("numeric", True), fields.take("minNumeric", 0)),
            (fields.take("overrideSpecial", _SPECIAL), fields.take("special", True), fields.take("minSpecial", 0)),
        ]
    characters = [secrets.choice(alphabet) for alphabet, used, least in classes if used for _ in range(least)]
    everything = "".join(alphabet for alphabet, used, _ in classes if used)
    characters += [secrets.choice(everything) for _ in range(length - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return "none", {"result": "".join(characters)}


def random_id(inputs: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """Id and outputs of a RandomId."""
    with Fields(inputs, f"id {name}") as fields:
        value = secrets.token_bytes(fields.require("byteLength"))
        prefix = fields.take("prefix", "")
        fields.take("keepers")
    url = base64.urlsafe_b64encode(value).decode().rstrip("=")
    outputs = {
        "b64Std": prefix + base64.b64encode(value).decode(),
        "b64Url": prefix + url,
        "hex": prefix + value.hex(),
        "dec": prefix + str(int.from_bytes(value)),
    }
    return url, outputs
