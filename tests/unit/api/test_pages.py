"""The page at / and the files it loads."""

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from services.api.app import create_app
from services.api.packaged import WEB
from services.settings import ApiSettings
from tests.support.shop import AppClient
from tests.unit.api.conftest import FakeReader

CHARTS = "/static/vendor/plotly.min.js"


def test_the_page_knows_the_business_time_zone(engine: Engine, reader: FakeReader) -> None:
    client = AppClient(create_app(engine, "Europe/Berlin", reader, ApiSettings.model_validate({})))
    try:
        page = client.get("/")
    finally:
        client.close()
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'content="Europe/Berlin"' in page.text
    assert "{{" not in page.text


def files() -> list[Path]:
    return sorted(file for file in WEB.rglob("*") if file.is_file() and file.name != "index.html")


def test_every_file_of_the_page_is_served_and_asked_about_again(api: AppClient) -> None:
    assert files()
    for file in files():
        answer = api.get(f"/static/{file.relative_to(WEB)}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes())
        assert answer.headers["cache-control"] == "no-cache"
        again = api.get(f"/static/{file.relative_to(WEB)}", {"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


@pytest.mark.parametrize(("name", "kind"), [("app.css", "text/css"), ("js/main.js", "text/javascript")])
def test_files_have_the_type_browsers_insist_on(api: AppClient, name: str, kind: str) -> None:
    assert api.get(f"/static/{name}").headers["content-type"].split(";")[0] == kind


def test_the_chart_library_comes_compressed_and_is_kept(api: AppClient) -> None:
    plain = api.get(CHARTS, {"Accept-Encoding": "identity"})
    packed = api.get(CHARTS, {"Accept-Encoding": "gzip"})
    assert plain.status_code == packed.status_code == 200
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.content == plain.content  # httpx has unpacked it
    assert packed.headers["content-type"] == "text/javascript; charset=utf-8"
    assert packed.headers["cache-control"] == "public, max-age=604800"
    assert "plotly.js" in plain.text[:200]
    assert api.get(CHARTS, {"If-None-Match": packed.headers["etag"]}).status_code == 304
