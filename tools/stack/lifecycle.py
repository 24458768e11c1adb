"""up, down, init-db, clean: the stack as a whole."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tools.stack.engine import Stack, address, require_engine
from tools.stack.folder import StackFolder
from tools.stack.pulumi import Pulumi
from tools.stack.refusal import Failed, Refusal
from tools.stack.shell import show

JOBS: Final = ("topics-job", "database-job", "clickhouse-job", "connectors-job")
_PRIVATE: Final = "environment"
_WELL_SECONDS: Final = 120
MILLRACE: Final = Path(sys.executable).with_name("millrace")
IMAGES: Final = (sys.executable, "-m", "images")


def up(given: Mapping[str, str], settings: Mapping[str, str]) -> int:
    """Builds the images if they are local, runs `pulumi up`, keeps what opens the stack, and looks whether it is well.

    ``given``: configuration, ``settings``: of the services, both kept from then on.
    Returns the exit code of `millrace doctor`. Raises Refusal, Failed.
    """
    folder = StackFolder()
    require_engine()
    pulumi = Pulumi(folder)
    pulumi.select()
    if pulumi.configured("images", given) == "local":
        _build_images(pulumi.configured("connectPlugins", given))
    prefix = pulumi.configured("prefix", given)
    _forget_failed_jobs(prefix)
    folder.remember_prefix(prefix)  # what comes up halfway has to be found too
    pulumi.up(given, settings)
    outputs = pulumi.outputs()
    environment = _settings(outputs)
    folder.write_environment(environment)
    print(f"\n{_links(outputs)}\n", flush=True)
    return show([str(MILLRACE), "doctor", "--wait", str(_WELL_SECONDS)], {**address(), **environment})


def down() -> int:
    """Takes the stack apart. Volumes stay, and so do the passwords that open them."""
    folder = StackFolder()
    require_engine()
    pulumi = Pulumi(folder)
    pulumi.select()
    pulumi.down()
    folder.forget_environment()
    print("the stack is down; its data stays (`make up` goes on with it, `make clean` throws it away)")
    return 0


def init_db() -> int:
    """Runs the jobs that make topics, schemas, users and connectors once more: each makes what is missing."""
    Stack().rerun(JOBS)
    return 0


def clean(sure: bool) -> int:
    """Removes containers, network and volumes with everything in them, after asking. Raises Refusal."""
    folder = StackFolder()
    stack = Stack(folder)
    found = stack.things()
    if not any(found.values()):
        print(f"nothing on this engine has the label {stack.label}")
        folder.forget_environment()
        return 0
    told = ", ".join(f"{len(names)} {kind}{'' if len(names) == 1 else 's'}" for kind, names in found.items() if names)
    if not sure and not _agreed(f"remove {told} of {stack.label}, with every order in them? [y/N] "):
        raise Refusal("nothing was removed")
    stack.remove(found)
    folder.forget_environment()
    return 0


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise Refusal("`make clean` throws all data away and there is no terminal to ask: say it with YES=1")
    return input(question).strip().lower() in ("y", "yes")


def _build_images(plugins: str) -> None:
    options = ["--connect-plugins", plugins] if plugins else []
    code = show([*IMAGES, *options], address())
    if code:
        raise Failed(f"the images were not built (exit code {code}): the line above says why")


def _forget_failed_jobs(prefix: str) -> None:
    """Pulumi has a job that failed for done; without its container it runs again."""
    from infra.components.site import stack_labels
    from infra.engine import connected, remove_failed_jobs

    host = address().get("DOCKER_HOST")
    if host:
        os.environ["DOCKER_HOST"] = host
    (label,) = stack_labels(prefix).values()
    with connected() as client:
        for name in remove_failed_jobs(client, label):
            print(f"{name} failed the last time and will run again")


def _settings(outputs: Mapping[str, Any]) -> dict[str, str]:
    found = outputs.get(_PRIVATE)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Failed("the stack is up, but its program exports no `environment`: is infra/ this project's?")
    return found


def _links(outputs: Mapping[str, Any]) -> str:
    shown = {name: str(value) for name, value in outputs.items() if name != _PRIVATE}
    width = max(map(len, shown), default=0)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in shown.items())
