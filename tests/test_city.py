"""The generated city is one: its numbers, its rosters round the clock, its incidents, and what was planted in it."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, text

import fixtures
from spatial.db import Database
from spatial.lookup import stored
from spatial.lookup.model import Question
from spatial.tables import Base
from tests.conftest import City
from tests.content import content_hash

SEEDS = [pytest.param(seed, marks=pytest.mark.proof) for seed in (1, 2)]
FIRST, LAST = datetime(2025, 2, 17, tzinfo=UTC), datetime(2025, 3, 31, tzinfo=UTC)  # 08:00 in Shanghai
TABLES = Base.metadata.sorted_tables
ANCHOR = datetime(2025, 3, 2, 16, tzinfo=UTC)


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed {seed}")
def any_city(request: pytest.FixtureRequest, city_of: Callable[[int], City]) -> City:
    """Return a city and what was planted in it."""
    return city_of(request.param)


def rows(database: Database, statement: str, **values: Any) -> list[Row[Any]]:
    with database.read() as session:
        session.execute(text("SET LOCAL statement_timeout = '120s'"))
        return list(session.execute(text(statement), values))


def only(database: Database, statement: str, **values: Any) -> Any:
    """Return the one value of a query."""
    ((value,),) = rows(database, statement, **values)
    return value


def counted(database: Database, statement: str, **values: Any) -> dict[Any, Any]:
    """Return values by name."""
    return {row[0]: row[1] for row in rows(database, statement, **values)}


def test_it_is_as_large_as_a_prefecture(any_city: City) -> None:
    """Grids, units, people, shifts and incidents are as many as promised."""
    database, _ = any_city
    grids = counted(database, """
        SELECT l.code, count(*) FROM grid_version g JOIN layer l ON l.id = g.layer_id
        WHERE upper_inf(g.valid) GROUP BY 1""")  # fmt: skip
    units = counted(database, "SELECT kind, count(*) FROM unit_version GROUP BY 1")
    people = counted(database, "SELECT kind, count(*) FROM officer_version GROUP BY 1")
    assert grids == {"governance": 9570, "police": 1194}
    assert (units["district"], units["street"], units["bureau"]) == (10, 186, 1)
    assert 2700 <= units["community"] <= 2900
    assert 180 <= units["station"] <= 200
    assert (people["community_officer"], people["auxiliary"], people["grid_worker"]) == (1024, 2927, 9570)
    assert people["duty_police"] > 12 * units["station"]
    assert 300_000 < only(database, "SELECT count(*) FROM shift") < 520_000
    assert 190_000 < only(database, "SELECT count(*) FROM incident") < 210_000


def test_layers_are_laid_over_each_other(any_city: City) -> None:
    """Police grids are not built from governance grids; some of them cut through one."""
    database, _ = any_city
    assert only(database, "SELECT count(*) FROM layer WHERE built_from_id IS NOT NULL") == 0
    assert only(database, "SELECT count(*) FROM grid_cell") == 0


def test_units_hang_together_by_links(any_city: City) -> None:
    """Every unit but the heads has one parent; codes are no prefixes of it: some branches match no district."""
    database, truth = any_city
    parents = counted(database, """
        SELECT v.kind, count(l.id) - count(*) FROM unit_version v
        LEFT JOIN unit_link l ON l.unit_id = v.unit_id AND l.kind IN ('command', 'administers')
        WHERE v.kind IN ('branch', 'station', 'district', 'street', 'community') GROUP BY 1""")  # fmt: skip
    assert set(parents.values()) == {0}
    assert len(truth["branches_without_district"]) >= 2
    serves = "SELECT count(DISTINCT unit_id) FROM unit_link WHERE kind = 'serves'"
    assert only(database, serves) == only(database, "SELECT count(*) FROM unit_version WHERE kind = 'station'")
    assert only(database, "SELECT count(*) FROM unit_version WHERE kind = 'community' AND code !~ '^[0-9]{12}$'") == 0
    assert only(database, "SELECT count(*) FROM unit_version WHERE contacts ->> 'desk' IS NULL") == 0


GAPS = """
WITH crew AS (
    SELECT c.unit_id, c.span,
           coalesce((SELECT range_agg(e.span) FROM duty_event e WHERE e.shift_id = s.id), '{}')
           + coalesce((SELECT range_agg(l.valid) FROM leave l WHERE l.officer_id = s.officer_id), '{}') AS absent
    FROM cover c
    JOIN shift s ON s.id = c.shift_id AND s.kind = ANY(:kinds)
    JOIN officer_version o ON o.officer_id = s.officer_id AND o.kind = ANY(:people)
    WHERE c.unit_id IS NOT NULL
), present AS (
    SELECT unit_id, unnest(tstzmultirange(span) - absent) AS span FROM crew
)
SELECT v.code, lower(gap) AS start, upper(gap) AS until
FROM unit_version v
LEFT JOIN (SELECT unit_id, range_agg(span) AS there FROM present GROUP BY unit_id) p USING (unit_id)
CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(:first, :last)) - coalesce(p.there, '{}')) AS gap
WHERE v.kind = :unit_kind
"""


def gaps(
    database: Database,
    unit_kind: str,
    kinds: list[str],
    people: list[str],
    first: datetime = FIRST,
    last: datetime = LAST,
) -> set[tuple[Any, ...]]:
    """Return when nobody of some kinds was present at units of a kind."""
    values = {"unit_kind": unit_kind, "kinds": kinds, "people": people, "first": first, "last": last}
    return {tuple(row) for row in rows(database, GAPS, **values)}


def span_of(one: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["until"])


def test_every_station_is_staffed_round_the_clock(any_city: City) -> None:
    """Police of the crew, a leader and the desk are there at every instant of six weeks, planted gaps apart."""
    database, truth = any_city
    assert gaps(database, "station", ["duty", "standby"], ["duty_police"]) == {
        (gap["unit"], *span_of(gap)) for gap in truth["gaps"]
    }
    assert gaps(database, "station", ["leader"], ["duty_police"]) == set()
    assert gaps(database, "station", ["desk"], ["duty_police"]) == set()
    assert gaps(database, "street", ["desk"], ["mediator"]) == set()


CAUSES = """
SELECT count(*) AS shifts,
       count(*) FILTER (WHERE EXISTS (SELECT FROM duty_event e WHERE e.shift_id = s.id AND e.kind = :cause
                                      AND e.span @> tstzrange(:start, :until))) AS events,
       count(*) FILTER (WHERE EXISTS (SELECT FROM leave l WHERE l.officer_id = s.officer_id
                                      AND l.valid @> tstzrange(:start, :until))) AS leaves
