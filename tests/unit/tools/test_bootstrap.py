"""tools/bootstrap.sh, run as it is in a copy of the project with a PATH on which only the wanted programs are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.process import PROJECT, wait_until

# What a POSIX system has beside the interpreters: the script needs no more than this.
SYSTEM_TOOLS = [
    *("sh", "cat", "chmod", "cksum", "cp", "date", "dirname", "grep", "id", "ln"),
    *("mkdir", "readlink", "rm", "sed", "sleep", "uname"),
]

# Stands in for uv: writes down each call, makes an environment whose interpreter is this one, installs nothing.
FAKE_UV = f"""#!/bin/sh
echo "$*" >>uv-calls
case $1 in
    venv) rm -rf .venv && mkdir -p .venv/bin && ln -s {sys.executable} .venv/bin/python ;;
    pip) [ ! -e broken-network ] && {{ [ ! -p gate ] || cat gate >/dev/null; }} ;;
    *) exit 1 ;;
esac
"""

# Stands in for a Python without uv beside it: makes an environment of itself, and pip brings the uv above.
FAKE_PYTHON = f"""#!/bin/sh
echo "$*" >>python-calls
case $* in
    *"-m venv"*) rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *.venv/uv.lock*) cat >.venv/bin/uv <<'UV' && chmod +x .venv/bin/uv
{FAKE_UV}UV
    ;;
    *print*) echo 3.12.1 ;;
