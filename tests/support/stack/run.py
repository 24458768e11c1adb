"""Runs a Pulumi program with this process in the engine's place: what it registers goes to a deployment."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pulumi
from pulumi.runtime import rpc, set_all_config, set_mocks
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.mocks import test as awaited
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from tests.support.stack.capture import PROJECT_NAME, STACK_NAME, plain
from tests.support.stack.configuration import HandedOver
from tests.support.stack.containers import Cancelled
from tests.support.stack.deployment import Deployment, Registration
from tests.support.stack.fields import UnknownInput

# Every resource that waits for its health holds a thread, and none may wait for another one's thread.
_THREADS = 64


def run_program(
    program: Callable[[], None], config: HandedOver, deployment: Deployment, cancel: Callable[[], None]
) -> dict[str, Any]:
    """Runs it to its end and returns its outputs.

    Raises what the program or a resource failed with; by then nothing is being made any more. `cancel` is called on
    failure, to end what is under way.
    """
    # Everything Pulumi keeps for a run is in context variables: a context of its own is a fresh run.
    with _interrupts(cancel):
        return contextvars.copy_context().run(_run, program, config, deployment, cancel)


@contextlib.contextmanager
def _interrupts(cancel: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C ends what is under way and is raised when that has ended: inside the SDK's loop it would get lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        cancel()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            raise KeyboardInterrupt


def _run(
    program: Callable[[], None], config: HandedOver, deployment: Deployment, cancel: Callable[[], None]
) -> dict[str, Any]:
    mocks, outputs = _Mocks(deployment), dict[str, Any]()

    def body() -> pulumi.Output[None]:
        program()
        stack = get_root_resource()
        assert isinstance(stack, Stack)
        return pulumi.Output.all(**stack.outputs).apply(outputs.update)

    with _loops() as loop:
        try:
            set_all_config(config.values, list(config.secret_keys))
            set_mocks(mocks, project=PROJECT_NAME, stack=STACK_NAME, preview=False, monitor=_Monitor(mocks))
            awaited(body)()  # type: ignore[no-untyped-call]  # the SDK's decorator has no types
        except Cancelled:
            raise deployment.failure or KeyboardInterrupt from None
        except BaseException:
            cancel()
            raise
        finally:
            _end_tasks(loop)
    return outputs


class _Mocks(Mocks):
    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.asked: dict[tuple[str, str], Registration] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Called in a thread of its own for a resource, once everything it depends on exists."""
        if not args.custom:
            return "", dict(args.inputs)
        return self._deployment.register(self.asked[args.typ, args.name])

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        """The program asks a provider a question, which nothing here can answer."""
        raise UnknownInput(f"tests/support/stack does not know the function {args.token}")


class _Monitor(MockMonitor):
    """Keeps what a request says beside the inputs."""

    mocks: _Mocks

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's own name
        sources = {urn for inputs in request.propertyDependencies.values() for urn in inputs.urns}
        self.mocks.asked[request.type, request.name] = Registration(
            urn=self.make_urn(request.parent, request.type, request.name),
            kind=request.type,
            name=request.name,
            inputs=plain(rpc.deserialize_properties(request.object)),
            retain=request.retainOnDelete,
            protect=request.protect,
            replace_on_changes=frozenset(request.replaceOnChanges),
            property_sources=frozenset(sources),
        )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK's class has no types


@contextlib.contextmanager
def _loops() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop for this thread, with workers that have one each (the mocks want that), all of them ended at the end."""
    made: list[asyncio.AbstractEventLoop] = []

    def own_loop() -> None:
        made.append(asyncio.new_event_loop())
        asyncio.set_event_loop(made[-1])

    own_loop()
    executor = ThreadPoolExecutor(_THREADS, "resource", initializer=own_loop)
    made[0].set_default_executor(executor)
    # A failure is raised; what waited for the same thing failed with it, and would each be logged with a trace.
    made[0].set_exception_handler(lambda _loop, _context: None)
    try:
        yield made[0]
    finally:
        executor.shutdown(wait=True)
        asyncio.set_event_loop(None)
        for loop in made:
            loop.close()


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Lets what was begun come to its end: after a failure nothing waits for it any more."""
    while left := asyncio.all_tasks(loop):
        loop.run_until_complete(asyncio.wait(left))
