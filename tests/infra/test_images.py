"""Images by exact version, built ones by digest, and what a folder of plugins changes."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from images.recipes import reference
from infra.versions import GRAFANA_CLICKHOUSE_PLUGIN, UPSTREAM
from tests.infra.variants import DEFAULT, VARIANTS, captured, write_plugin
from tests.support.process import PROJECT
from tests.support.stack import capture
from tests.support.stack.capture import Program

LOCAL_PYTHON = VARIANTS[12]
OWN = ("api", "relay", "transformer", "aggregator", "reconciler", "topics-job", "database-job", "connectors-job")
IMAGE_OF = {"kafka-local1": "kafka", "mysql": "mysql", "clickhouse": "clickhouse", "prometheus": "prometheus"}


def image(program: Program, container: str) -> str:
    """The reference a container runs."""
    return str(program.containers[container].inputs["image"])


def test_published_images_are_exact_versions() -> None:
    for wanted in (*UPSTREAM.values(), GRAFANA_CLICKHOUSE_PLUGIN.replace("@", ":")):
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+(\.\d+)?", wanted), wanted
    program = captured(DEFAULT)
    for container, wanted in (IMAGE_OF | {"kafka-ui": "kafka-ui"}).items():
        assert image(program, container) == UPSTREAM[wanted]


def test_images_stay_when_the_stack_goes() -> None:
    for variant in (DEFAULT, LOCAL_PYTHON):
        assert all(one.inputs["keepLocally"] for one in captured(variant).of(capture.REMOTE_IMAGE).values())


def test_built_images_are_used_by_digest() -> None:
    """By name a container would not notice that its image was built anew."""
    program = captured(DEFAULT)
    built = program.of(capture.BUILT_IMAGE)
    assert set(built) == {"connect-image", "grafana-image", "millrace-image"}
    for one in built.values():
        assert one.inputs["skipPush"] is True
        assert one.inputs["build"]["builderVersion"] == "BuilderBuildKit"
        assert Path(one.inputs["build"]["dockerfile"]).is_file()
        assert Path(one.inputs["build"]["context"]) == PROJECT
    assert {"@sha256:" in image(program, container) for container in (*OWN, "kafka-connect", "grafana")} == {True}


def test_grafana_starts_without_the_network() -> None:
    """Its image has the data source; an installation at the start would end the process where grafana.com is away."""
    text = (PROJECT / "images/grafana/Dockerfile").read_text()
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    assert arguments["GRAFANA_IMAGE"] == UPSTREAM["grafana"]
    assert f"{arguments['PLUGIN']}@{arguments['PLUGIN_VERSION']}" == GRAFANA_CLICKHOUSE_PLUGIN
    container = captured(DEFAULT).containers["grafana"].inputs
    given = dict(one.split("=", 1) for one in container["envs"])
    assert given["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert not {name for name in given if name.startswith("GF_PLUGINS_PREINSTALL")} - {"GF_PLUGINS_PREINSTALL_DISABLED"}
    assert "GF_INSTALL_PLUGINS" not in given
    # the volume would hide what is below it, and a variable of the container what the image says
    (place,) = re.findall(r"^ENV GF_PATHS_PLUGINS=(\S+)$", text, re.MULTILINE)
    assert "GF_PATHS_PLUGINS" not in given
    assert not any(place.startswith(volume["containerPath"]) for volume in container["volumes"])


def test_the_local_set_is_named_by_its_content() -> None:
    program = captured(LOCAL_PYTHON)
    assert program.of(capture.BUILT_IMAGE) == {}
    for container, wanted in IMAGE_OF.items():
        assert image(program, container) == reference(wanted)
    assert {image(program, container) for container in (*OWN, "sink")} == {reference("millrace")}


def test_connect_without_plugins_is_kafka_itself() -> None:
    program = captured(LOCAL_PYTHON)
    assert image(program, "kafka-connect") == image(program, "kafka-local1")
    assert "connect-image" not in program.of(capture.REMOTE_IMAGE)


def test_connect_with_plugins_is_an_image_of_its_own(tmp_path: Path) -> None:
    write_plugin(tmp_path / "a-sink-1.0.zip")
    program = captured(LOCAL_PYTHON, connectPlugins=str(tmp_path))
    assert image(program, "kafka-connect") == reference("connect", tmp_path)
    assert image(program, "kafka-local1") == reference("kafka")


def test_a_relative_folder_is_one_of_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pulumi runs the program in infra/, people think in the project's folder."""
    (PROJECT / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="test-plugins-", dir=PROJECT / "var") as plugins:
        write_plugin(Path(plugins) / "a-sink-1.0.zip")
        monkeypatch.chdir(tmp_path)
        program = captured(LOCAL_PYTHON, connectPlugins=str(Path(plugins).relative_to(PROJECT)))
        assert image(program, "kafka-connect") == reference("connect", Path(plugins))


def test_what_the_local_set_lacks_is_said() -> None:
    local, upstream = captured(LOCAL_PYTHON).outputs, captured(DEFAULT).outputs
    assert (upstream["docs"], upstream["dashboard"]) == ("http://localhost:3000/docs", "http://localhost:3000/")
    assert local["grafana"] == local["kafkaUi"] == "not in the local image set"
    assert (upstream["grafana"], upstream["kafkaUi"]) == ("http://localhost:3001", "http://localhost:8080")
    for page in ("grafana", "kafka-ui"):
        assert page not in captured(LOCAL_PYTHON).containers


def test_every_file_of_the_dashboards_is_uploaded() -> None:
    folder = PROJECT / "dashboards"
    program = captured(DEFAULT)
    for container, files in (
        ("grafana", [*folder.glob("grafana/provisioning/*/*.yaml"), *folder.glob("grafana/dashboards/*.json")]),
        ("prometheus", [folder / "prometheus" / "prometheus.yml", *folder.glob("prometheus/rules/*.yml")]),
    ):
        uploaded = {one["content"]: one["file"] for one in program.containers[container].inputs["uploads"]}
        assert {path.name for path in files} == {Path(file).name for file in uploaded.values()}
        assert {path.read_text() for path in files} == set(uploaded)
        assert len(files) >= 2


def test_grafana_is_given_every_variable_its_files_name() -> None:
    program = captured(DEFAULT)
    given = {one.split("=", 1)[0] for one in program.containers["grafana"].inputs["envs"]}
    for file in (PROJECT / "dashboards" / "grafana" / "provisioning").glob("*/*.yaml"):
        assert set(re.findall(r"\$\{([A-Z_]+)\}", file.read_text())) <= given, file.name