FROM unit_version v
LEFT JOIN shift s ON s.unit_id = v.unit_id AND s.kind IN ('duty', 'standby') AND s.planned && tstzrange(:start, :until)
    AND EXISTS (SELECT FROM cover c WHERE c.shift_id = s.id AND c.unit_id IS NOT NULL)
WHERE v.code = :code
GROUP BY v.unit_id
"""


def test_gaps_have_the_causes_they_were_planted_with(any_city: City) -> None:
    """Each gap shows why: nobody rostered, or a crew on leave, at a break, absent, bound, unreachable."""
    database, truth = any_city
    causes = Counter(gap["cause"] for gap in truth["gaps"])
    assert causes == dict.fromkeys(("unplanned", "leave", "break", "no_show", "committed", "unreachable"), 3)
    assert len({gap["unit"] for gap in truth["gaps"]}) == len(truth["gaps"])
    for gap in truth["gaps"]:
        start, until = span_of(gap)
        cause = gap["cause"]
        (found,) = rows(database, CAUSES, code=gap["unit"], start=start, until=until, cause=cause)
        rostered = found.shifts if cause != "unplanned" else 0
        assert (found.events > 0) == (cause in ("break", "no_show", "committed", "unreachable")), gap
        assert found.events in (0, rostered), gap
        assert (found.leaves > 0 and found.leaves == rostered) == (cause == "leave"), gap


PATTERNS = """
WITH crew AS (
    SELECT v.code, s.kind, s.planned,
           CASE WHEN s.kind = 'duty' THEN lead(lower(s.planned)) OVER duties - upper(s.planned) END AS rest
    FROM shift s
    JOIN unit_version v ON v.unit_id = s.unit_id AND v.kind = 'station'
    JOIN officer_version o ON o.officer_id = s.officer_id AND o.kind = 'duty_police'
    WHERE s.kind IN ('duty', 'standby', 'patrol') AND s.parent_shift IS NULL AND NOT v.code = ANY(:odd)
    WINDOW duties AS (PARTITION BY s.officer_id, s.kind ORDER BY s.planned)
)
SELECT code, array_agg(DISTINCT upper(planned) - lower(planned)) AS lengths, bool_or(kind = 'standby') AS standby,
       bool_or(kind = 'patrol') AS patrol, min(rest) AS rest
