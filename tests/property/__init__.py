"""Histories drawn at random, and what must hold after each."""

import pytest

pytest.register_assert_rewrite("tests.support.audit", "tests.support.model")
