"""The program as the CLI starts it, and its components in somebody else's program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.promises import PROMISES
from tests.support.process import PROJECT
from tests.support.stack.capture import capture

# What pulumi-language-python-exec does: `main` of Pulumi.yaml is the working directory, and "." the program.
LIKE_PULUMI = """
import runpy, sys
import pulumi
from pulumi.runtime import mocks, set_all_config, set_mocks

class Nothing(mocks.Mocks):
    def call(self, args): return {}
    def new_resource(self, args):
        made = {"hex": "00" * 16, "result": "secret", "repoDigest": "x", "exitCode": 0, "containerLogs": ""}
        return args.name, {**made, **args.inputs}

set_all_config({"millrace:preflight": "false"})
set_mocks(Nothing(), project="millrace", stack="dev", preview=PREVIEW)
mocks.test(lambda: runpy.run_path(".", run_name="__main__") and None)()
print("registered")
"""


@pytest.mark.parametrize("preview", ["False", "True"])
def test_it_runs_in_its_folder_as_the_cli_runs_it(preview: str, tmp_path: Path) -> None:
    script = tmp_path / "exec.py"
    script.write_text(LIKE_PULUMI.replace("PREVIEW", preview))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=PROJECT / "infra", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip().endswith("registered"), done.stderr


def test_nothing_in_its_folder_hides_another_module() -> None:
    """The CLI puts infra/ before everything else on the path: `images.py` there would hide the package `images`."""
    here = {
        path.stem for path in (PROJECT / "infra").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    here -= {"__init__", "__main__"}
    others = {path.parent.name for path in PROJECT.glob("*/__init__.py")} | set(sys.stdlib_module_names)
    assert here & (others | {"docker", "pulumi", "kafka", "images", "google", "grpc", "yaml"}) == set()


def test_the_example_of_the_readme_works() -> None:
    """Somebody else's program: one component, no configuration of ours."""
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT / "infra" / "README.md").read_text(), re.DOTALL)
    program = capture({}, declare=lambda: exec(compile(example, "README.md", "exec"), {}))  # noqa: S102 - our own text
    assert {one.physical for one in program.containers.values()} == {"mine-kafka-local1"}
    assert program.outputs == {"brokers": "localhost:29092"}
    for promise, check in PROMISES.items():
        assert check(program.containers["kafka-local1"]) is None, promise
