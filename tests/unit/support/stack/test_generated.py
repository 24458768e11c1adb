"""Passwords have the characters that were asked for; ids are the same bytes in every form."""

import base64
import string

import pytest

from tests.support.stack.fields import UnknownInput
from tests.support.stack.generated import random_id, random_password


def test_a_password_has_only_and_enough_of_the_classes_asked_for() -> None:
    for _ in range(50):
        _, outputs = random_password(
            {"length": 9, "special": False, "minLower": 2, "minUpper": 3, "minNumeric": 4}, "x"
        )
        made = outputs["result"]
        assert len(made) == 9
        counts = [
            sum(one in kind for one in made) for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        ]
        assert counts == [2, 3, 4]


def test_special_characters_are_the_ones_named() -> None:
    _, outputs = random_password(
        {"length": 40, "upper": False, "lower": False, "numeric": False, "overrideSpecial": "-_"}, "x"
    )
    assert set(outputs["result"]) == set("-_")


def test_no_two_passwords_are_alike() -> None:
    assert len({random_password({"length": 20}, "x")[1]["result"] for _ in range(20)}) == 20


def test_an_id_is_the_same_bytes_in_every_form() -> None:
    made, outputs = random_id({"byteLength": 16, "prefix": "p-"}, "x")
    value = bytes.fromhex(outputs["hex"].removeprefix("p-"))
    assert len(value) == 16
    assert base64.urlsafe_b64decode(made + "==") == value
    assert outputs["b64Url"] == f"p-{made}"
    assert base64.b64decode(outputs["b64Std"].removeprefix("p-")) == value
    assert int(outputs["dec"].removeprefix("p-")) == int.from_bytes(value)


def test_inputs_that_are_not_handled_fail() -> None:
    with pytest.raises(UnknownInput, match="bcrypt"):
        random_password({"length": 8, "bcrypt": True}, "x")
    with pytest.raises(UnknownInput, match="format"):
        random_id({"byteLength": 8, "format": "hex"}, "x")