FROM crew GROUP BY code
"""


def test_stations_keep_to_their_patterns(any_city: City) -> None:
    """Crews work whole days, halves or thirds of them, and rest in between as their station's pattern says."""
    database, truth = any_city
    hours = {
        "24h-rest": {24},
        "three-crews-two-shifts": {12},
        "four-crews-three-shifts": {8},
        "24h-day-patrol": {12, 24},
    }
    odd = [gap["unit"] for gap in truth["gaps"]]
    found = rows(database, PATTERNS, odd=odd)
    assert set(Counter(truth["patterns"].values())) == set(hours)
    assert len(found) == len(truth["patterns"]) - len(odd)
    for row in found:
        pattern = truth["patterns"][row.code]
        assert {length / timedelta(hours=1) for length in row.lengths} == hours[pattern], row
        assert row.standby == (pattern == "24h-rest"), row
        assert row.patrol == (pattern == "24h-day-patrol"), row
        assert row.rest >= timedelta(hours=24 if pattern != "24h-rest" else 48), row


def test_vacancies_and_officers_of_several_grids_are_as_planted(any_city: City) -> None:
    """Police grids have one lead each but for the vacant; some leads hold several; forgotten grids have nobody."""
    database, truth = any_city
    vacant = {row.code for row in rows(database, """
        SELECT g.code FROM grid_version g JOIN layer l ON l.id = g.layer_id AND l.code = 'police'
        WHERE upper_inf(g.valid)
          AND NOT EXISTS (SELECT FROM assignment a WHERE a.grid_id = g.grid_id AND a.role = 'lead')""")}  # fmt: skip
    several = counted(database, """
        SELECT o.number, count(*) FROM assignment a JOIN officer o ON o.id = a.officer_id
        JOIN officer_version v ON v.officer_id = o.id AND v.kind = 'community_officer'
        WHERE a.role = 'lead' GROUP BY 1 HAVING count(*) > 1""")  # fmt: skip
    forgotten = {row.code for row in rows(database, """
        SELECT g.code FROM grid_version g WHERE upper_inf(g.valid)
          AND NOT EXISTS (SELECT FROM assignment a WHERE a.grid_id = g.grid_id)
          AND NOT EXISTS (SELECT FROM cover c WHERE c.grid_id = g.grid_id)""")}  # fmt: skip
    assert vacant == set(truth["vacant"])
    assert several == truth["several_grids"]
    assert forgotten == set(truth["forgotten"])


