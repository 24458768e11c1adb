"""ps, logs, restart, init-db, shells and Kafka's tools: which Docker command each becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.tools.stack.conftest import ALL, Run, docker
from tests.unit.tools.stack.programs import Programs, Says, containers
from tools.stack.folder import StackFolder

LABEL = "label=dev.millrace.stack=millrace"


def done(programs: Programs, *verbs: str) -> list[str]:
    """What Docker was asked to do, looking around left out."""
    return [call for call in programs.calls("docker") if call.split()[0] in verbs]


def test_ps_shows_this_stack_only(programs: Programs, run: Run) -> None:
    assert run("ps").code == 0
    assert (
        programs.calls("docker")[-1]
        == f"ps --all --filter {LABEL} --format table {{{{.Names}}}}\t{{{{.Status}}}}\t{{{{.Ports}}}}"
    )
    run("ps", "--service", "relay")
    assert f"{LABEL} --filter label=dev.millrace.role=relay" in programs.calls("docker")[-1]


def test_the_prefix_is_that_of_the_stack_that_is_up(programs: Programs, run: Run, folder: StackFolder) -> None:
    folder.write_environment({"MILLRACE_STACK_PREFIX": "blue-"})
    docker(programs, "relay", prefix="blue-")
    run("logs", "--service", "relay", "--no-follow")
    assert done(programs, "logs") == ["logs --tail 50 blue-relay"]
    assert "label=dev.millrace.stack=blue-" in programs.calls("docker")[-2]


def test_the_stack_is_found_beside_a_demo_and_a_database_of_ones_own(
    programs: Programs, run: Run, folder: StackFolder, tmp_path: Path
) -> None:
    folder.write_environment({"MILLRACE_STACK_PREFIX": "blue-"})
    (tmp_path / ".env").write_text("MYSQL_HOST=elsewhere\n")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "millrace.env").write_text("DATABASE_URL='sqlite:///demo.db'\n")
    run("ps")
    assert "label=dev.millrace.stack=blue-" in programs.calls("docker")[-1]


def test_a_setting_that_cannot_be_is_one_line(
    programs: Programs, run: Run, folder: StackFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_SINK", "kettle")
    shown = run("ps")
    assert shown.code == 2
    (line,) = shown.err.splitlines()
    assert line.startswith("millrace: MILLRACE_SINK ")
    assert "kettle" in line


def test_a_container_is_known_by_its_name_too(programs: Programs, run: Run, folder: StackFolder) -> None:
    folder.write_environment({"MILLRACE_STACK_PREFIX": "blue-"})
    docker(programs, "relay", prefix="blue-")
    run("restart", "--service", "blue-relay")
    assert done(programs, "restart") == ["restart blue-relay"]


def test_logs_of_one_container(programs: Programs, run: Run) -> None:
    docker(programs, *ALL, says={"logs *": Says("hello from relay\n")})
    shown = run("logs", "--service", "relay", "--tail", "7", "--follow")
    assert done(programs, "logs") == ["logs --tail 7 --follow relay"]
    assert shown.out == "hello from relay\n"


def test_logs_of_all_carry_names(programs: Programs, run: Run) -> None:
    docker(programs, "api", "relay", says={"logs *api": Says("one\ntwo\n"), "logs *relay": Says(err="three\n")})
    assert sorted(run("logs").out.splitlines()) == ["api   | one", "api   | two", "relay | three"]


def test_restart_takes_all_but_the_jobs(programs: Programs, run: Run) -> None:
    shown = run("restart")
    assert shown.code == 0
    servers = [role for role in ALL if not role.endswith("-job")]
    assert sorted(done(programs, "restart")) == sorted(f"restart {role}" for role in servers)
    assert "restarted relay" in shown.out


def test_a_container_that_does_not_restart_is_named(programs: Programs, run: Run) -> None:
    docker(programs, "api", "relay", says={"restart relay": Says(err="driver failed\n", code=1)})
    shown = run("restart")
    assert shown.failure == "millrace: not restarted: relay (driver failed)"
    assert "restarted api" in shown.out


def test_restarting_a_job_runs_it_again(programs: Programs, run: Run) -> None:
    run("restart", "--service", "topics-job")
    assert done(programs, "start", "restart") == ["start --attach topics-job"]


def test_init_db_runs_the_jobs_in_their_order(programs: Programs, run: Run) -> None:
    assert run("init-db").code == 0
    jobs = ("topics-job", "database-job", "clickhouse-job", "connectors-job")
    assert done(programs, "start") == [f"start --attach {job}" for job in jobs]


def test_a_job_that_fails_again_ends_init_db(programs: Programs, run: Run) -> None:
    docker(programs, *ALL, says={"start --attach database-job": Says("MYSQL_PASSWORD is wrong\n", code=2)})
    shown = run("init-db")
    assert "MYSQL_PASSWORD is wrong" in shown.out
    assert shown.failure == "millrace: database-job failed with exit code 2: its last line above says why"
    assert len(done(programs, "start")) == 2


# ---- Kafka

EXEC = "exec --env KAFKA_HEAP_OPTS=-Xmx96m --env KAFKA_LOG4J_OPTS= kafka-local1 /opt/kafka/bin"
SERVER = "--bootstrap-server kafka-local1:29092"


@pytest.mark.parametrize(
    ("words", "becomes"),
    [
        (("kafka-topics",), [f"kafka-topics.sh {SERVER} --list"]),
        (("kafka-describe-topic", "--topic", "t"), [f"kafka-topics.sh {SERVER} --describe --topic t"]),
        (
            ("kafka-create-topic", "--topic", "t", "--partitions", "3"),
            [
                f"kafka-topics.sh {SERVER} --create --topic t --partitions 3 --replication-factor 3 "
                "--config min.insync.replicas=2"
            ],
        ),
        (("kafka-consumer-groups",), [f"kafka-consumer-groups.sh {SERVER} --list"]),
        (("kafka-consumer-lag", "--group", "g"), [f"kafka-consumer-groups.sh {SERVER} --describe --group g"]),
        (
            ("kafka-cluster-info",),
            [
                f"kafka-metadata-quorum.sh {SERVER} describe --status",
                f"kafka-metadata-quorum.sh {SERVER} describe --replication",
            ],
        ),
    ],
)
def test_kafkas_tools_run_in_the_first_node(
    programs: Programs, run: Run, words: tuple[str, ...], becomes: list[str]
) -> None:
    assert run(*words).code == 0
    assert done(programs, "exec") == [f"{EXEC}/{tool}" for tool in becomes]


def test_a_node_that_is_down_is_passed_over(programs: Programs, run: Run) -> None:
    listing = containers("kafka-local1", state="exited") + containers("kafka-local2", "kafka-local3")
    docker(programs, says={"ps *": Says(listing)})
    run("kafka-topics")
    assert (
        "kafka-local2 /opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka-local2:29092" in done(programs, "exec")[0]
    )


def test_no_node_up_is_a_refusal(programs: Programs, run: Run) -> None:
    docker(programs, says={"ps *": Says(containers("kafka-local1", "kafka-local2", state="exited"))})
    assert "no Kafka node of this stack runs" in run("kafka-topics").refusal


def test_one_node_makes_topics_with_one_replica(programs: Programs, run: Run) -> None:
    docker(programs, "kafka-local1")
    run("kafka-create-topic", "--topic", "t", "--partitions", "3")
    assert "--replication-factor 1 --config min.insync.replicas=1" in done(programs, "exec")[0]


def test_a_tool_that_fails_is_the_commands_exit_code(programs: Programs, run: Run) -> None:
    docker(programs, *ALL, says={"exec *": Says("Error: Topic 't' does not exist\n", code=1)})
    assert run("kafka-describe-topic", "--topic", "t").code == 1
    assert "did not describe the quorum" in run("kafka-cluster-info").failure


# ---- shells and pages


def test_the_mysql_shell_takes_the_password_where_nobody_sees_it(
    programs: Programs, run: Run, folder: StackFolder
) -> None:
    assert run("mysql-shell", "--query", "SELECT 1").code == 0
    assert done(programs, "exec") == ["exec --env MYSQL_PWD mysql mysql --user=admin --execute SELECT 1 ecommerce"]
    assert programs.variables("docker")["MYSQL_PWD"] == "s3cret"
    assert not any("s3cret" in call for call in programs.calls())


def test_the_mysql_shell_without_a_query_is_interactive(programs: Programs, run: Run, folder: StackFolder) -> None:
    run("mysql-shell")
    assert done(programs, "exec") == ["exec --interactive --env MYSQL_PWD mysql mysql --user=admin ecommerce"]


def test_without_a_stack_there_is_no_password(run: Run) -> None:
    assert "`make up` writes it" in run("mysql-shell").refusal


def test_a_page_is_a_link(programs: Programs, run: Run, folder: StackFolder) -> None:
    docker(programs, "grafana", "kafka-ui", says={"port grafana 3000/tcp": Says("127.0.0.1:3001\n")})
    shown = run("page", "grafana")
    assert shown.out.splitlines()[0] == "http://127.0.0.1:3001"
    assert "GRAFANA_ADMIN_PASSWORD" in shown.out
    assert "s3cret" not in shown.out
    assert "publishes no port 8080" in run("page", "kafka-ui").refusal


def test_a_part_that_the_local_set_leaves_out_says_so(run: Run, folder: StackFolder) -> None:
    assert "`make up` makes what is missing" in run("page", "grafana").refusal
    folder.write_environment({"MILLRACE_IMAGES": "local"})
    line = run("page", "kafka-ui").refusal
    assert "kafka-ui is left out of the local image set" in line
    assert 'make up CONFIG="images=upstream"' in line
