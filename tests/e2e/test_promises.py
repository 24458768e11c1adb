"""What the stack promises of every container, read from the engine instead of from the program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.components import network
from tests.support.stack.stack import Stack

OWN = ("api", "relay", "transformer", "sink", "aggregator", "reconciler")
# whose entrypoint gives its data folder to the server's user, and then drops root for good
STARTS_AS_ROOT = {"mysql"}


@pytest.fixture(scope="module")
def found(stack: Stack) -> dict[str, dict[str, Any]]:
    """`docker inspect` of every container, by role."""
    return {role: stack.container(role).attrs for role in stack.roles()}


def servers(stack: Stack, found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {role: found[role] for role in stack.servers()}


def test_every_server_is_healthy_and_every_job_succeeded(stack: Stack, found: dict[str, dict[str, Any]]) -> None:
    assert {role: one["State"]["Health"]["Status"] for role, one in servers(stack, found).items()} == dict.fromkeys(
        stack.servers(), "healthy"
    )
    assert {role: found[role]["State"]["ExitCode"] for role in stack.jobs()} == dict.fromkeys(stack.jobs(), 0)
    assert {"topics-job", "database-job", "clickhouse-job"} <= set(stack.jobs())


def test_ports_are_published_on_this_machine_alone(found: dict[str, dict[str, Any]]) -> None:
    addresses = {
        binding["HostIp"]
        for one in found.values()
        for bindings in one["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    assert addresses == {"127.0.0.1"}


def test_containers_are_on_the_stacks_networks_only_and_by_their_plain_names(
    stack: Stack, found: dict[str, dict[str, Any]]
) -> None:
    """Which of them: test_reach.py."""
    of_the_stack = {f"{stack.prefix}millrace-{name}" for name in network.ALL}
    for role, one in found.items():
        networks = one["NetworkSettings"]["Networks"]
        assert networks.keys() <= of_the_stack, role
        assert networks, role
        assert all(role in joined["Aliases"] for joined in networks.values()), role


def test_everything_is_limited(found: dict[str, dict[str, Any]]) -> None:
    for role, one in found.items():
        host = one["HostConfig"]
        assert 0 < host["Memory"] == host["MemorySwap"], role
        assert host["LogConfig"]["Config"].keys() >= {"max-size", "max-file"}, role
        assert host["Init"], role
        assert not host["Privileged"], role
        assert {limit["Name"] for limit in host["Ulimits"]} == {"nofile"}, role


def test_servers_come_back_and_jobs_do_not(stack: Stack, found: dict[str, dict[str, Any]]) -> None:
    for role, one in found.items():
        wanted = "unless-stopped" if role in stack.servers() else "no"
        assert one["HostConfig"]["RestartPolicy"]["Name"] == wanted, role


def test_no_process_runs_as_root_or_can_become_it(stack: Stack, found: dict[str, dict[str, Any]]) -> None:
    for role in stack.servers():
        assert "no-new-privileges" in found[role]["HostConfig"]["SecurityOpt"], role
        assert found[role]["HostConfig"]["CapDrop"] == ["ALL"], role
        listing = stack.container(role).top(ps_args="-eo pid,uid,args")["Processes"]
        roots = [command for _, user, command in listing if user == "0" and "docker-init" not in command]
        assert roots == [], f"{role} runs as root: {roots}"


def test_the_projects_own_containers_write_nothing_but_memory(found: dict[str, dict[str, Any]]) -> None:
    own = {role: one for role, one in found.items() if role in OWN or role.endswith("-job")}
    assert len(own) >= 9
    for role, one in own.items():
        assert one["HostConfig"]["ReadonlyRootfs"], role
        assert list(one["HostConfig"]["Tmpfs"]) == ["/tmp"], role  # noqa: S108 - in the container
        assert one["Mounts"] == [], role


def test_no_secret_can_be_read_from_a_command_a_label_or_a_name(stack: Stack, found: dict[str, dict[str, Any]]) -> None:
    secrets = {value for name, value in stack.environment.items() if "PASSWORD" in name or "TOKEN" in name}
    assert len(secrets) >= 5
    for role, one in found.items():
        config = one["Config"]
        visible = json.dumps(
            [one["Name"], one["Path"], one["Args"], config["Cmd"], config["Entrypoint"], config["Labels"]]
        )
        health = json.dumps(config.get("Healthcheck"))
        assert not [secret for secret in secrets if secret in visible + health], role


def test_logs_show_no_secret(stack: Stack) -> None:
    secrets = {value for name, value in stack.environment.items() if "PASSWORD" in name or "TOKEN" in name}
    for role in stack.roles():
        said = stack.logs(role)
        assert not [secret for secret in secrets if secret in said], role


def test_a_container_has_only_the_secrets_it_needs(stack: Stack, found: dict[str, dict[str, Any]]) -> None:
    """The transformer knows no database; root's password is the server's and the job's; the token is the api's."""

    def environment(role: str) -> str:
        return "\n".join(found[role]["Config"]["Env"])

    root = stack.environment["MYSQL_ROOT_PASSWORD"]
    assert {role for role in found if root in environment(role)} == {"mysql", "database-job"}
    assert "PASSWORD" not in environment("transformer")
    token = stack.environment["MILLRACE_ADMIN_TOKEN"]
    assert {role for role in found if token in environment(role)} == {"api"}


def test_names_are_the_originals(stack: Stack) -> None:
    wanted = {"mysql", "clickhouse", "kafka-local1", "kafka-local2", "kafka-local3"}
    assert wanted <= set(stack.servers())
    assert stack.container("mysql").name == f"{stack.prefix}mysql"


def test_the_engine_has_what_the_state_says(stack: Stack) -> None:
    on_the_engine = {line for line in stack.left() if line.startswith(("container", "network"))}
    assert on_the_engine == {
        *(f"container {stack.prefix}{role}" for role in stack.roles()),
        *(f"network {network}" for network in stack.networks),
    }
