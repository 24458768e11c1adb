"""Runs the Pulumi program of `infra/` with nothing but the SDK, and keeps every resource it registers.

The program is the file that `pulumi up` runs, unchanged. Without `create` nothing outside this process is touched;
with it, every resource can be made for real at the moment the program registers it, in as many threads as Pulumi uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import runpy
import secrets as random_source
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
from pulumi.runtime import rpc, set_all_config, set_mocks
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.mocks import test as awaited
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from tests.support.process import PROJECT
from tests.support.stack.configuration import HandedOver, hand_over

PROGRAM: Final = PROJECT / "infra"
PROJECT_NAME: Final = "millrace"
STACK_NAME: Final = "test"

# How a value is marked on its way between program, engine and providers
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"

CONTAINER: Final = "docker:index/container:Container"
NETWORK: Final = "docker:index/network:Network"
VOLUME: Final = "docker:index/volume:Volume"
REMOTE_IMAGE: Final = "docker:index/remoteImage:RemoteImage"
BUILT_IMAGE: Final = "docker:index/image:Image"
PASSWORD: Final = "random:index/randomPassword:RandomPassword"
RANDOM_ID: Final = "random:index/randomId:RandomId"

Create = Callable[[str, str, dict[str, Any]], tuple[str, dict[str, Any]]]
"""Makes a docker resource of (type, logical name, plain inputs); returns its id and the outputs beside its inputs."""


@dataclass(frozen=True)
class Resource:
    """One registration. `inputs` are plain values; `wire` is the request as the engine got it, secrets still marked."""

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any]
    depends_on: tuple[str, ...]
    parent: str
    wire: Any = field(repr=False)

    @property
    def physical(self) -> str:
        """What the engine calls it."""
        return str(self.inputs["name"])


@dataclass
class Program:
    """What the program declared, in the order of registration; `generated` are the secrets made for it, by name."""

    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    secret_outputs: set[str] = field(default_factory=set)
    generated: dict[str, str] = field(default_factory=dict)

    def of(self, type_: str) -> dict[str, Resource]:
        """Resources of a type by logical name."""
        return {found.name: found for found in self.resources.values() if found.type == type_}

    @property
    def containers(self) -> dict[str, Resource]:
        """Containers by name without prefix."""
        return self.of(CONTAINER)

    def upstream(self, urn: str) -> set[str]:
        """URNs of everything that has to exist before this one: what it depends on, and what its parents wait for."""
        found: set[str] = set()
        todo = [urn]
        while todo:
            known = self.resources.get(todo.pop())
            for other in (*known.depends_on, known.parent) if known else ():
                if other and other not in found:
                    found.add(other)
                    todo.append(other)
        return found

    def waits_for(self, name: str) -> set[str]:
        """Names of the containers that have to be there before this one."""
        before = self.upstream(self.containers[name].urn)
        return {other.name for other in self.containers.values() if other.urn in before}


def run_infra() -> None:
    """The project's program, as Pulumi's language host starts it."""
    runpy.run_path(str(PROGRAM), run_name="__main__")


def capture(
    config: Mapping[str, Any],
    create: Create | None = None,
    declare: Callable[[], object] = run_infra,
    validate: bool = True,
) -> Program:
    """Runs a program, the project's by default, with this configuration (keys with or without the namespace).

    `config` is a stack's; the program gets what the CLI makes of it and Pulumi.yaml (see configuration.py).

    Raises what the program raises: infra.faults.Refusal for a configuration that is refused, JobFailed for a job.
    """
    program = Program()
    full = {name if ":" in name else f"{PROJECT_NAME}:{name}": value for name, value in config.items()}
    # Everything Pulumi keeps for a run is in context variables: a context of its own is a fresh run.
    contextvars.copy_context().run(_run, program, hand_over(full, validate=validate), create, declare)
    return program


def _run(
    program: Program,
    config: HandedOver,
    create: Create | None,
    declare: Callable[[], object],
) -> None:
    monitor = _Monitor(program, _Resources(program, create))
    with _event_loops():
        set_all_config(config.values, list(config.secret_keys))
        set_mocks(monitor.mocks, project=PROJECT_NAME, stack=STACK_NAME, preview=False, monitor=monitor)
        awaited(lambda: _declare(program, declare))()  # type: ignore[no-untyped-call]  # the SDK's own


@contextlib.contextmanager
def _event_loops() -> Iterator[None]:
    """A loop for the program and one for each thread that registers resources: the SDK makes them and closes none."""
    loops = [asyncio.new_event_loop()]

    def begin_thread() -> None:
        loop = asyncio.new_event_loop()
        loops.append(loop)
        asyncio.set_event_loop(loop)

    # As many as there are resources that can be made at once: Pulumi knows no limit either.
    threads = ThreadPoolExecutor(32, "register", begin_thread)
    loops[0].set_default_executor(threads)
    asyncio.set_event_loop(loops[0])
    try:
        yield
    finally:
        _end_tasks(loops[0])
        threads.shutdown()
        asyncio.set_event_loop(None)
        for loop in loops:
            loop.close()


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """After a failure nothing waits for what else was begun; what it ended with has been told already."""
    while left := asyncio.all_tasks(loop):
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


async def _declare(program: Program, declare: Callable[[], object]) -> None:
    declare()
    stack = get_root_resource()
    assert isinstance(stack, Stack)
    for name, exported in stack.outputs.items():
        value: pulumi.Output[Any] = pulumi.Output.from_input(exported)
        program.outputs[name] = await value.future()
        if await value.is_secret():
            program.secret_outputs.add(name)


class _Resources(Mocks):
    """Stands in for the providers: gives every resource an id and the outputs the program reads."""

    def __init__(self, program: Program, create: Create | None) -> None:
        self._program, self._create = program, create

    def call(self, args: Any) -> Any:
        raise NotImplementedError(f"the program calls {args.token}: say here what it answers")

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = plain(args.inputs)
        if args.typ.startswith("docker:"):
            id_, outputs = (self._create or _imagined)(args.typ, args.name, inputs)
            return id_, {**args.inputs, **outputs}
        if args.typ == PASSWORD:
            made = _password(int(inputs["length"]))
            self._program.generated[args.name] = made
            return args.name, {**args.inputs, "result": {SIGNATURE: SECRET, "value": made}}
        if args.typ == RANDOM_ID:
            return args.name, {**args.inputs, "hex": random_source.token_hex(int(inputs["byteLength"]))}
        if args.custom:
            raise NotImplementedError(f"{args.typ} {args.name}: say here what its provider answers")
        return args.name, dict(args.inputs)


def _password(length: int) -> str:
    """As the provider makes them, with a capital, a small letter and a digit."""
    return ("Aa0" + random_source.token_hex(length))[:length]


def _imagined(type_: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Outputs of a docker resource that nobody makes: jobs succeed, built images have a digest."""
    if type_ == BUILT_IMAGE:
        return name, {"repoDigest": f"{inputs['imageName']}@sha256:{'0' * 64}"}
    if type_ == CONTAINER and inputs.get("attach"):
        return name, {"exitCode": 0, "containerLogs": ""}
    return f"{name}-id", {}


class _Monitor(MockMonitor):
    """Pulumi's mock engine, which also writes down every request."""

    def __init__(self, program: Program, mocks: Mocks) -> None:
        super().__init__(mocks)
        self._program, self._lock = program, threading.Lock()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's own name
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK's own
        if request.type != "pulumi:pulumi:Stack":
            with self._lock:
                self._program.resources[answer.urn] = Resource(
                    type=request.type,
                    name=request.name,
                    urn=answer.urn,
                    inputs=plain(rpc.deserialize_properties(request.object)),
                    depends_on=tuple(request.dependencies),
                    parent=request.parent,
                    wire=request,
                )
        return answer


def plain(value: Any) -> Any:
    """Without marks of secrets; numbers that protobuf made floats of are whole again."""
    if isinstance(value, dict):
        return plain(value["value"]) if SIGNATURE in value else {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