def test_everybody_is_on_duty_within_reason(any_city: City) -> None:
    """On a workday each grid but the planted has its worker, and each led police grid an officer or a deputy."""
    database, truth = any_city
    covered = """
        SELECT count(DISTINCT c.grid_id) FROM cover c JOIN shift s ON s.id = c.shift_id AND s.kind = 'grid'
        JOIN officer_version o ON o.officer_id = s.officer_id AND o.kind = :kind
        WHERE c.span @> CAST('2025-03-05 10:00+08' AS timestamptz)"""
    assert only(database, covered, kind="community_officer") == 1194 - len(truth["vacant"])
    workers = only(database, covered, kind="grid_worker")
    assert 0.97 * 9565 < workers <= 9565
    away = [one for one in truth["absences"] if not one["on_roster"]]
    on_duty = """
        SELECT count(*) FROM shift s JOIN officer o ON o.id = s.officer_id
        WHERE o.number = :number AND s.planned && tstzrange(:start, :until)"""
    for one in away[::20]:
        start, until = span_of(one)
        assert only(database, on_duty, number=one["officer"], start=start, until=until) == 0


def test_an_area_is_without_its_squad_for_one_night(any_city: City) -> None:
    """Of each three squads one works by day and one by night, but for the planted night."""
    database, truth = any_city
    start, until = span_of(truth["squad_gap"])
    on_patrol = """
        SELECT count(DISTINCT t.id) FROM shift s JOIN team t ON t.id = s.team_id
        WHERE s.planned @> tstzrange(:start, :until) AND left(t.code, -1) = left(:code, -1)"""
    squads = only(database, "SELECT count(*) FROM team")
    day = timedelta(days=1)
    for code in (truth["squad_gap"]["squads"][0], "SW-X011", "SW-X021"):
        planted = code in truth["squad_gap"]["squads"]
        assert only(database, on_patrol, start=start, until=until, code=code) == (0 if planted else 1)
        assert only(database, on_patrol, start=start + day, until=until + day, code=code) == 1
    assert squads % 3 == 0
    assert only(database, "SELECT count(*) FROM team_version WHERE call_sign = '' OR radio_group IS NULL") == 0


RHYTHM = """
SELECT c.code, CAST(extract(hour FROM i.at AT TIME ZONE 'Asia/Shanghai') AS int) AS hour,
       CAST(extract(isodow FROM i.at AT TIME ZONE 'Asia/Shanghai') AS int) AS day,
       CAST(extract(month FROM i.at AT TIME ZONE 'Asia/Shanghai') AS int) AS month, count(*) AS n
FROM incident i JOIN category c ON c.id = i.category_id
GROUP BY 1, 2, 3, 4
"""


def test_incidents_keep_the_rhythm_of_day_week_and_year(any_city: City) -> None:
    """Collisions come at rush hours of workdays, assaults in nights of weekends, noise in summer."""
    database, truth = any_city
    found = rows(database, RHYTHM)

    def n(code: str, wanted: Callable[[Row[Any]], bool]) -> int:
        return sum(row.n for row in found if row.code == code and wanted(row))

    assert n("collision", lambda row: row.hour in (7, 8, 17, 18)) > 2 * n(
        "collision", lambda row: row.hour in range(1, 5)
    )
    assert n("collision", lambda row: row.day <= 5) / 5 > 1.2 * n("collision", lambda row: row.day > 5) / 2
    assert n("assault", lambda row: row.day in (5, 6)) / 2 > 1.3 * n("assault", lambda row: row.day <= 3) / 3
    assert n("assault", lambda row: row.hour >= 20 or row.hour < 4) > n("assault", lambda row: 4 <= row.hour < 20)
    assert n("noise", lambda row: row.month in (6, 7, 8)) > 1.3 * n("noise", lambda row: row.month in (12, 1, 2))
    assert sum(row.n for row in found) == truth["incidents"]["n"]


