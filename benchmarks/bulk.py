"""Owners of a million places in both layers of a city, against GeoPandas, DuckDB and PostGIS; and how that grows."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import text

from benchmarks.case import Case
from benchmarks.city import load
from benchmarks.peers import Codes, peers, same_codes
from benchmarks.town import empty
from spatial.db import Database
from spatial.geometry import Floats, Geometries
from spatial.history import Moment
from spatial.local_postgis import LocalPostgis
from spatial.lookup.bulk import BulkIndex
from spatial.lookup.model import Candidate
from spatial.lookup.stored import StoredFacts

AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
LAYERS = ("police", "governance")
PLACES = 1_000_000
SAMPLE = 50_000  # of PostGIS, which takes long
ROUNDS = 3
GROWTH = (1, 10, 100)  # times the grids
SLOWER = 3.0  # a look-up at the most, among the most grids
EXPONENT = 1.15  # of the time to build, at the most
JOIN = """
    SELECT min(v.code) FROM bench_place p
    LEFT JOIN grid_version v ON v.layer_id = {layer} AND upper_inf(v.recorded)
        AND v.valid @> timestamptz '{at}' AND ST_Covers(v.geom, p.geom)
    GROUP BY p.n ORDER BY p.n
"""


@dataclass(frozen=True)
class City:
    """Grids in force of both layers, and places all over them."""

    database: Database
    layers: Sequence[tuple[int, list[Candidate]]]  # id, grids
    lon: Floats
    lat: Floats


def city_of(postgis: LocalPostgis) -> City:
    """Return a new city."""
    database = empty(postgis)
    load(database)
    with database.read() as session:
        facts = StoredFacts(session, Moment(AT))
        by_code = {one.code: one for one in facts.layers()}
        layers = [(by_code[code].id, facts.grids([by_code[code]])) for code in LAYERS]
    lon, lat = places_in(np.concatenate([_shapes(grids) for _, grids in layers]), PLACES)
    return City(database, layers, lon, lat)


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the cases."""
    city = city_of(postgis)
    with tempfile.TemporaryDirectory() as folder, peers(Path(folder)) as others:
        others.hold([as_wkb(grids) for _, grids in city.layers], city.lon, city.lat)
        indexes = [BulkIndex.of(grids) for _, grids in city.layers]

        def ours() -> Codes:
            return [codes_of(index, city.lon, city.lat) for index in indexes]

        def same(found: Codes, _: object) -> bool:
            others.say("tell")
            return same_codes(found, others.codes())

        what = "a million places, both layers, one core"
        about = {"work": PLACES, "unit": "places", "same": same, "rounds": ROUNDS}
        yield Case(what, ours, lambda: others.say("geopandas"), "GeoPandas sjoin", 30.0, **about)  # type: ignore[arg-type]
        yield Case(what, ours, lambda: others.say("duckdb"), "DuckDB spatial, two threads", 20.0, **about)  # type: ignore[arg-type]
        yield _against_postgis(city, ours, what)
    yield from _growing(city)


def _against_postgis(city: City, ours: Callable[[], Codes], what: str) -> Case:
    with city.database.write() as session:
        session.execute(text("CREATE TABLE bench_place (n int PRIMARY KEY, geom geometry(Point, 4490))"))
        filled = (
            "INSERT INTO bench_place SELECT n - 1, ST_SetSRID(ST_MakePoint(lon, lat), 4490) "
            "FROM unnest(CAST(:lon AS float8[]), CAST(:lat AS float8[])) WITH ORDINALITY AS given(lon, lat, n)"
        )
        session.execute(text(filled), {"lon": city.lon[:SAMPLE].tolist(), "lat": city.lat[:SAMPLE].tolist()})

    def theirs() -> Codes:
        with city.database.read() as session:
            session.execute(text("SET LOCAL statement_timeout = 0"))
            joins = [text(JOIN.format(layer=layer, at=AT.isoformat())) for layer, _ in city.layers]
            return [np.array(session.scalars(join).all(), object) for join in joins]

    def same(found: Codes, sample: Codes) -> bool:
        return same_codes([one[:SAMPLE] for one in found], sample)

    return Case(
        what, ours, theirs, "PostGIS join of a sample", 250.0, PLACES, "places", same, their_work=SAMPLE, rounds=ROUNDS
    )


def _growing(city: City) -> Iterator[Case]:
    """Yield how building and asking grow, against the same with one city: rates for each grid, and for each place."""
    few = city.layers[1][1]
    for times in GROWTH[1:]:
        many = copies(few, times)
        gc.freeze()  # these millions of objects are the benchmark's own, and not to be looked through at each turn
        lon, lat = places_in(_shapes(many), PLACES)
        floor = times ** (1 - EXPONENT)
        yield Case(
            f"build for {len(many):,} grids",
            partial(BulkIndex.of, many),
            partial(BulkIndex.of, few),
            f"the same for {len(few):,}",
            round(floor, 2),
            len(many),
            "grids",
            same=lambda _ours, _theirs: True,
            their_work=len(few),
            rounds=ROUNDS,
        )
        small, large = BulkIndex.of(few), BulkIndex.of(many)
        yield Case(
            f"a million places among {len(many):,} grids",
            partial(large.find, lon, lat),
            partial(small.find, *places_in(_shapes(few), PLACES)),
            f"the same among {len(few):,}",
            round(1 / SLOWER, 2),
            PLACES,
            "places",
            same=lambda _ours, _theirs: True,
            rounds=ROUNDS,
        )


def codes_of(index: BulkIndex, lon: Floats, lat: Floats) -> NDArray[np.object_]:
    """Return the code of who owns each place, none for nobody."""
    codes = np.array([*(one.grid.code if one else None for one in index.grids), None], object)
    found: NDArray[np.object_] = codes[index.find(lon, lat).owner]
    return found


def copies(grids: Sequence[Candidate], times: int) -> list[Candidate]:
    """Return grids side by side, many times over."""
    shapes = _shapes(grids)
    west, south, east, north = shapely.total_bounds(shapes)
    found = []
    for number in range(times):
        column, row = number % 10, number // 10
        off = np.array([column * (east - west), row * (north - south)])
        moved = shapely.transform(shapes, partial(np.add, off))
        found += [
            replace(
                one, grid=replace(one.grid, id=number * len(grids) + n, code=f"{number:03}{one.grid.code}"), shape=shape
            )
            for n, (one, shape) in enumerate(zip(grids, moved, strict=True))
        ]
    return found


def places_in(shapes: Geometries, count: int) -> tuple[Floats, Floats]:
    """Return places all over some shapes."""
    west, south, east, north = shapely.total_bounds(shapes)
    rng = np.random.default_rng(1)
    return rng.uniform(west, east, count), rng.uniform(south, north, count)


def _shapes(grids: Sequence[Candidate]) -> Geometries:
    return np.array([one.shape for one in grids], dtype=object)


def as_wkb(grids: Sequence[Candidate]) -> tuple[list[str], list[bytes]]:
    """Return the codes and shapes of grids as another process takes them."""
    return [one.grid.code for one in grids], shapely.to_wkb(_shapes(grids)).tolist()
