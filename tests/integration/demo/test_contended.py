"""Many clients want the same of the running demo; then the books agree."""

import pytest

from tests.support.contended import Contended
from tests.support.demo import Demo
from tests.support.process import wait_until


@pytest.mark.timeout(300)
def test_under_contention_everything_happens_once_and_verify_finds_no_difference(demo: Demo) -> None:
    token = demo.environment()["MILLRACE_ADMIN_TOKEN"]
    with Contended(demo.url, {"Authorization": f"Bearer {token}", "X-Admin-Id": "admin-user-123"}) as contended:
        contended.all_of_it()
    wait_until(demo.verified, "verify to find no difference", 120.0)
