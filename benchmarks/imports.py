"""Taking in 10,000 grids, against what a user would do instead: read the file and INSERT its rows into PostGIS."""

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg2
import pyogrio
import shapely

from benchmarks.case import Case
from benchmarks.town import dsn, empty
from spatial.access import operator
from spatial.db import Database
from spatial.geometry import Geometries, Plane
from spatial.history import Moment
from spatial.imports.grids.model import Columns, NewLayer, Request
from spatial.imports.grids.service import commit_import, export_layer
from spatial.imports.read import Chunk, read_file
from spatial.imports.write import Table, write_rows
from spatial.local_postgis import LocalPostgis
from spatial.settings import settings

SIDE = 100
CELL_M = 150.0
JITTER_M = 40.0
AT = datetime(2025, 1, 1, tzinfo=UTC)
ACTOR = operator("bench")
REQUEST = Request(
    "police", Columns({"code": "code", "name": "name"}), AT, new_layer=NewLayer({"zh-CN": "警格", "en": "Grids"})
)
PLAIN = "CREATE TABLE plain (code text PRIMARY KEY, name text, geom geometry(MultiPolygon, 4490))"
INDEX = "CREATE INDEX ON plain USING gist (geom)"
INSERT = "INSERT INTO plain VALUES (%s, %s, ST_Multi(ST_GeomFromWKB(%s, 4490)))"
OURS = "SELECT code, name, ST_AsBinary(geom) FROM grid_version WHERE upper_inf(recorded) ORDER BY code"
THEIRS = "SELECT code, name, ST_AsBinary(geom) FROM plain ORDER BY code"


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case: databases are made beforehand, so that only reading, checking and writing is timed."""
    targets = [empty(postgis) for _ in range(12)]
    with tempfile.TemporaryDirectory(prefix="twingrid-bench-") as folder:
        file = _file(Path(folder), empty(postgis))
        spare = iter(targets)

        def ours() -> str:
            database = next(spare)
            commit_import(database, ACTOR, read_file(file), REQUEST, settings())
            return _hash(database, OURS)

        def theirs() -> str:
            database = next(spare)
            _, _, shapes, (codes, names, *_) = pyogrio.raw.read(file)
            with psycopg2.connect(dsn(database)) as connection, connection.cursor() as cursor:
                cursor.execute(PLAIN)
                cursor.executemany(INSERT, list(zip(codes, names, shapes, strict=True)))
                cursor.execute(INDEX)
            return _hash(database, THEIRS)

        name = "import of 10,000 grids from GeoPackage: noded, mended, compared, looked over, with history"
        yield Case(name, ours, theirs, "pyogrio and an INSERT each, as they are", 0.1, SIDE * SIDE, "grids")


def _file(folder: Path, database: Database) -> Path:
    """Return a file of grids as they are stored, so that both ways must end with the same bytes."""
    first, file = folder / "drawn.gpkg", folder / "grids.gpkg"
    shapes = _tiling()
    columns = {"code": [f"G{n:05}" for n in range(len(shapes))], "name": [f"第{n}网格" for n in range(len(shapes))]}
    chunk = Chunk(range(1, len(shapes) + 1), columns, shapes)
    with write_rows(first, Table("grids", {"code": "text", "name": "text"}, [chunk], "MultiPolygon"), "gpkg"):
        pass
    commit_import(database, ACTOR, read_file(first), REQUEST, settings())
    export_layer(database, ACTOR, "police", Moment(AT), file, "gpkg", crs="EPSG:4490", settings=settings())
    return file


def _tiling() -> Geometries:
    """Return a tiling of cells whose corners are drawn, in degrees."""
    rng = np.random.default_rng(1)
    corners = np.stack(np.meshgrid(np.arange(SIDE + 1), np.arange(SIDE + 1), indexing="ij"), axis=-1) * CELL_M
    corners = corners + rng.uniform(-JITTER_M, JITTER_M, corners.shape) + (20_000.0, 3_786_000.0)
    degrees = Plane(117.0).degrees(corners.reshape(-1, 2)).reshape(corners.shape)
    rings = np.stack([degrees[:-1, :-1], degrees[1:, :-1], degrees[1:, 1:], degrees[:-1, 1:]], axis=2)
    return np.asarray(shapely.polygons(rings.reshape(-1, 4, 2)), dtype=object)


def _hash(database: Database, sql: str) -> str:
    """Return a hash of all rows of a query."""
    found = hashlib.sha256()
    with psycopg2.connect(dsn(database)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        for code, name, shape in cursor:
            found.update(f"{code} {name} ".encode() + bytes(shape))
    return found.hexdigest()
