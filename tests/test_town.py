"""The generated town is a valid city of its own: laws over its rows, whatever the seed."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text

import fixtures
from fixtures.frame import Frame
from fixtures.names import COMMUNITIES
from fixtures.town import MadeTown, generate
from spatial.db import Database, versions
from spatial.errors import Conflict, InputError
from spatial.geometry import GRS80
from spatial.tables import (
    Address,
    Assignment,
    Barrier,
    Cover,
    Deployment,
    DutyEvent,
    Grid,
    GridCell,
    GridVersion,
    Incident,
    Layer,
    Leave,
    Officer,
    OfficerVersion,
    PlaceVersion,
    RoadEdge,
    RoadNode,
    Shift,
    TeamVersion,
    Unit,
    UnitVersion,
)

ANCHOR = date(2025, 3, 3)
ZONE = ZoneInfo("Asia/Shanghai")
FIRST, LAST = datetime(2025, 2, 17, tzinfo=UTC), datetime(2025, 3, 31, tzinfo=UTC)  # 08:00 in Shanghai
SEEDS = [1, 2, 3, 4, 5]
FEW = SEEDS[:2]  # for laws that hang on the seed less
UNSEEN = 2  # seeds drawn anew in every run
Edges = Counter[tuple[tuple[float, ...], ...]]
Row = dict[str, Any]


@lru_cache(maxsize=8)
def town_of(seed: int, anchor: date = ANCHOR) -> MadeTown:
    return generate(Frame(seed, anchor, ZONE))


@lru_cache(maxsize=200)
def rows_of(seed: int, table: type) -> list[tuple[int, Row]]:
    """Return the rows of a table with their ids."""
    return list(enumerate(town_of(seed).rows.tables[table], start=1))


def digest(town: MadeTown) -> str:
    """Return a hash of every row and of the truth."""
    told = [(table.__name__, [sorted(row.items()) for row in rows]) for table, rows in town.rows.tables.items()]
    return hashlib.sha256(repr((told, town.truth)).encode()).hexdigest()


def edges(shapes: Iterable[shapely.MultiPolygon]) -> Edges:
    """Return how often each undirected edge is used."""
    found: Edges = Counter()
    for shape in shapes:
        for polygon in shape.geoms:
            for ring in (polygon.exterior, *polygon.interiors):
                found.update(tuple(sorted(pair)) for pair in pairwise(ring.coords))
    return found


def border(shapes: Iterable[shapely.MultiPolygon]) -> set[tuple[tuple[float, ...], ...]]:
    """Return the edges that only one of some shapes has."""
    return {edge for edge, n in edges(shapes).items() if n == 1}


def in_force(seed: int, layer: str, at: datetime) -> dict[int, shapely.MultiPolygon]:
    """Return the shapes of a layer's grids at an instant, by grid."""
    (layer_id,) = [number for number, row in rows_of(seed, Layer) if row["code"] == layer]
    return {
        row["grid_id"]: row["geom"]
        for _, row in rows_of(seed, GridVersion)
        if row["layer_id"] == layer_id and row["valid"].contains(at)
    }


def moments(seed: int) -> list[datetime]:
    """Return instants before and after the redraw."""
    at = datetime.fromisoformat(town_of(seed).truth["redraw"]["at"])
    return [at - timedelta(seconds=1), at]


def assert_tiling(seed: int) -> None:
    outlines = {
        row["kind"]: row["geom"] for _, row in rows_of(seed, UnitVersion) if row["kind"] in ("street", "station")
    }
    for layer in ("governance", "police"):
        for at in moments(seed):
            shapes = in_force(seed, layer, at).values()
            used = edges(shapes)
            assert all(shape.is_valid and not shape.is_empty for shape in shapes), seed
            assert shapely.coverage_is_valid(list(shapes)), seed
            assert max(used.values()) == 2, seed
            assert all(border(shapes) == set(edges([outline])) for outline in outlines.values()), seed
            assert max(GRS80.line_length(*zip(*edge, strict=True)) for edge in used) <= 200.001, seed
            assert all(round(value, 9) == value for edge in used for point in edge for value in point), seed


