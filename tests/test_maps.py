"""Pages: what they say, that text in them is harmless, and that they ask no host for anything."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import shapely
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry
from sqlalchemy import event, select
from typer.testing import CliRunner

from api import map_cli
from api.acting import Caller
from api.pages import draw_grids
from maps.compact import encode
from maps.grids import grid_map
from maps.home import Figure, Person, docs_page, home_page
from maps.networks import STATES, Flaw, is_vacant, state_of
from maps.texts import LANGUAGES
from spatial.access import operator
from spatial.db import Database
from spatial.history import Moment
from spatial.roster.muster import on_duty_count
from spatial.roster.stored import ABSENT
from spatial.settings import Settings
from spatial.tables import DutyEvent, Leave, Shift, Span, TeamMember
from tests import map_sample as sample
from tests.map_shapes import decode, layers_of

ZONE = ZoneInfo("Asia/Shanghai")
EVIL = sample.EVIL
WEDNESDAY = "2025-03-05T14:05:00+08:00"


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
    assert page.data["data"]["layers"][0]["grids"][0][1] == EVIL  # type: ignore[index]
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


def test_shapes_are_simplified_for_display_only_in_the_page() -> None:
    """The page carries both networks to a decimetre, and says that its borders are not those of the look-up."""
    states, page = sample.states(), Page(grids_html("en"))
    for layer, drawn in zip(("police", "governance"), layers_of(page.data["data"]), strict=True):
        shapes = [one.shape for one in states if one.layer == layer]
        assert shapely.coverage_is_valid(drawn)
        assert shapely.hausdorff_distance(shapes, drawn).max() < 2e-6
        assert not any(shapely.equals_exact(shapes, drawn))
    assert "simplified for display; a look-up decides" in page.text


def test_a_city_is_a_file_of_few_megabytes() -> None:
    """10,764 grids with their people make a file under 8 MB, in which each network still covers without a hole."""
    states = sample.city()
    html = grid_map(states, at=sample.AT, zone=ZONE, lang="zh-CN").html()
    assert len(html.encode()) < 8_000_000
    data = Page(html).data["data"]
    assert [len(layer["grids"]) for layer in data["layers"]] == [1194, 9570]  # type: ignore[index]
    for layer, drawn in zip(("police", "governance"), layers_of(data), strict=True):
        shapes = [one.shape for one in states if one.layer == layer]
        assert shapely.coverage_is_valid(drawn)
        assert touching(drawn) == touching(shapes)


def touching(shapes: list[BaseGeometry]) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in zip(*shapely.STRtree(shapes).query(shapes, predicate="touches"), strict=True)}


@given(st.lists(st.integers(-(2**33), 2**33)))
def test_numbers_come_back_from_text(numbers: list[int]) -> None:
    """What the page carries as text are the same whole numbers, whatever they are."""
    assert decode(encode(numbers)) == numbers


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


def test_the_town_is_a_small_file(town: Database, client_as: Callable[..., TestClient]) -> None:
    """The served map of the town, without Leaflet, is less than a megabyte, and asks for nothing else."""
    reply = client_as(town).get("/maps/grids", params={"at": WEDNESDAY, "lang": "en"})
    assert reply.status_code == 200
    page = Page(reply.text)
    assert page.requests() == []
    assert len(reply.content) - len("".join(page.scripts)) < 1_000_000
    assert "Police grids" in page.text
    assert "synthetic" in page.text


def test_all_grids_are_asked_about_at_once(town: Database) -> None:
    """The page of the map takes a fixed number of queries, however many grids there are."""
    asked: list[str] = []
    event.listen(town.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with town.read() as session:
        draw_grids(session, Moment(datetime.fromisoformat(WEDNESDAY)), None, "en", Settings())
    assert 5 < len(asked) < 40


def test_pages_are_as_strict_as_the_rest(town: Database, client_as: Callable[..., TestClient]) -> None:
    """Unknown parameters, languages and layers are refused, and so is a stranger."""
    client = client_as(town)
    assert client.get("/maps/grids", params={"when": "now"}).status_code == 400
    assert client.get("/maps/grids", params={"at": "yesterday"}).status_code == 400
    assert client.get("/", params={"lang": "tlh"}).status_code == 400
    assert client.get("/maps/grids", params={"layer": "none"}).status_code == 404
    client.cookies.set("twingrid_demo", "demo-nobody")
    assert client.get("/maps/grids").status_code == 401


def test_one_layer_can_be_drawn_alone(town: Database, client_as: Callable[..., TestClient]) -> None:
    """`layer` chooses the networks."""
    reply = client_as(town).get("/maps/grids", params={"at": WEDNESDAY, "lang": "en", "layer": "police"})
    layers = Page(reply.text).data["data"]["layers"]  # type: ignore[index]
    assert [(one["title"], one["strong"]) for one in layers] == [("Police grids", True)]


def test_home_names_everything(town: Database, client_as: Callable[..., TestClient]) -> None:
    """Home counts the grids, offers the demo's roles, an example, and the way to map, documentation and health."""
    page = Page(client_as(town).get("/", params={"lang": "en"}).text)
    assert {"/maps/grids?lang=en", "/docs?lang=en", "/openapi.json", "/ready", "/?lang=zh-CN"} <= set(page.links)
    for words in ("Police grids", "people on duty", "Demo dispatcher", "synthetic"):
        assert words in page.text


