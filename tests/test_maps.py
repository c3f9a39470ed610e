"""Pages: what they say, that text in them is harmless, and that they ask no host for anything."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from maps.grids import STATES, Flaw, grid_map, is_vacant, state_of
from maps.home import Figure, Person, docs_page, home_page
from maps.texts import LANGUAGES
from tests import map_sample as sample

ZONE = ZoneInfo("Asia/Shanghai")
EVIL = sample.EVIL


class Page(HTMLParser):
    """What a page asks for, shows and runs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.attributes: set[str] = set()
        self.data: dict[str, object] = {}
        self.text = ""
        self.policy = ""
        self._inside: str | None = None
        self._json: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element asks for."""
        given = {key: value or "" for key, value in attrs}
        self.attributes |= given.keys()
        (self.links if tag == "a" else self.asked).extend(
            given[key] for key in ("src", "href", "srcset", "action") if key in given
        )
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        self._json = given.get("id") if given.get("type") == "application/json" else None
        self._inside = tag

    def handle_data(self, data: str) -> None:
        """Sort text by what it is."""
        if self._json:
            self.data[self._json] = json.loads(data)
        elif self._inside == "script":
            self.scripts.append(data)
        elif self._inside == "style":
            self.styles.append(data)
        else:
            self.text += data

    def handle_endtag(self, _tag: str) -> None:
        """Leave the element."""
        self._inside = self._json = None

    def requests(self) -> list[str]:
        """Return every address that opening the page would fetch."""
        css = " ".join(self.styles)
        found = [*self.asked, *re.findall(r"""url\(\s*["']?([^)"']+)""", css), *re.findall(r"@import\s+([^;]+)", css)]
        return [one for one in found if not one.startswith(("data:", "#"))]


def grids_html(lang: str = "zh-CN", *, evil: bool = False, **options: object) -> str:
    return grid_map(sample.states(evil), at=sample.AT, zone=ZONE, lang=lang, **options).html()  # type: ignore[arg-type]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_map_asks_no_host_for_anything(lang: str) -> None:
    """Every library, image and font of the map is in the file."""
    assert Page(grids_html(lang)).requests() == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_home_and_docs_ask_only_their_own_server(lang: str) -> None:
    """What these pages load comes from this server's /static."""
    for html in (home_page(lang=lang, zone=ZONE), docs_page(lang)):
        assert all(one.startswith("/static/") for one in Page(html).requests())


def test_the_policy_allows_what_is_in_the_page_and_nothing_else() -> None:
    """The browser refuses every script and style but those whose hashes the page names."""
    page = Page(grids_html())
    for directive, texts in (("script-src", page.scripts), ("style-src", page.styles)):
        allowed = re.search(rf"{directive} ([^;]+);", page.policy)
        assert allowed
        hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts}
        assert set(allowed[1].split()) == hashes
    assert "default-src 'none'" in page.policy
    assert "img-src data:;" in page.policy
    assert "style" not in page.attributes
    assert not {one for one in page.attributes if one.startswith("on")}


def test_a_base_map_is_asked_for_only_where_one_is_set() -> None:
    """The setting adds a layer of tiles, and the policy lets that one origin in, for images."""
    html = grids_html(base_map_url="https://tiles.example/{z}/{x}/{y}.png")
    assert "img-src data: https://tiles.example;" in Page(html).policy
    assert "L.tileLayer(" in html
    assert "L.tileLayer(\n" not in grids_html()


def test_names_are_text_whatever_they_hold() -> None:
    """Markup and templates in the name of a grid, a unit or a title are shown, not run."""
    html = grids_html(evil=True, title=EVIL, synthetic=EVIL)
    page = Page(html)
    assert "alert(1)" not in "".join(page.scripts)
    assert page.text.count(EVIL) == 3  # title of the page, heading, label of synthetic data
    assert page.data["data"]["layers"][0]["shapes"]["features"][0]["properties"]["name"] == EVIL  # type: ignore[index]
    home = Page(
        home_page(lang="en", zone=ZONE, synthetic=EVIL, people=[Person(EVIL, EVIL, True)], figures=[Figure(1, EVIL)])
    )
    assert home.scripts == []
    assert home.text.count(EVIL) == 3


def test_the_same_answer_is_the_same_file() -> None:
    """A map has no random names in it, so that two files can be compared."""
    assert grids_html() == grids_html()


def test_every_state_of_duty_is_told_apart() -> None:
    """Who covers a grid decides its state; without cover, whether anybody can be called."""
    assert {state: state_of(sample.RESPONSES[state]) for state in STATES} == {state: state for state in STATES}


def test_a_grid_without_a_lead_is_vacant() -> None:
    """A lead on leave is away, not missing."""
    states = sample.states()
    assert [one.grid.code for one in states if is_vacant(one)] == ["JB-03", "330110012000003"]


@pytest.mark.parametrize(
    ("lang", "verdicts"),
    [
        ("zh-CN", ("警格 6 个，其中 2 个无人在岗", "网格 24 个，其中 3 个无人在岗")),
        ("en", ("Police grids: 2 of 6 with nobody on duty", "Governance grids: 3 of 24 with nobody on duty")),
    ],
)
def test_the_map_counts_what_it_shows(lang: str, verdicts: tuple[str, str]) -> None:
    """Heading, legend, clock and the list of uncovered grids agree with the data."""
    page = Page(grids_html(lang, synthetic="synthetic"))
    for words in (*verdicts, "14:05", "2025-03-05", "Asia/Shanghai", "JB-05", "JB-06", "synthetic"):
        assert words in page.text


def test_a_map_carries_no_officers_phone() -> None:
    """Maps are printed and saved: desks' numbers are on them, officers' are not."""
    html = grids_html()
    assert sample.OFFICER.duty_phone not in html
    assert "0571-0000 0110" in html


def test_shapes_are_rounded_for_display_only_in_the_page() -> None:
    """Coordinates in the page have six decimals at most."""
    coordinates = re.findall(r"\d+\.\d+", json.dumps(Page(grids_html()).data["data"]["layers"]))  # type: ignore[index]
    assert len(coordinates) > 1000
    assert all(len(one.partition(".")[2]) <= 6 for one in coordinates)


def test_an_empty_deployment_says_so() -> None:
    """Without grids there is a sentence instead of an empty sea."""
    page = Page(grid_map([], at=sample.AT, zone=ZONE, lang="en").html())
    assert "There are no grids yet" in page.text
    assert page.requests() == []


def test_a_layer_without_a_roster_raises_no_alarm() -> None:
    """Grids whose layer has no chain of response are neither covered nor uncovered."""
    unstaffed = [one for one in sample.states() if one.layer == "police"]
    unstaffed = [
        type(one)("beats", one.grid, one.unit, one.shape, (), sample.RESPONSES["unstaffed"]) for one in unstaffed
    ]
    titles = {"beats": {"zh-CN": "巡区", "en": "Beats"}}
    page = Page(grid_map(unstaffed, at=sample.AT, zone=ZONE, lang="en", titles=titles).html())
    assert "Beats: 6, no roster" in page.text
    assert "NOBODY" not in page.text
    assert "vacant" not in page.text


def test_faults_of_a_tiling_are_on_the_map() -> None:
    """A gap or an overlap is drawn, named in the legend and counted, with its size and grids."""
    flaws = [Flaw(kind, ("JB-01", EVIL), 12.34, sample.states()[0].shape) for kind in ("gap", "gap", "unheard-of")]
    page = Page(grids_html("en", flaws=flaws))
    drawn = page.data["data"]["flaws"]  # type: ignore[index]
    assert drawn[0]["title"] == "gap"
    assert drawn[0]["detail"] == f"JB-01, {EVIL} · 12.3 m²"
    assert "gap" in page.text
    assert "unheard-of" in page.text