def test_incidents_are_handled_in_order(any_city: City) -> None:
    """All lie in the year before the anchor; most are closed; the sources' own numbers are unique and current."""
    database, _ = any_city
    (found,) = rows(database, """
        SELECT min(at) AS first, max(greatest(at, dispatched_at, arrived_at, closed_at)) AS last,
               count(*) AS n, count(closed_at) AS closed, count(span) AS spans FROM incident""")  # fmt: skip
    assert ANCHOR - timedelta(days=364) <= found.first
    assert found.last <= ANCHOR
    assert 0.99 * found.n < found.closed < found.n
    of_category = "SELECT count(*) FROM incident i JOIN category c ON c.id = i.category_id WHERE c.code = :code"
    thefts = only(database, of_category, code="bicycle-theft")
    assert found.spans == thefts
    current = "SELECT count(*) FROM incident_key k JOIN incident i ON i.id = k.current_id AND i.incident_key_id = k.id"
    assert only(database, current) == found.n == only(database, "SELECT count(*) FROM incident_key")


NEAR = """
SELECT count(*) FILTER (WHERE i.at >= :start) AS late, count(*) FILTER (WHERE i.at < :start) AS early
FROM incident i JOIN category c ON c.id = i.category_id AND c.code = ANY(:categories)
WHERE ST_DWithin(CAST(ST_SetSRID(i.point, 4326) AS geography),
                 CAST(ST_SetSRID(ST_MakePoint(:lon, :lat), 4326) AS geography), :radius_m)
  AND i.point && ST_Expand(ST_SetSRID(ST_MakePoint(:lon, :lat), 4490), 0.01)
"""


def test_planted_hot_spots_stand_out(any_city: City) -> None:
    """Each has many times as many thefts in its weeks as in the rest of the year."""
    database, truth = any_city
    assert len(truth["hotspots"]) == 8
    for spot in truth["hotspots"]:
        start, until = span_of(spot)
        values = {"start": start, "categories": spot["categories"], "radius_m": spot["radius_m"]}
        (found,) = rows(database, NEAR, lon=spot["point"][0], lat=spot["point"][1], **values)
        weeks = (until - start) / timedelta(weeks=1)
        assert found.late >= spot["n"]
        assert found.late / weeks > 5 * max(found.early, 1) / (52 - weeks)


def test_near_repeats_follow_closely(any_city: City) -> None:
    """Each planted pair lies within some metres and days."""
    database, truth = any_city
    planted = truth["near_repeats"]
    pairs = rows(database, """
        SELECT b.at - a.at AS later, ST_Distance(CAST(ST_SetSRID(a.point, 4326) AS geography),
                                                 CAST(ST_SetSRID(b.point, 4326) AS geography)) AS m
        FROM unnest(CAST(:firsts AS text[]), CAST(:seconds AS text[])) AS pair(first, second)
        JOIN incident_key ka ON ka.external_id = pair.first JOIN incident a ON a.id = ka.current_id
        JOIN incident_key kb ON kb.external_id = pair.second JOIN incident b ON b.id = kb.current_id
        """, firsts=[one for one, _ in planted["pairs"]], seconds=[other for _, other in planted["pairs"]])  # fmt: skip
    assert len(pairs) == len(planted["pairs"]) == 600
    assert max(pair.m for pair in pairs) <= planted["within_m"]
    assert timedelta(0) < min(pair.later for pair in pairs)
    assert max(pair.later for pair in pairs) <= timedelta(days=planted["within_days"])


def test_one_feed_is_silent(any_city: City) -> None:
    """The planted feed was not heard for days; the others were within their interval."""
    database, truth = any_city
    since = datetime.fromisoformat(truth["silent_source"]["since"])
    for row in rows(database, "SELECT * FROM source"):
        last = only(database, """
            SELECT max(i.at) FROM incident i JOIN incident_key k ON k.id = i.incident_key_id
            WHERE k.source_id = :source""", source=row.id)  # fmt: skip
        assert row.last_received == last
        assert (last < since) == (row.code == truth["silent_source"]["source"])
        assert (ANCHOR - last < row.expected_interval) == (last >= since)


