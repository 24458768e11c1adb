"""Many clients want the same of the stack, on MySQL; then the books agree."""

from __future__ import annotations

from tests.support.contended import Contended
from tests.support.process import wait_until
from tests.support.stack.stack import Stack


def test_under_contention_everything_happens_once_and_verify_finds_no_difference(stack: Stack) -> None:
    with Contended(stack.url, stack.admin) as contended:
        contended.all_of_it()
    wait_until(stack.verified, "verify to find no difference", 120.0)
