"""docs/stack.md says of the configuration what Pulumi.yaml declares."""

from __future__ import annotations

import re

from infra.keys import defaults
from tests.support.process import PROJECT

PAGE = (PROJECT / "docs" / "stack.md").read_text()


def documented() -> dict[str, str]:
    """Key to default, as the table says."""
    return dict(re.findall(r"^\| `millrace:([\w.]+)` \| `([^`]*)` \| \S", PAGE, flags=re.MULTILINE))


def declared() -> dict[str, str]:
    """Key to default, as Pulumi.yaml says: its one form, two spaces deep, is read without a YAML parser."""
    text = (PROJECT / "Pulumi.yaml").read_text()
    found = re.findall(r"^  millrace:([\w.]+):\n((?:    .*\n?)+)", text, flags=re.MULTILINE)
    plain = {key: re.search(r"^    default: (.*)$", lines, flags=re.MULTILINE) for key, lines in found}
    return {key: default[1].strip("\"'") if default else "" for key, default in plain.items()}


def test_every_configuration_key_is_documented_with_its_default() -> None:
    assert documented() == declared()


def test_this_test_reads_the_keys_that_the_program_knows() -> None:
    assert declared() == {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in defaults().items()
    }


def test_the_printed_links_are_those_of_the_default_ports() -> None:
    for part in ("api", "grafana", "kafkaUi", "prometheus", "connect", "clickhouse", "mysql", "kafka", "relayMetrics"):
        assert re.search(rf"localhost:{defaults()[f'ports.{part}']}\b", PAGE), part
