"""docs/stack.md says of the configuration what the program knows."""

from __future__ import annotations

import re

from infra import keys
from tests.support.process import PROJECT

PAGE = (PROJECT / "docs" / "stack.md").read_text()


def test_every_configuration_key_is_documented_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `millrace:([\w.]+)` \| `([^`]*)` \| \S", PAGE, flags=re.MULTILINE))
    assert documented == {
        **{name: str(one.default).lower() if isinstance(one.default, bool) else str(one.default)
           for name, one in keys.KEYS.items()},
        keys.SETTINGS: "{}",
    }  # fmt: skip


def test_no_page_names_a_key_that_there_is_not() -> None:
    for page in [PROJECT / "README.md", PROJECT / "infra" / "README.md", *(PROJECT / "docs").glob("*.md")]:
        named = re.findall(r"millrace:([a-z]\w*(?:\.[a-z]\w*)*)(?![\w:])", page.read_text())
        assert {name.partition(".")[0] for name in named} <= {*keys.KEYS, keys.SETTINGS}, page
        assert not [name for name in named if keys.today(name)], page


def test_the_printed_links_are_those_of_the_default_ports() -> None:
    for part in ("api", "grafana", "kafkaUi", "prometheus", "connect", "clickhouse", "mysql", "kafka", "relayMetrics"):
        assert re.search(rf"localhost:{keys.PORTS[part].default}\b", PAGE), part
