"""The labels by which a stack is found are those that the program gives out."""

from __future__ import annotations

from infra import engine
from infra.components import site
from services.settings import StackSettings, labels


def test_what_is_looked_for_is_what_the_program_gives_out() -> None:
    told = (labels.STACK_LABEL, labels.ROLE_LABEL, labels.DEFAULT_STACK, labels.JOB_SUFFIX)
    assert told == (site.STACK_LABEL, site.ROLE_LABEL, site.DEFAULT_STACK, engine.JOB_SUFFIX)


def test_a_stack_has_the_same_label_for_both() -> None:
    for prefix in ("", "second-"):
        known = StackSettings.model_validate({"stack_prefix": prefix})
        assert {labels.STACK_LABEL: known.stack_label} == site.stack_labels(prefix)
