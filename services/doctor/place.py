"""Where the parts run, and so what a remedy has to say: the stack, the demo, or services started by hand."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stack", "demo", "services"]


@dataclass(frozen=True)
class Place:
    """An installation. ``name``: the stack's label, or the demo's data folder, or "" for services started by hand."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return {"stack": f"the stack {self.name}", "demo": f"the demo in {self.name}"}.get(
            self.kind, "the services of these settings"
        )

    def restart(self, part: str) -> str:
        """What to do about a part that is down or stuck."""
        if self.kind == "stack":
            return f"`make logs SERVICE={part}` says why; `make restart SERVICE={part}` starts it again"
        if self.kind == "demo":
            return f"see {self.name}/logs/{part}.log; the demo starts what dies again, else stop it and `make demo`"
        return f"see the log of {part} and start it again (`millrace {part}`, where it is one of ours)"

    def provision(self) -> str:
        """What makes topics, schemas, users and connectors anew."""
        if self.kind == "stack":
            return "`make init-db` runs the jobs that make what is missing"
        if self.kind == "demo":
            return "stop the demo and start it again (`make demo`)"
        return "run `millrace migrate`, and make the topics"