OWNERS = """
SELECT l.code, min(g.code COLLATE "C") AS owner
FROM grid_version g JOIN layer l ON l.id = g.layer_id
WHERE g.valid @> CAST(:at AS timestamptz) AND ST_Intersects(g.geom, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490))
GROUP BY l.code
"""
SOME_PLACES = """
(SELECT ST_X(point) AS lon, ST_Y(point) AS lat FROM incident ORDER BY md5(CAST(id AS text)) LIMIT 30)
UNION ALL
(SELECT ST_X(v.point), ST_Y(v.point) FROM place_version v JOIN place p ON p.id = v.place_id WHERE p.code = ANY(:places))
"""


def test_look_up_finds_the_owners_that_postgis_finds(any_city: City) -> None:
    """At places of incidents, and on borders, look-up answers with both owners and with police who respond."""
    database, truth = any_city
    on_borders = [one["place"] for one in truth["on_borders"]]
    places = rows(database, SOME_PLACES, places=on_borders)
    at = datetime(2025, 3, 5, 2, tzinfo=UTC)
    assert len(places) == 30 + len(on_borders) > 30
    for place in places:
        owners = counted(database, OWNERS, lon=place.lon, lat=place.lat, at=at)
        with database.read() as session:
            answer = stored.answer(session, Question(place.lon, place.lat, at))
        assert {one.layer: one.grid.code for one in answer.layers if one.grid and one.status != "gap"} == owners
        assert all(one.response and one.response.covering for one in answer.layers if one.layer == "police")


def test_places_on_borders_touch_the_grids_on_record(any_city: City) -> None:
    """Each planted place lies exactly on the border of the grids it was planted between, of both layers."""
    database, truth = any_city
    touched = """
        SELECT l.code, array_agg(g.code) FROM place p JOIN place_version v ON v.place_id = p.id
        JOIN grid_version g ON ST_Intersects(g.geom, v.point) AND upper_inf(g.valid) JOIN layer l ON l.id = g.layer_id
        WHERE p.code = :place GROUP BY 1"""
    for one in truth["on_borders"]:
        found = {row[0]: set(row[1]) for row in rows(database, touched, place=one["place"])}
        assert found == {layer: set(one[layer]) for layer in ("governance", "police")}
        assert sum(map(len, found.values())) > 2


