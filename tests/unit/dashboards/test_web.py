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
PLOTLY_SCRIPT = Path(str(PLOTLY.locate()))
VENDORED = {"vendor/plotly.min.js": PLOTLY_SCRIPT}
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


def test_the_admin_token_is_kept_nowhere_and_sent_by_no_form(page: Page) -> None:
    kept = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\.|history\.(push|replace)State")
    assert [script.name for script in SCRIPTS if kept.search(script.read_text(encoding="utf-8"))] == []
    (field,) = (attrs for _, attrs in page.elements if attrs.get("id") == "admin-token")
    assert (field["type"], field["autocomplete"], field.get("name")) == ("password", "off", None)


def test_inputs_are_labelled(page: Page) -> None:
    labelled = set(page.values("for"))
    fields = {
        attrs["id"] for tag, attrs in page.elements if tag in {"input", "select"} and attrs.get("type") != "radio"
    }
    assert fields <= labelled


def rules_of(style: str) -> dict[str, dict[str, str]]:
    """Declarations by selector, each selector of a list by itself."""
    found: dict[str, dict[str, str]] = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)):
        parts = (part.split(":", 1) for part in body.split(";") if part.strip())
        declarations = {name.strip(): re.sub(r"\s*,\s*", ",", value.strip()) for name, value in parts}
        for selector in selectors.split(","):
            found[selector.strip()] = declarations
    return found


def test_the_styles_of_charts_are_the_librarys() -> None:
    """Plotly is told (id and class of the link) that they are there, so that it adds no inline ones."""
    library = PLOTLY_SCRIPT.read_text(encoding="utf-8")
    start = library.index('{"X,X div":')
    table = library[start + 1 : library.index("};", start)]
    theirs: dict[str, dict[str, str]] = {}
    for selector, double, single in re.findall(r"""(?:"([^"]+)"|Y):(?:"([^"]*)"|'([^']*)')""", table):
        text = f"{selector.replace('X', '.js-plotly-plot .plotly')} {{{double or single}}}"
        theirs |= rules_of(text)
    ours = rules_of((WEB / "plotly.css").read_text(encoding="utf-8"))
    assert {".js-plotly-plot .plotly .main-svg", ".js-plotly-plot .plotly div"} <= set(ours)
    assert {selector: theirs.get(selector) for selector in ours} == ours
    assert '"plotly.js-style-"' in library
    assert ".no-inline-styles" in library
    assert 'id="plotly.js-style-global" class="no-inline-styles"' in PAGE
    asked = set(re.findall(r'getElementById\("([0-9a-f]{64})"\)\){var e=document.createElement\("style"\)', library))
    assert asked == set(re.findall(r'"([0-9a-f]{64})"', (WEB / "js" / "plot.js").read_text(encoding="utf-8")))
