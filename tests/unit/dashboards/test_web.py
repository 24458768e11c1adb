"""The HTML dashboard as files: nothing from elsewhere, nothing inline, nothing missing."""

import re
from html.parser import HTMLParser
from importlib.metadata import files
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "dashboards" / "web"
PAGE = (WEB / "index.html").read_text(encoding="utf-8")
ASSETS = sorted(path for path in WEB.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"})
SCRIPTS = [path for path in ASSETS if path.suffix == ".js"]
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
PLOTLY = next(file for file in files("plotly") or () if file.match("plotly/package_data/plotly.min.js"))
VENDORED = {"vendor/plotly.min.js": Path(str(PLOTLY.locate()))}
EXPORT = re.compile(r"^export (?:async )?(?:function|const|class|let) (\w+)", re.MULTILINE)


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"} and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def values(self, attribute: str) -> list[str]:
        """Every value of this attribute, in the order of the page."""
        return [value for _, attrs in self.elements if (value := attrs.get(attribute)) is not None]


@pytest.fixture(scope="module")
def page() -> Page:
    parser = Page()
    parser.feed(PAGE)
    return parser


@pytest.mark.parametrize("asset", ASSETS, ids=lambda path: str(path.relative_to(WEB)))
def test_nothing_comes_from_another_host(asset: Path) -> None:
    text = asset.read_text(encoding="utf-8").replace(SVG_NAMESPACE, "")
    assert not re.findall(r"""(?:\b[a-z]+:|["'(=\s])//[\w.-]+\.\w+""", text)
    assert "@import" not in text


def test_the_page_has_no_inline_script_or_style(page: Page) -> None:
    assert page.inline == []
    assert [attrs for tag, attrs in page.elements if tag == "style"] == []
    names = {name for _, attrs in page.elements for name in attrs}
    assert not {name for name in names if name == "style" or name.startswith("on")}
    assert not [value for value in page.values("href") if value.startswith("javascript:")]


def test_ids_are_unique_and_references_between_elements_hold(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    references = [*page.values("for"), *page.values("aria-labelledby"), *page.values("aria-describedby")]
    references += [value[1:] for value in page.values("href") if value.startswith("#")]
    assert {name for value in references for name in value.split()} <= set(ids)


def test_scripts_ask_only_for_ids_the_page_has(page: Page) -> None:
    asked: set[str] = set()
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        literal = re.findall(r'byId\("([\w-]+)"\)', text)
        # an id put together at run time would escape this test
        calls = len(re.findall(r"(?<!function )byId\(", text))
        assert calls == len(literal), script.name
        asked.update(literal)
    assert asked
    assert asked <= set(page.values("id"))


def test_every_static_file_asked_for_exists() -> None:
    asked = {name for asset in ASSETS for name in re.findall(r"/static/([\w./-]+)", asset.read_text(encoding="utf-8"))}
    assert {"app.css", "favicon.svg", "js/main.js", "vendor/plotly.min.js"} <= asked
    for name in asked:
        assert VENDORED.get(name, WEB / name).is_file(), name


def test_scripts_import_only_what_another_exports() -> None:
    exports = {script.name: set(EXPORT.findall(script.read_text(encoding="utf-8"))) for script in SCRIPTS}
    for script in SCRIPTS:
        for names, source in re.findall(
            r'import \{([^}]*)\} from "\./([\w-]+\.js)"', script.read_text(encoding="utf-8")
        ):
            wanted = {name.strip() for name in names.split(",") if name.strip()}
            assert wanted <= exports.get(source, set()), f"{script.name} from {source}"


def test_no_script_turns_text_into_markup_or_code() -> None:
    ways = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|createContextualFragment"
    )
    assert [script.name for script in SCRIPTS if ways.search(script.read_text(encoding="utf-8"))] == []