# the peak of memory is asked of Linux: `ru_maxrss` begins with what the process that started this one held
LOADING = """
import sys
from datetime import date
from pathlib import Path
import fixtures
from spatial.db import Database, make_engine
fixtures.load(
    Database(make_engine(sys.argv[1])), size="city", seed=1, anchor=date(2025, 3, 3), truth_file=Path(sys.argv[2]),
    progress=lambda share, _text: print(share, flush=True),
)
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
"""
OF_ROSTERS = ("unplanned",)  # breaks are events of a day, and are not extended
KILLS = 10
MOST_MEMORY_BYTES = 900 << 20
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def counts(database: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    return {table.name: only(database, f'SELECT count(*) FROM "{table.name}"') for table in TABLES}


def killed_load(database: Database, truth_file: Path, share: float, delay_s: float) -> None:
    """Load a city, and kill the loader some time after it told of a share done; return when its backend is gone."""
    url = database.engine.url.render_as_string(hide_password=False)
    loader = subprocess.Popen([sys.executable, "-c", LOADING, url, str(truth_file)], stdout=subprocess.PIPE, text=True)
    assert loader.stdout
    for line in loader.stdout:
        if float(line) >= share:
            break
    time.sleep(delay_s)
    assert loader.poll() is None, "it was done before it was killed"
    loader.kill()
    loader.wait()
    while only(database, OTHERS):
        time.sleep(0.1)


@pytest.mark.proof
def test_kill_9_leaves_nothing_of_a_city_and_a_rerun_completes_it(
    city: Database, empty_database: Database, tmp_path: Path
) -> None:
    """Killed at ten random instants, from the first stage to the checks at the end, a load leaves no row behind."""
    rng, truth_file = random.Random(), tmp_path / "truth.json"
    stages = [rng.uniform(0, 0.6) for _ in range(KILLS - 3)] + [0.95] * 3
    before = counts(empty_database)
    assert not any(count for name, count in before.items() if name != "audit_head")
    for share in stages:
        killed_load(empty_database, truth_file, share, rng.uniform(0, 2 if share < 0.95 else 5))
        assert counts(empty_database) == before, share
        assert only(empty_database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'incident'::regclass") == 0
        assert not truth_file.exists()
    url = empty_database.engine.url.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-c", LOADING, url, str(truth_file)], check=True, stdout=subprocess.PIPE)
    assert int(done.stdout.split()[-1]) * 1024 < MOST_MEMORY_BYTES
    assert content_hash(empty_database) == content_hash(city)
    assert schema_of(empty_database) == schema_of(city)


@pytest.mark.proof
def test_rosters_of_a_city_are_extended(city_of: Callable[[int], City], city_copy: Database) -> None:
    """Two weeks more are staffed as those of a rotation before, with the gaps of their rosters and no others."""
    _, truth = city_of(1)
    assert fixtures.extend(city_copy, now=LAST - timedelta(days=6), progress=lambda *_: None) > 100_000
    until = LAST + timedelta(days=14)
    turn = timedelta(days=21)
    planted = {
        (gap["unit"], *(at + turn for at in span_of(gap))) for gap in truth["gaps"] if gap["cause"] in OF_ROSTERS
    }
    expected = {gap for gap in planted if LAST <= gap[1] < until}
    assert expected
    assert gaps(city_copy, "station", ["duty", "standby"], ["duty_police"], LAST, until) == expected
    assert gaps(city_copy, "station", ["leader"], ["duty_police"], LAST, until) == set()


def schema_of(database: Database) -> list[Any]:
    """Return the definitions of all constraints and indexes."""
    definitions = """
        SELECT conrelid::regclass::text AS t, conname AS name, pg_get_constraintdef(oid) AS of FROM pg_constraint
        WHERE conrelid <> 0 UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' ORDER BY 1, 2, 3"""
    return [tuple(row) for row in rows(database, definitions)]


@pytest.mark.proof
def test_rules_that_were_lifted_for_loading_are_back(city: Database, empty_database: Database) -> None:
    """After the load the database has every constraint and index of an empty one, and of the months of incidents."""
    loaded = [row for row in schema_of(city) if not row[0].startswith("incident_p")]
    assert loaded == schema_of(empty_database)


@pytest.mark.proof
def test_a_city_side_by_side_is_made_of_equal_copies(empty_database: Database) -> None:
    """Twice the grids and units, each with its own code, of the same areas; nobody works there."""
    fixtures.load(
        empty_database, size="city", scale=2, anchor=date(2025, 3, 3), truth_file=None, progress=lambda *_: None
    )
    grids = counted(empty_database, "SELECT layer_id, count(*) FROM grid GROUP BY 1")
    assert list(grids.values()) == [2 * 9570, 2 * 1194]
    codes = "SELECT count(DISTINCT code) FROM grid_version WHERE upper_inf(valid)"
    assert only(empty_database, codes) == 2 * (9570 + 1194)
    areas = rows(empty_database, "SELECT ST_Area(geom) FROM unit_version WHERE kind = 'station' ORDER BY unit_id")
    assert len(areas) % 2 == 0
    half = len(areas) // 2
    assert all(
        one[0] == pytest.approx(other[0], rel=1e-6) for one, other in zip(areas[:half], areas[half:], strict=True)
    )
    assert only(empty_database, "SELECT count(*) FROM officer") == 0


@pytest.mark.proof
def test_incidents_go_on_in_a_city_too(city_copy: Database) -> None:
    """Those of the rest of a day get numbers after the ones that there are."""
    with city_copy.read() as session:
        ended = session.scalar(text("SELECT max(at) FROM incident"))
    assert fixtures.report(city_copy, now=ended + timedelta(hours=6)) > 10
    assert fixtures.report(city_copy, now=ended + timedelta(days=2)) > 500
