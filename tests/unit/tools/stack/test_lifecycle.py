"""up and down, with a Pulumi that writes down what it is asked."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support.web import Api
from tests.unit.tools.stack.conftest import ENVIRONMENT, Run, docker, pulumi
from tests.unit.tools.stack.programs import Programs, Says
from tools.stack.folder import StackFolder


def asked(programs: Programs, verb: str) -> str:
    """The one call of Pulumi with this first word."""
    (call,) = [call for call in programs.calls("pulumi") if call.startswith(verb)]
    return call


def test_up_runs_the_program_keeps_what_opens_the_stack_and_looks_at_it(
    programs: Programs, run: Run, machine: Api, tmp_path: Path
) -> None:
    shown = run("up")
    assert shown.code == 0, shown
    order = [call.split()[0:2] for call in programs.calls() if not call.startswith(("docker", "pulumi config"))]
    assert order == [["pulumi", "stack"], ["pulumi", "up"], ["pulumi", "stack"], ["millrace", "doctor"]]
    assert asked(programs, "up").startswith("up --refresh --yes --parallel 32 --stack dev --cwd ")
    assert asked(programs, "stack select").startswith("stack select --create dev ")
    assert StackFolder(tmp_path / "stack").environment() == ENVIRONMENT
    assert stat.S_IMODE((tmp_path / "stack" / "millrace.env").stat().st_mode) == 0o600
    assert programs.calls("millrace") == ["doctor --wait 120"]
    assert programs.variables("millrace") == {"MYSQL_PASSWORD": "geheim", "PORT": "3000"}


def test_up_prints_every_link_and_no_secret(run: Run, machine: Api) -> None:
    shown = run("up")
    assert "Updating (dev)" in shown.out
    assert "  api      http://localhost:3000/api\n" in shown.out
    assert "  grafana  not in the local image set\n" in shown.out
    assert "geheim" not in shown.out + shown.err


def test_the_first_up_makes_a_passphrase_of_this_machine(
    programs: Programs, run: Run, machine: Api, tmp_path: Path
) -> None:
    run("up")
    file = tmp_path / "stack" / "passphrase"
    made = file.read_text()
    assert len(made) > 30
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert programs.variables("pulumi") == {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/stack/state",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(file),
        "PULUMI_CONFIG_PASSPHRASE": "",
        "DOCKER_HOST": machine.url.replace("http://", "tcp://"),
    }
    file.chmod(0o644)
    run("up")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (made, 0o600)


@pytest.mark.parametrize("name", ["PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"])
def test_who_is_logged_in_elsewhere_stays_there(
    programs: Programs, run: Run, machine: Api, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "s3://bucket")
    run("up")
    assert programs.variables("pulumi")["PULUMI_BACKEND_URL"] == ("s3://bucket" if name.endswith("URL") else "")


def test_a_passphrase_of_the_users_own_is_used(
    programs: Programs, run: Run, machine: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mine")
    run("up")
    told = programs.variables("pulumi")
    assert (told["PULUMI_CONFIG_PASSPHRASE"], told["PULUMI_CONFIG_PASSPHRASE_FILE"]) == ("mine", "")
    assert not (tmp_path / "stack" / "passphrase").exists()


def test_a_state_whose_passphrase_is_gone_is_not_made_worse(
    programs: Programs, run: Run, machine: Api, tmp_path: Path
) -> None:
    run("up")
    (tmp_path / "stack" / "state" / ".pulumi" / "stacks").mkdir(parents=True)
    (tmp_path / "stack" / "state" / ".pulumi" / "stacks" / "dev.json").write_text("{}")
    (tmp_path / "stack" / "passphrase").unlink()
    line = run("up").refusal
    assert "passphrase is gone" in line
    assert "put it back" in line
    assert len([call for call in programs.calls("pulumi") if call.startswith("up")]) == 1


def test_local_images_are_built_first(programs: Programs, run: Run, machine: Api) -> None:
    pulumi(programs, config_images=Says("local\n"))
    run("up")
    calls = programs.calls()
    assert programs.calls("images") == [""] or programs.calls("images") == []
    built = [number for number, call in enumerate(calls) if call.startswith("images")]
    up = [number for number, call in enumerate(calls) if call.startswith("pulumi up")]
    assert len(built) == 1
    assert built < up


def test_plugins_go_into_the_connect_image(programs: Programs, run: Run, machine: Api) -> None:
    pulumi(programs, config_images=Says("local\n"), config_connectPlugins=Says("/plugins\n"))
    run("up")
    assert programs.calls("images") == ["--connect-plugins /plugins"]


def test_published_images_are_not_built(programs: Programs, run: Run, machine: Api) -> None:
    run("up")
    assert [call for call in programs.calls() if call.startswith("images")] == []


def test_what_is_given_now_is_stronger_than_what_was_kept(programs: Programs, run: Run, machine: Api) -> None:
    pulumi(programs, config_images=Says("upstream\n"))
    run("up", "--config", "images=local sink=python")
    assert [call for call in programs.calls() if call.startswith("images")] != []
    assert "--config millrace:images=local --config millrace:sink=python" in asked(programs, "up")


def test_a_job_that_failed_last_time_is_forgotten_so_that_it_runs_again(run: Run, machine: Api) -> None:
    job = {
        "Id": "topics-job",
        "Name": "/topics-job",
        "State": {"ExitCode": 1, "Status": "exited"},
        "Config": {"Labels": {"dev.millrace.role": "topics-job"}},
    }
    machine.answers[("GET", "/v1.41/containers/topics-job/json")] = (200, job)
    machine.anything = lambda method, path: (
        (204, None) if method == "DELETE" else (200, [{"Id": "topics-job"}] if "containers/json" in path else [])
    )
    assert "topics-job failed the last time and will run again" in run("up").out
    assert any(method == "DELETE" and "topics-job" in path for method, path, _ in machine.asked)


@pytest.mark.parametrize(
    ("part", "says", "told"),
    [
        (
            "select",
            Says(err="error: incorrect passphrase\n", code=255),
            "pulumi cannot open the stack dev: error: incorrect",
        ),
        ("up", Says("error: port 3000 is taken\n", code=255), "pulumi up failed (exit code 255)"),
        ("output", Says(err="error: no\n", code=1), "pulumi does not tell its outputs: error: no"),
        ("output", Says("not JSON"), "pulumi does not tell its outputs"),
        ("output", Says('{"api": "x"}'), "exports no `environment`"),
    ],
)
def test_a_pulumi_that_fails_ends_it_in_one_line_and_nothing_is_kept(
    programs: Programs, run: Run, machine: Api, tmp_path: Path, part: str, says: Says, told: str
) -> None:
    pulumi(programs, **{part: says})
    ended = run("up")
    assert told in (ended.refusal if part == "select" else ended.failure)
    assert not (tmp_path / "stack" / "millrace.env").exists()
    assert programs.calls("millrace") == []


def test_images_that_cannot_be_built_end_it(programs: Programs, run: Run, machine: Api) -> None:
    pulumi(programs, config_images=Says("local\n"))
    programs.put("images", {"*": Says(err="images: no room\n", code=1)})
    assert "the images were not built (exit code 1)" in run("up").failure
    assert not [call for call in programs.calls("pulumi") if call.startswith("up")]


@pytest.mark.parametrize("code", [1, 2])
def test_a_stack_that_is_not_well_fails_the_up(programs: Programs, run: Run, machine: Api, code: int) -> None:
    programs.put("millrace", {"*": Says("relay: failing\n", code=code)})
    assert run("up").code == code


def test_docker_in_another_place_is_handed_on_to_programs_that_know_no_contexts(
    programs: Programs, run: Run, machine: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = machine.url.replace("http://", "tcp://")
    monkeypatch.delenv("DOCKER_HOST")
    docker(programs, says={"context inspect *": Says(f"{other}\n")})
    run("up")
    assert programs.variables("pulumi")["DOCKER_HOST"] == other


def test_down_keeps_data_and_what_opens_it(programs: Programs, run: Run, machine: Api, tmp_path: Path) -> None:
    run("up")
    shown = run("down")
    assert shown.code == 0
    assert asked(programs, "destroy").startswith("destroy --yes --exclude-protected --stack dev")
    assert "its data stays" in shown.out
    assert not (tmp_path / "stack" / "millrace.env").exists()
    assert (tmp_path / "stack" / "passphrase").exists()


def test_a_down_that_fails_can_be_repeated(programs: Programs, run: Run, machine: Api, tmp_path: Path) -> None:
    run("up")
    pulumi(programs, destroy=Says("error: network has active endpoints\n", code=255))
    assert "pulumi destroy failed (exit code 255)" in run("down").failure
    assert (tmp_path / "stack" / "millrace.env").exists(), "it may still be up"