esac
"""


@dataclass
class Project:
    """A copy of what the script reads, and the folder that is its PATH."""

    root: Path
    bin: Path

    def program(self, name: str, text: str) -> None:
        """Puts a shell script onto the PATH."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def python(self, name: str, version: str) -> None:
        """Puts an interpreter onto the PATH that believes itself to be that version and has no venv module."""
        believed = f"import sys; sys.version_info = ({version.replace('.', ', ')}); sys.modules['venv'] = None"
        self.program(name, f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "{believed}; $2"\n')

    def real_python(self, name: str = "python3.11") -> None:
        """Puts the interpreter that runs the tests onto the PATH."""
        (self.bin / name).symlink_to(sys.executable)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "tools/bootstrap.sh"), *arguments],
            env={"PATH": str(self.bin), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def sets_up(self, kind: str = "demo") -> list[str]:
        """Runs the script, which must succeed; what it asked of uv."""
        calls = self.root / "uv-calls"
        calls.unlink(missing_ok=True)
        done = self.run(kind)
        assert (done.returncode, done.stderr) == (0, "")
        return calls.read_text().splitlines() if calls.exists() else []

    def refuses(self, *arguments: str, **environment: str) -> str:
        """Runs the script, which must stop with one line; that line."""
        done = self.run(*arguments, **environment)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
        return done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root, tools = tmp_path / "a project", tmp_path / "bin"
    tools.mkdir()
    for tool in SYSTEM_TOOLS:
        found = shutil.which(tool)
        assert found, f"{tool} is not on this machine"
        (tools / tool).symlink_to(found)
    (root / "tools").mkdir(parents=True)
    shutil.copy2(PROJECT / "tools/bootstrap.sh", root / "tools")
    shutil.copytree(PROJECT / "requirements", root / "requirements")
    shutil.copy2(PROJECT / "pyproject.toml", root)
    return Project(root, tools)


@pytest.fixture
def ready(project: Project) -> Project:
    """A project on a machine with a good Python and uv."""
    project.real_python()
    project.program("uv", FAKE_UV)
    return project


def test_names_the_two_kinds(project: Project) -> None:
    for arguments in ([], ["production"]):
        assert "tools/bootstrap.sh demo, or tools/bootstrap.sh dev" in project.refuses(*arguments)


@pytest.mark.parametrize(
    ("system", "machine", "remedy"),
    [
        ("MINGW64_NT-10.0", "x86_64", "WSL 2"),
        ("CYGWIN_NT-10.0", "x86_64", "WSL 2"),
        ("FreeBSD", "amd64", "Linux or macOS"),
        ("Linux", "riscv64", "64-bit Intel, AMD or ARM"),
    ],
)
def test_refuses_systems_without_the_engine(ready: Project, system: str, machine: str, remedy: str) -> None:
    ready.program("uname", f'#!/bin/sh\n[ "$1" = -m ] && echo {machine} || echo {system}\n')
    assert remedy in ready.refuses("demo")
    assert not (ready.root / ".venv").exists()


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.10.13"])
def test_refuses_an_old_python(project: Project, version: str) -> None:
    project.python("python3", version)
    line = project.refuses("demo")
    assert f"3.11 or later is needed and python3 is {version}" in line
    assert "apt install python3" in line
    assert "brew install" in line


def test_refuses_a_machine_without_python(project: Project) -> None:
    assert "none is on the PATH" in project.refuses("demo")


def test_refuses_a_python_without_venv(project: Project) -> None:
    project.python("python3", "3.12.1")
    line = project.refuses("demo")
    assert "python3 has no venv module" in line
    assert "apt install python3-venv" in line
    assert "install uv" in line


def test_takes_the_python_it_is_told(ready: Project) -> None:
    ready.python("ancient", "3.8.18")
    assert "PYTHON=ancient is Python 3.8.18" in ready.refuses("demo", PYTHON="ancient")
    assert "PYTHON=missing does not run" in ready.refuses("demo", PYTHON="missing")
    assert ready.run("demo", PYTHON=sys.executable).returncode == 0
    assert f"--python {sys.executable} .venv" in (ready.root / "uv-calls").read_text()


def test_passes_over_names_that_do_not_run(ready: Project) -> None:
    ready.program("python3.13", "#!/bin/sh\nexit 127\n")
    assert "--python python3.11 .venv" in ready.sets_up()[0]


def test_takes_a_python_that_only_uv_knows(project: Project) -> None:
    project.python("python3", "3.9.2")
    project.program("uv", FAKE_UV.replace("*) exit 1", f"python) echo {sys.executable}"))
    assert f"--python {sys.executable} .venv" in project.sets_up()[1]


def test_installs_what_the_lock_names_and_nothing_else(ready: Project) -> None:
    venv, packages, itself = ready.sets_up()
    assert venv.endswith("--python python3.11 .venv")
    assert packages.startswith("pip install --require-hashes --no-deps --only-binary :all: -r requirements/demo.lock")
    assert itself.startswith("pip install --no-deps --no-build-isolation --editable .")


def test_without_uv_fetches_the_one_that_the_lock_names(project: Project) -> None:
    project.program("python3", FAKE_PYTHON)
    assert [call.split(" --")[0] for call in project.sets_up()] == ["pip install", "pip install"]
    assert re.findall(r"-m pip .*", (project.root / "python-calls").read_text()) == [
        "-m pip --quiet --no-input --disable-pip-version-check install"
        " --require-hashes --no-deps --only-binary :all: -r .venv/uv.lock"
    ]
    fetched = (project.root / ".venv/uv.lock").read_text()
    assert re.findall(r"^\S.*==", fetched, flags=re.MULTILINE) == ["uv=="]
    assert "--hash=sha256:" in fetched


def test_pip_installs_where_uv_cannot(project: Project) -> None:
    project.program("python3", FAKE_PYTHON)
    project.root.joinpath("broken-network").touch()  # for uv
    project.sets_up()
    calls = (project.root / "python-calls").read_text()
    assert "-r requirements/demo.lock" in calls
    assert "--editable ." in calls


def test_does_nothing_the_second_time(ready: Project) -> None:
    ready.sets_up()
    again = ready.run("demo")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert ready.sets_up() == []


def test_a_development_environment_serves_the_demo_but_not_the_reverse(ready: Project) -> None:
    ready.sets_up("demo")
    assert "requirements/dev.lock" in ready.sets_up("dev")[0]
    assert ready.sets_up("demo") == []


def test_a_development_environment_stays_one(ready: Project) -> None:
    ready.sets_up("dev")
    with (ready.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert "requirements/dev.lock" in ready.sets_up("demo")[0]
    assert ready.sets_up("dev") == []


@pytest.mark.parametrize("changed", ["requirements/demo.lock", "pyproject.toml"])
def test_brings_an_environment_up_to_date_in_place(ready: Project, changed: str) -> None:
    ready.sets_up()
    with (ready.root / changed).open("a") as file:
        file.write("# changed\n")
    assert [call.split()[0] for call in ready.sets_up()] == ["pip", "pip"]
    assert ready.sets_up() == []


@pytest.mark.parametrize("was_ready", [False, True])
def test_begins_anew_after_an_interrupted_run(ready: Project, was_ready: bool) -> None:
    if was_ready:
        ready.sets_up("demo")
    (ready.root / "broken-network").touch()
    failed = ready.run("dev")
    assert failed.returncode == 1
    assert "check the network and run this again" in failed.stderr
    (ready.root / "broken-network").unlink()
    assert [call.split()[0] for call in ready.sets_up("dev")] == ["venv", "pip", "pip"]


def test_begins_anew_where_the_project_was_moved(ready: Project) -> None:
    ready.sets_up()
    ready.root = ready.root.rename(ready.root.with_name("moved"))
    assert ready.sets_up()[0].startswith("venv")


def test_begins_anew_where_the_interpreter_is_gone(ready: Project) -> None:
    ready.sets_up()
    (ready.root / ".venv/bin/python").unlink()
    assert ready.sets_up()[0].startswith("venv")


def test_two_at_once_set_up_one_environment(ready: Project) -> None:
    gate, waiting = ready.root / "gate", ready.root / "waiting"
    os.mkfifo(gate)
    ready.program("sleep", f"#!/bin/sh\n: >waiting\nexec {shutil.which('sleep')} 0.05\n")
    first = ready.start("demo")
    with gate.open("w"):  # opens when the first run is installing, and holds it there
        second = ready.start("demo")
        wait_until(lambda: waiting.exists() or second.poll() is not None, "the second run waiting for the first")
        gate.unlink()
    for run in (first, second):
        run.communicate(timeout=60)
        assert run.returncode == 0
    assert [call.split()[0] for call in (ready.root / "uv-calls").read_text().splitlines()] == ["venv", "pip", "pip"]


def test_a_lock_whose_holder_died_is_no_hindrance(ready: Project) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (ready.root / "var").mkdir()
    (ready.root / "var/bootstrap.lock").symlink_to(str(dead.pid))
    assert ready.sets_up()[0].startswith("venv")
    assert not (ready.root / "var/bootstrap.lock").is_symlink()
