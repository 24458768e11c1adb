"""What all the other tests stand on: resources are really made as asked, failures say why, and nothing ever stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.thin import Thin
from tests.support.process import PROJECT, wait_until
from tests.support.stack import engine
from tests.support.stack.containers import CreationFailed
from tests.support.stack.stack import Stack


@contextmanager
def thin(program: Thin | None = None) -> Iterator[Stack]:
    """A stack of the small program; nothing of it is left."""
    with Stack({}, program or Thin()) as stack:
        yield stack
    assert of_stack(stack.prefix) == []


def of_stack(prefix: str) -> list[str]:
    """What the engine has with this prefix, by name alone."""
    with contextlib.closing(engine.connect()) as client:
        return [f"{kind} {name}" for kind, name, _, _ in engine.everything(client) if name.startswith(prefix)]


def swap(stack: Stack, program: Thin) -> Stack:
    """The same stack under a changed program."""
    stack._program = program
    return stack


def test_what_the_program_asks_for_is_there() -> None:
    with thin() as stack:
        changes = stack.up()
        assert {"Container server", "Container job", "Container follower"} <= changes.created
        server = stack.container("server").attrs
        assert stack.health("server") == "healthy"
        assert server["HostConfig"]["Memory"] == 64 * 2**20
        assert server["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert list(server["NetworkSettings"]["Networks"]) == [f"{stack.prefix}net"]
        assert server["Mounts"][0]["Name"] == f"{stack.prefix}data"
        assert f"SECRET={stack.environment['SECRET']}" in server["Config"]["Env"]
        assert stack.run_in("server", "cat", "/etc/word") == "hello"
        assert (stack.environment["CODE"], stack.environment["LOGS"].split(":")[0]) == ("0", "from the job")
        assert server["Config"]["Labels"]["org.testcontainers.session-id"]


def test_a_changed_program_touches_what_changed_and_keeps_secrets_and_data() -> None:
    with thin() as stack:
        stack.up()
        secret = stack.environment["SECRET"]
        stack.run_in("server", "bash", "-c", "echo kept > /data/word")
        changes = swap(stack, Thin(word="other", follower=None)).up()
        assert (changes.replaced, changes.deleted) == ({"Container server"}, {"Container follower"})
        assert stack.run_in("server", "cat", "/etc/word", "/data/word") == "otherkept\n"
        assert stack.environment["SECRET"] == secret
        stack.destroy()
        assert stack.left() == [f"volume {stack.prefix}data"]


def test_a_container_that_does_not_become_healthy_fails_with_its_last_words() -> None:
    silent = Thin(health="exit 1", wait_seconds=3, server={"command": ["echo last words; sleep 100"]})
    with thin(silent) as stack:
        with pytest.raises(CreationFailed, match=r"server is running, (starting|unhealthy)") as failed:
            stack.up()
        assert "last words" in str(failed.value)
        assert f"container {stack.prefix}job" not in stack.left(), "what depends on it was not made"


def test_a_server_that_ends_at_once_fails_with_its_last_words() -> None:
    with thin(Thin(follower="echo dying; exit 7")) as stack:
        with pytest.raises(CreationFailed, match="follower exited immediately with 7") as failed:
            stack.up()
        assert "dying" in str(failed.value)


def test_a_jobs_exit_code_and_words_are_the_programs_to_judge() -> None:
    with thin(Thin(job="echo sorry; exit 3")) as stack:
        stack.up()
        assert (stack.environment["CODE"], stack.environment["LOGS"]) == ("3", "sorry\n")


def test_an_image_that_is_not_there_is_named() -> None:
    with thin(Thin(server={"image": "millrace-local/nothing:0"})) as stack, pytest.raises(CreationFailed) as failed:
        stack.up()
    assert "millrace-local/nothing:0" in str(failed.value)


def test_a_killed_process_is_started_again_and_a_stopped_one_is_not() -> None:
    with thin() as stack:
        stack.up()
        stack.kill("server")
        stack.wait_healthy("server")
        assert stack.container("server").attrs["RestartCount"] == 1
        stack.stop("server")
        wait_until(lambda: stack.health("server") == "exited", "the server to be away")
        stack.start("server")
        stack.wait_healthy("server")


def test_networks_are_cut_and_mended() -> None:
    reach = ["bash", "-c", "getent hosts server"]
    with thin() as stack:
        stack.up()
        stack.run_in("follower", *reach)
        stack.disconnect("server")
        with pytest.raises(AssertionError):
            stack.run_in("follower", *reach)
        stack.connect("server")
        stack.run_in("follower", *reach)


def test_ctrl_c_in_the_middle_of_an_up_leaves_nothing() -> None:
    """The main thread is interrupted while workers wait for health."""
    with thin(Thin(health="exit 1", wait_seconds=100)) as stack:
        interrupt = threading.Thread(target=_interrupt_once_there, args=(stack,))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            stack.up()
        interrupt.join()


def _interrupt_once_there(stack: Stack) -> None:
    wait_until(lambda: of_stack(f"{stack.prefix}server"), "the server")
    os.kill(os.getpid(), signal.SIGINT)


_CHILD = """
from tests.e2e.thin import Thin
from tests.support.stack.stack import Stack
stack = Stack({}, Thin())
stack.up()
print(stack.prefix, flush=True)
input()
"""


@contextmanager
def child() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has a stack, and the stack's prefix."""
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_nothing_outlives_a_killed_test_process() -> None:
    """SIGKILL leaves no time for anything: the reaper sees its parent's end."""
    with child() as (process, prefix):
        assert len(of_stack(prefix)) == 5
        process.kill()
        process.wait()
        wait_until(lambda: of_stack(prefix) == [], "the reaper to remove everything", 60.0)


def test_what_a_dead_run_left_is_swept_and_what_a_living_one_has_is_not() -> None:
    with thin() as living, contextlib.closing(engine.connect()) as client:
        living.up()
        dead = f"{engine.TEST_PREFIX}dead-"
        labels = {engine.STACK_LABEL: dead, **engine.owner_labels(pid=2**22 + 1)}
        client.volumes.create(f"{dead}data", labels=labels)
        client.networks.create(f"{dead}net", labels=labels)
        assert sorted(engine.sweep(client)) == [f"network {dead}net", f"volume {dead}data"]
        assert len(of_stack(living.prefix)) == 5