def test_home_of_an_empty_deployment(empty_database: Database, client_as: Callable[..., TestClient]) -> None:
    """Without any data the page is there, with neither figures nor an example."""
    reply = client_as(empty_database).get("/", params={"lang": "en"})
    assert reply.status_code == 200
    assert "people on duty" not in reply.text


def test_people_on_duty_are_counted_once(town: Database) -> None:
    """An officer on a patrol inside a duty, or in two teams, is one person; who is on leave or absent is none."""
    at = datetime.fromisoformat(WEDNESDAY)
    with town.read() as session:
        running = [one for one in session.scalars(select(Shift)) if _holds(one.actual or one.planned, at)]
        running = [one for one in running if one.state != "cancelled" and one.recorded.upper is None]
        absent = {
            one.shift_id for one in session.scalars(select(DutyEvent)) if one.kind in ABSENT and _holds(one.span, at)
        }
        teams = {one.team_id for one in running if one.team_id and one.id not in absent}
        people = {one.officer_id for one in running if one.officer_id and one.id not in absent}
        people |= {
            one.officer_id
            for one in session.scalars(select(TeamMember))
            if one.team_id in teams and _holds(one.valid, at)
        }
        people -= {one.officer_id for one in session.scalars(select(Leave)) if _holds(one.valid, at)}
        assert len(people) > 100
        assert on_duty_count(session, Moment(at)) == len(people)


def _holds(span: Span, at: datetime) -> bool:
    return at in span


def test_the_command_line_writes_the_same_map(
    town_copy: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`twingrid map grids` writes a file that needs nothing else, or says why it cannot."""
    caller = Caller(town_copy, operator("test"), None)
    monkeypatch.setattr(map_cli, "calling", lambda _permission: nullcontext(caller))
    file = tmp_path / "map.html"
    options = ["grids", "--at", WEDNESDAY, "--lang", "en", "-o"]
    done = CliRunner().invoke(map_cli.app_map, [*options, str(file)])
    assert done.exit_code == 0
    assert str(file) in done.stdout
    page = Page(file.read_text("utf-8"))
    assert page.requests() == []
    assert "Police grids: all 15 covered" in page.text
    assert CliRunner().invoke(map_cli.app_map, [*options, str(tmp_path / "no" / "map.html")]).exception.faults  # type: ignore[union-attr]
    assert CliRunner().invoke(map_cli.app_map, [*options[:-2], "xx", "-o", str(file)]).exit_code == 2