def assert_embedded(seed: int) -> None:
    cells = defaultdict(list)
    for _, row in rows_of(seed, GridCell):
        cells[row["grid_id"]].append(row["cell_id"])
    for at in moments(seed):
        governance, police = in_force(seed, "governance", at), in_force(seed, "police", at)
        assert sorted(cell for held in cells.values() for cell in held) == sorted(governance), seed
        for grid, shape in police.items():
            assert border(governance[cell] for cell in cells[grid]) == set(edges([shape])), seed


@pytest.mark.parametrize("seed", SEEDS)
def test_both_layers_tile_the_street(seed: int) -> None:
    """Stored shapes are valid, share every border bit for bit, and end exactly where the street ends."""
    assert_tiling(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_police_grids_are_unions_of_governance_grids(seed: int) -> None:
    """Before and after the redraw, a police grid's edges are those that its cells have once."""
    assert_embedded(seed)


@given(seed=st.integers(6, 10**9))
@hypothesis.settings(max_examples=UNSEEN, deadline=None, database=None, phases=[hypothesis.Phase.generate])
def test_seeds_nobody_has_seen_are_valid_too(seed: int) -> None:
    """Seeds drawn anew in every run give valid tilings, whole police grids and honest rosters."""
    assert_tiling(seed)
    assert_embedded(seed)
    assert_no_overlaps(seed)
    assert_counts(seed)


def test_rows_are_a_function_of_seed_and_anchor() -> None:
    """Another process, with other hash seeds, makes the same rows; another seed or week does not."""
    code = "from tests.test_town import digest, town_of; print(digest(town_of(1)))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    found = {digest(town_of(1)), digest(town_of(2)), digest(town_of(1, ANCHOR + timedelta(days=7)))}
    assert digest(town_of(1)) == elsewhere.stdout.strip()
    assert len(found) == 3


def test_shapes_do_not_depend_on_the_week() -> None:
    """A town anchored to another Monday has the same borders."""
    later = town_of(1, ANCHOR + timedelta(days=7)).rows.tables[GridVersion]
    assert [row["geom"].wkb for row in later] == [row["geom"].wkb for _, row in rows_of(1, GridVersion)]


def assert_counts(seed: int) -> None:
    kinds = Counter(row["kind"] for _, row in rows_of(seed, UnitVersion))
    people = Counter(row["kind"] for _, row in rows_of(seed, OfficerVersion) if row["valid"].contains(LAST))
    assert (len(in_force(seed, "governance", LAST)), len(in_force(seed, "police", LAST))) == (120, 15)
    assert (kinds["community"], kinds["patrol_company"]) == (len(COMMUNITIES), 3)
    assert Counter(row["tree"] for _, row in rows_of(seed, Unit))["agency"] == 10
    assert people["community_officer"] + people["duty_police"] == 40
    assert (people["enforcement"], people["grid_worker"]) == (150, 350)
    assert Counter(row["kind"] for _, row in rows_of(seed, TeamVersion)) == {"squad": 18}
    assert 1100 <= len(rows_of(seed, Incident)) <= 1300
    assert 1800 <= len(rows_of(seed, Address)) <= 2100
    assert 450 <= len(rows_of(seed, RoadNode)) <= 700


def test_the_town_is_as_large_as_promised() -> None:
    """There are 120 and 15 grids, 40 police, 150 of enforcement, 350 wardens, 18 squads, a month of incidents."""
    assert_counts(1)


@pytest.mark.parametrize("seed", FEW)
def test_a_street_has_an_exclave_a_hole_and_special_grids(seed: int) -> None:
    """One grid has two parts that do not touch, another has a hole which a dedicated grid fills exactly."""
    shapes = list(in_force(seed, "governance", LAST).values())
    (exclave,) = [shape for shape in shapes if len(shape.geoms) > 1]
    holes = [ring for shape in shapes for polygon in shape.geoms for ring in polygon.interiors]
    assert len(exclave.geoms) == 2
    assert exclave.geoms[0].disjoint(exclave.geoms[1])
    assert len(holes) == 1
    assert any(
        set(edges([shape])) == edges([shapely.MultiPolygon([shapely.Polygon(holes[0])])]).keys() for shape in shapes
    )
    assert Counter(row["kind"] for _, row in rows_of(seed, GridVersion))["dedicated"] == 3
    assert Counter(row["kind"] for _, row in rows_of(seed, GridVersion))["micro"] == 2


def test_codes_follow_their_schemes() -> None:
    """Governance codes have 15 digits and begin with their community's; codes of a layer differ."""
    of_unit = {row["unit_id"]: row["code"] for _, row in rows_of(1, UnitVersion)}
    codes = {row["grid_id"]: (row["code"], of_unit[row["unit_id"]]) for _, row in rows_of(1, GridVersion)}
    governance = [codes[grid] for grid in in_force(1, "governance", LAST)]
    assert all(re.fullmatch(r"\d{15}", code) and code.startswith(unit) for code, unit in governance)
    assert len(set(codes.values())) == len(codes)


def assert_no_overlaps(seed: int) -> None:
    spans = defaultdict(list)
    for number, row in rows_of(seed, Shift):
        spans[row["officer_id"], row["team_id"], row["parent_shift"]].append(
            (row["planned"].lower, row["planned"].upper)
        )
        if row["parent_shift"] is not None:
            whole = rows_of(seed, Shift)[row["parent_shift"] - 1][1]
            assert whole["planned"].contains(row["planned"]), number
            assert (whole["officer_id"], whole["team_id"]) == (row["officer_id"], row["team_id"]), number
    for held in spans.values():
        held.sort()
        assert all(one[1] <= other[0] for one, other in pairwise(held)), seed


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_on_two_shifts_at_once(seed: int) -> None:
    """Shifts of an officer or a team do not overlap; a part lies within its own shift."""
    assert_no_overlaps(seed)


def test_rosters_reach_two_weeks_back_and_three_ahead() -> None:
    """Whatever the day of this week, two weeks lie before and after it; every shift keeps within a duty day."""
    planned = [row["planned"] for _, row in rows_of(1, Shift)]
    assert min(span.lower for span in planned) == FIRST
    assert max(span.upper for span in planned) == LAST
    day = timedelta(days=1)
    assert all((span.lower - FIRST) // day == (span.upper - FIRST - timedelta(seconds=1)) // day for span in planned)
    shifts = dict(rows_of(1, Shift))
    assert all(shifts[row["shift_id"]]["planned"].contains(row["span"]) for _, row in rows_of(1, Cover))


def uncovered(spans: Iterable[Any]) -> Iterator[tuple[datetime, datetime]]:
    """Yield what some spans leave of the rosters' weeks."""
    reached = FIRST
    for span in sorted(spans, key=lambda one: one.lower):
        if span.lower > reached:
            yield reached, span.lower
        reached = max(reached, span.upper)
    if reached < LAST:
        yield reached, LAST


def covering(seed: int, column: str, subject: int, kinds: set[str]) -> list[Any]:
    """Return the spans over which shifts of some kinds cover a grid or a unit."""
    shifts = dict(rows_of(seed, Shift))
    covers = [row for _, row in rows_of(seed, Cover) if row[column] == subject]
    return [row["span"] for row in covers if shifts[row["shift_id"]]["kind"] in kinds]


def planted(seed: int, kind: str) -> Row:
    (gap,) = [gap for gap in town_of(seed).truth["gaps"] if gap["kind"] == kind]
    return gap


def span_of(gap: Row) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(gap["from"]), datetime.fromisoformat(gap["until"])


@pytest.mark.parametrize("seed", FEW)
def test_only_the_planted_gaps_are_there(seed: int) -> None:
    """Squads, crews and desks are there round the clock, but for the night and the hour on record."""
    units = {row["code"]: row["unit_id"] for _, row in rows_of(seed, UnitVersion)}
    no_squad, no_crew = planted(seed, "no-squad"), planted(seed, "no-crew")
    for code in ("SW-PQ-1", "SW-PQ-2", "SW-PQ-3"):
        gaps = list(uncovered(covering(seed, "unit_id", units[code], {"patrol"})))
        assert gaps == ([span_of(no_squad)] if code == no_squad["unit"] else [])
    station = units[no_crew["unit"]]
    assert list(uncovered(covering(seed, "unit_id", station, {"duty", "standby"}))) == [span_of(no_crew)]
    assert not list(uncovered(covering(seed, "unit_id", station, {"desk"})))
    assert not list(uncovered(covering(seed, "unit_id", station, {"leader"})))
    assert not list(uncovered(covering(seed, "unit_id", units["339901001000"], {"desk"})))


@pytest.mark.parametrize("seed", FEW)
def test_one_grid_is_forgotten_and_one_is_vacant(seed: int) -> None:
    """The new dedicated grid is on nobody's list; one police grid has no lead; every other grid has exactly one."""
    ids = {row["code"]: row["grid_id"] for _, row in rows_of(seed, GridVersion)}
    forgotten, vacant = ids[planted(seed, "nobody-ever")["governance"][0]], ids[planted(seed, "no-lead")["police"][0]]
    held = [row for _, row in rows_of(seed, Assignment)]
    assert forgotten not in {row["grid_id"] for row in held}
    assert forgotten not in {row["grid_id"] for _, row in rows_of(seed, Cover)}
    for at in (datetime(2025, 3, 4, tzinfo=UTC), datetime(2025, 3, 20, tzinfo=UTC)):
        leads = Counter(row["grid_id"] for row in held if row["role"] == "lead" and row["valid"].contains(at))
        assert leads == Counter(set(range(1, len(rows_of(seed, Grid)) + 1)) - {forgotten, vacant})


def test_a_grid_passes_to_another_officer_next_week() -> None:
    """The lead on record ends when the next one's begins, and the successor is then a community officer."""
    truth = town_of(1).truth["handover"]
    at = datetime.fromisoformat(truth["at"])
    numbers = {number: row["number"] for number, row in rows_of(1, Officer)}
    ends = {numbers[row["officer_id"]] for _, row in rows_of(1, Assignment) if row["valid"].upper == at}
    begins = {numbers[row["officer_id"]] for _, row in rows_of(1, Assignment) if row["valid"].lower == at}
    kinds = {row["kind"] for _, row in rows_of(1, OfficerVersion) if numbers[row["officer_id"]] == truth["to"]}
    assert timedelta(0) < at - datetime(2025, 3, 9, 16, tzinfo=UTC) < timedelta(days=7)
    assert (ends, begins, kinds) == ({truth["from"]}, {truth["to"]}, {"duty_police", "community_officer"})


def test_people_are_away_and_duties_fail() -> None:
    """There is leave of every kind, a no-show, a committed squad, somebody unreachable."""
    assert {row["kind"] for _, row in rows_of(1, Leave)} == {"annual", "sick", "training", "secondment"}
    assert {row["kind"] for _, row in rows_of(1, DutyEvent)} == {"no_show", "committed", "unreachable"}


def test_everything_is_plainly_synthetic() -> None:
    """Phones cannot be dialled, people are named after stems, incidents say what they are, codes are of no county."""
    phone = re.compile(r"0571-0000-\d{4}")
    people = [row for _, row in rows_of(1, OfficerVersion)]
    units = [row for _, row in rows_of(1, UnitVersion)]
    assert all(phone.fullmatch(row["duty_phone"]) for row in people)
    assert all(re.fullmatch("[一-鿿][甲乙丙丁戊己庚辛壬癸]{2}", row["name"]) for row in people)
    assert all(phone.fullmatch(row["contacts"]["phone"]) and row["contacts"]["desk"] for row in units)
    assert all(re.match(r"SW-|3399", row["code"]) for row in units)
    assert all(row["masked_text"].startswith("【合成】") for _, row in rows_of(1, Incident))


@pytest.mark.parametrize("seed", FEW)
def test_roads_cross_water_by_bridges_alone(seed: int) -> None:
    """A road that is not a bridge does not meet the river; there are some bridges."""
    roads = [row for _, row in rows_of(seed, RoadEdge)]
    river = shapely.union_all([row["geom"] for _, row in rows_of(seed, Barrier) if row["kind"] == "river"])
    assert not any(row["geom"].intersects(river) for row in roads if not row["is_bridge"])
    assert sum(row["is_bridge"] for row in roads) >= 8


def test_places_and_addresses_lie_in_the_street() -> None:
    """Nothing is marked outside the street; buildings belong to an estate and have floors."""
    (outline,) = [row["geom"] for _, row in rows_of(1, UnitVersion) if row["kind"] == "street"]
    shapely.prepare(outline)
    points = [row["point"] for table in (PlaceVersion, Address, Incident) for _, row in rows_of(1, table)]
    assert all(outline.contains(point) for point in points)
    buildings = [row for _, row in rows_of(1, PlaceVersion) if row["klass"] == "building"]
    assert sum(row["parent_place_id"] is not None for row in buildings) > 100
    assert all(row["floors"] for row in buildings)


def test_incidents_come_in_order_within_the_month() -> None:
    """Reported, dispatched, arrived, closed follow each other; nothing is later than the anchor."""
    anchor = datetime(2025, 3, 2, 16, tzinfo=UTC)
    for _, row in rows_of(1, Incident):
        known = [row[key] for key in ("at", "dispatched_at", "arrived_at", "closed_at") if row[key]]
        assert known == sorted(known)
        assert anchor - timedelta(days=28) <= known[0] <= known[-1] <= anchor


def test_the_planted_hot_spot_stands_out() -> None:
    """The evening thefts around the market are many times what a place of that size gets."""
    spot = town_of(1).truth["hotspot"]
    near = sum(
        GRS80.inv(*spot["point"], row["point"].x, row["point"].y)[2] <= spot["radius_m"] + 1
        for _, row in rows_of(1, Incident)
    )
    assert near >= spot["n"]
    assert near > 10 * len(rows_of(1, Incident)) * 3.15 * spot["radius_m"] ** 2 / 15e6


def test_a_day_that_is_no_monday_is_refused(empty_database: Database) -> None:
    """The anchor is a Monday, the size is known; otherwise nothing is written."""
    with pytest.raises(InputError):
        fixtures.load(empty_database, anchor=date(2025, 3, 4), truth_file=None, progress=print)
    with pytest.raises(InputError):
        fixtures.load(empty_database, size="country", anchor=ANCHOR, truth_file=None, progress=print)


def test_the_town_loads_once(empty_database: Database, tmp_path: Path) -> None:
    """Loading makes one version of every domain, labels the deployment and tells the truth; a second one is refused."""
    shares: list[float] = []
    truth_file = tmp_path / "deep" / "truth.json"

    def load() -> None:
        fixtures.load(
            empty_database, anchor=ANCHOR, truth_file=truth_file, progress=lambda share, _text: shares.append(share)
        )

    load()
    with empty_database.read() as session:
        assert set(versions(session).values()) == {1}
        assert session.scalars(select(Deployment)).one().synthetic
        assert session.scalar(select(func.count()).select_from(Shift)) == len(rows_of(1, Shift))
        assert session.scalar(text("SELECT count(*) FROM audit WHERE action = 'demo.load'")) == 1
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert json.loads(truth_file.read_text(encoding="utf-8")) == town_of(1).truth
    with pytest.raises(Conflict):
        load()


def test_a_load_cut_short_leaves_nothing(empty_database: Database, tmp_path: Path) -> None:
    """Whatever ends a load half way, the database stays empty and no truth is told."""

    def stop(share: float, _text: str) -> None:
        if share > 0.9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fixtures.load(empty_database, anchor=ANCHOR, truth_file=tmp_path / "truth.json", progress=stop)
    with empty_database.read() as session:
        assert session.scalar(select(func.count()).select_from(Unit)) == 0
        assert set(versions(session).values()) == {0}
    assert not list(tmp_path.iterdir())


def test_a_town_follows_what_is_there_already(empty_database: Database) -> None:
    """Principals and calendar days that came before the town stay, and the town's ids go on from them."""
    with empty_database.write() as session:
        session.execute(text("INSERT INTO principal (name, title) VALUES ('somebody', '{}')"))
        session.execute(text("INSERT INTO calendar_day VALUES ('2025-03-03', 'holiday')"))
    fixtures.load(empty_database, anchor=ANCHOR, truth_file=None, progress=lambda _share, _text: None)
    with empty_database.read() as session:
        holders = (
            "SELECT count(DISTINCT principal_id) FROM role_grant JOIN principal p ON p.id = principal_id AND is_demo"
        )
        assert session.scalar(text(holders)) == 9
        assert session.scalar(text("SELECT kind FROM calendar_day WHERE day = '2025-03-03'")) == "holiday"


def test_rosters_are_extended_when_a_week_is_left(town_copy: Database) -> None:
    """Two weeks are added when less than one is left, once; the rotation goes on, and no squad area is left alone."""
    shares: list[float] = []

    def extended(now: datetime) -> int:
        return fixtures.extend(town_copy, now=now, progress=lambda share, _text: shares.append(share))

    assert (extended(LAST - timedelta(days=8)), shares) == (0, [])
    assert extended(LAST - timedelta(days=6)) > 3000
    assert shares == sorted(shares)
    assert (len(shares), shares[0], shares[-1]) == (17, 0.0, 1.0), "one for each day, one for its checks, begin and end"
    assert (extended(LAST - timedelta(days=6)), len(shares)) == (0, 17)
    with town_copy.read() as session:
        end = session.scalar(select(func.max(func.upper(Shift.planned))))
        gaps = session.execute(text(SQUAD_GAPS), {"start": LAST - timedelta(days=7), "end": LAST + timedelta(days=14)})
        assert end == LAST + timedelta(days=14)
        assert [row.gaps for row in gaps] == ["{}", "{}", "{}"]


def test_rosters_start_again_after_a_long_sleep(town_copy: Database) -> None:
    """A demo started months later has two weeks of rosters before and after the day."""
    now = LAST + timedelta(days=100, hours=5)
    assert fixtures.extend(town_copy, now=now, progress=lambda *_: None) > 5000
    with town_copy.read() as session:
        span = {"start": now - timedelta(days=14), "end": now + timedelta(days=13)}
        assert [row.gaps for row in session.execute(text(SQUAD_GAPS), span)] == ["{}", "{}", "{}"]


def test_a_real_city_is_not_extended(empty_database: Database) -> None:
    """Rosters of a deployment that is not synthetic are nobody's to invent."""
    assert fixtures.extend(empty_database, now=LAST, progress=lambda *_: None) == 0


SQUAD_GAPS = """
SELECT CAST(tstzmultirange(tstzrange(:start, :end)) - range_agg(c.span) AS text) AS gaps
FROM cover c JOIN shift s ON s.id = c.shift_id JOIN unit_version u ON u.unit_id = c.unit_id
WHERE u.kind = 'patrol_company' AND s.kind = 'patrol' AND s.team_id IS NOT NULL
GROUP BY c.unit_id
"""


def test_incidents_go_on_until_now(town_copy: Database) -> None:
    """A demo has incidents up to the minute it is started, day after day; a silent feed stays silent."""
    anchor = datetime(2025, 3, 2, 16, tzinfo=UTC)
    for now in (anchor + timedelta(days=4, hours=2), anchor + timedelta(days=100)):
        assert fixtures.report(town_copy, now=now) > 100
        with town_copy.read() as session:
            assert session.scalar(select(func.max(Incident.at))) <= now
            days = session.execute(text(REPORTED_BY_DAY), {"first": anchor, "now": now}).all()
        assert all(15 < day.n < 120 for day in days)
        assert all(day.heard for day in days)
        assert fixtures.report(town_copy, now=now + timedelta(seconds=20)) == 0


def test_incidents_that_go_on_hang_together(town_copy: Database) -> None:
    """Starting a demo often or once gives the same incidents; steps to come have not been taken."""
    anchor = datetime(2025, 3, 2, 16, tzinfo=UTC)
    for hours in (5, 30, 50, 54):
        fixtures.report(town_copy, now=anchor + timedelta(hours=hours))
    with town_copy.read() as session:
        late = session.scalar(select(func.max(func.greatest(Incident.at, Incident.dispatched_at, Incident.closed_at))))
        assert late <= anchor + timedelta(hours=54)
        doubles = "SELECT count(*) FROM (SELECT 1 FROM incident GROUP BY at, category_id, point HAVING count(*) > 1) d"
        assert session.scalar(text(doubles)) == 0


REPORTED_BY_DAY = """
SELECT day, count(i.id) AS n,
       bool_and(s.code <> 'camera') AS heard
FROM generate_series(CAST(:first AS timestamptz), CAST(:now AS timestamptz) - interval '1 day', '1 day') AS of(day)
LEFT JOIN incident i ON i.at >= of.day AND i.at < of.day + interval '1 day'
LEFT JOIN incident_key k ON k.id = i.incident_key_id LEFT JOIN source s ON s.id = k.source_id
GROUP BY day
"""
