"""Containers have no addresses of their own: what comes back under another's is found all the same."""

from __future__ import annotations

from tests.e2e.brokers import Swapped, in_sync
from tests.support.process import wait_until
from tests.support.stack.stack import Stack


def test_brokers_that_swap_addresses_find_each_other(stack: Stack) -> None:
    swapped = Swapped(stack)
    swapped.go()
    swapped.come_back()
    stack.wait_healthy(*swapped.brokers)
    wait_until(lambda: in_sync(stack), "every replica in sync", 90.0)
    wait_until(stack.verified, "verify to find no difference", 90.0)
