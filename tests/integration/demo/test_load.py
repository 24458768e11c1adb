"""`millrace load` as a script uses it."""

import json

from tests.support.demo import Demo


def test_every_order_of_a_load_is_acknowledged_and_shown(demo: Demo) -> None:
    done = demo.millrace("load", "--rate", "40", "--count", "120", "--users", "5", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert (figures["sent"], figures["acknowledged"], figures["shown"]) == (120, 120, 120)
    assert 0 < figures["post_ms_p50"] <= figures["post_ms_p99"] <= figures["post_ms_max"]
    assert 0 < figures["freshness_s_p50"] <= figures["freshness_s_p99"]


def test_a_load_that_makes_no_sense_is_refused_in_one_line(demo: Demo) -> None:
    for arguments in (("--rate", "0"), ("--count", "0"), ("--rate", "1000000")):
        done = demo.millrace("load", *arguments)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1


def test_an_api_that_is_away_is_named(demo: Demo) -> None:
    done = demo.millrace("load", "--count", "1", "--url", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "is the API running?" in done.stderr
