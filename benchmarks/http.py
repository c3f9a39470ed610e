"""Look-ups over HTTP with responders, at 16 connections: by the route, against one that does all of it but look up.

And straight, as other systems ask, against servers of features that are asked which grids of a table hold the place.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from sqlalchemy import text

from benchmarks.asking import CONNECTIONS, Answered, ask
from benchmarks.case import Case, Result
from benchmarks.peers import PYTHON
from benchmarks.served import CONTROL
from benchmarks.town import loaded
from spatial.access import operator
from spatial.access.service import add_principal, issue_token
from spatial.db import Database
from spatial.local_postgis import LocalPostgis
from spatial.time import now

REQUESTS = 6_000
PLACES = 500
READY_WITHIN_S = 90
SLOWEST = 10  # times the median, of the slowest of a hundred at the most
FEATURES = Path(__file__).with_name("theirs") / "features.py"
TABLE = """
    CREATE TABLE bench_grids AS
    SELECT v.id, l.code AS layer, v.code, v.name, ST_SetSRID(v.geom, 4326)::geometry(MultiPolygon, 4326) AS geom
    FROM grid_version v JOIN layer l ON l.id = v.layer_id
    WHERE v.valid @> now() AND upper_inf(v.recorded);
    ALTER TABLE bench_grids ADD PRIMARY KEY (id);
    CREATE INDEX ON bench_grids USING gist (geom);
    ANALYZE bench_grids"""
WITHIN = """
    SELECT ST_X(p), ST_Y(p)
    FROM (SELECT (ST_Dump(ST_GeneratePoints(ST_Union(geom), :places, 1))).geom AS p FROM bench_grids) AS points"""
ITEMS = "/collections/{}/items?filter-lang={}&filter={}(geom,POINT({{}}%20{{}}))&f={}"
PEERS = {
    "tipg": (ITEMS.format("public.bench_grids", "cql2-text", "S_INTERSECTS", "geojson"), 1_500),
    "pygeoapi": (ITEMS.format("bench_grids", "cql-text", "INTERSECTS", "json"), 1_000),
}  # what is asked of each, and how often; a box of no size would find other grids


def cases(postgis: LocalPostgis) -> Iterator[Case | Result]:
    """Yield the cases on the town, for a viewer with a token; each server is one process."""
    database = loaded(postgis)
    token, places = _token(database), _places(database)
    look_ups = [f"lon={lon:.6f}&lat={lat:.6f}" for lon, lat in places]
    url = database.engine.url.render_as_string(hide_password=False)
    with _served(url, 0) as port:
        bodies = ask(port, [f"/lookup?{one}" for one in look_ups], PLACES, token=token, kept=PLACES).bodies
    with _served(url, round(statistics.mean(map(len, bodies)))) as port:

        def look_up(path: str = "/lookup", more: str = "", most: int = REQUESTS) -> Answered:
            return ask(port, [f"{path}?{one}{more}" for one in look_ups], most, token=token, kept=PLACES)

        by_route = "&accuracy_m=1"  # which the straight way leaves to the route
        yield Case(
            name=f"look-up over HTTP by the route, {CONNECTIONS} connections, one process",
            ours=lambda: look_up(more=by_route, most=REQUESTS // 3),
            theirs=lambda: look_up(CONTROL, by_route, REQUESTS // 3),
            their_name="a route with the same parameters that looks nothing up",
            floor=0.6,
            work=REQUESTS // 3,
            unit="answers",
            same=lambda ours, theirs: len(ours.seconds) == len(theirs.seconds),
        )
        yield _slowest(look_up())
        for name, (path, requests) in PEERS.items():
            paths = [path.format(f"{lon:.6f}", f"{lat:.6f}") for lon, lat in places]
            with _features(name, postgis, database) as their_port:
                yield Case(
                    name=f"look-up over HTTP with who is on duty, {CONNECTIONS} connections, one process",
                    ours=look_up,
                    theirs=lambda port=their_port, paths=paths, most=requests: ask(port, paths, most, kept=PLACES),  # type: ignore[misc]  # bound here
                    their_name=f"{name}: which grids of a table hold the place",
                    floor=10,
                    work=REQUESTS,
                    unit="answers",
                    same=_same_codes,
                    their_work=requests,
                    rounds=3,
                )


def _slowest(answered: Answered) -> Result:
    """Return how the slowest of a hundred compares with the most that it may be."""
    taken_s = sorted(answered.seconds)
    median_s, slow_s = statistics.median(taken_s), taken_s[int(len(taken_s) * 0.99)]
    case = Case(
        name=f"the slowest of a hundred look-ups (p99), {CONNECTIONS} connections",
        ours=lambda: None,
        theirs=lambda: None,
        their_name=f"{SLOWEST} times the median",
        floor=1.0,
        work=1,
        unit="answers",
    )
    return Result(case, slow_s, SLOWEST * median_s)


def _same_codes(ours: Answered, theirs: Answered) -> bool:
    """Whether the same grids hold the same places."""
    pairs = list(zip(map(json.loads, ours.bodies), map(json.loads, theirs.bodies), strict=False))
    return bool(pairs) and all(
        {(layer["layer"], layer["grid"]["code"]) for layer in own["layers"] if layer["grid"]}
        == {(one["properties"]["layer"], one["properties"]["code"]) for one in its["features"]}
        for own, its in pairs
    )


def _token(database: Database) -> str:
    """Return a token of somebody who may look up."""
    who, begin, end = operator("bench"), now(), now() + timedelta(days=1)
    with database.write() as session:
        add_principal(session, who, "bench", {"zh-CN": "bench", "en": "bench"}, "viewer", now=begin)
        return issue_token(session, who, "bench", "bench", now=begin, expires=end)


def _places(database: Database) -> list[tuple[float, float]]:
    """Make the table of the grids in force, and return places all over it."""
    with database.engine.begin() as connection:
        for statement in TABLE.split(";"):
            connection.execute(text(statement))
        return [(lon, lat) for lon, lat in connection.execute(text(WITHIN), {"places": PLACES})]


@contextmanager
def _served(url: str, body_bytes: int) -> Iterator[int]:
    """Serve a database by a process of its own, and yield the port."""
    with _listening() as listening:
        environment = {"TWINGRID_RATE_PER_MINUTE": "0", "BENCH_BODY_BYTES": str(body_bytes)}
        number, port = listening.fileno(), listening.getsockname()[1]
        with _started(
            [sys.executable, "-m", "benchmarks.served", url, str(number)], environment, f":{port}/health", number
        ):
            yield port


@contextmanager
def _features(name: str, postgis: LocalPostgis, database: Database) -> Iterator[int]:
    """Serve the table of grids by another server, and yield the port."""
    with _listening() as listening:
        port = listening.getsockname()[1]
    of_database = {"BENCH_SOCKETS": str(postgis.sockets), "BENCH_DATABASE": str(database.engine.url.database)}
    with TemporaryDirectory(prefix="twingrid-bench-") as folder:
        command = [str(PYTHON), str(FEATURES), name, folder, str(port)]
        with _started(command, of_database, f":{port}/conformance"):
            yield port


def _listening() -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening


@contextmanager
def _started(command: Sequence[str], environment: dict[str, str], answers: str, *passed: int) -> Iterator[None]:
    """Run a server until the end, once it answers."""
    with subprocess.Popen(command, env={**os.environ, **environment}, pass_fds=passed) as process:
        try:
            deadline = time.monotonic() + READY_WITHIN_S
            while True:
                try:
                    urlopen(f"http://127.0.0.1{answers}", timeout=5).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    assert process.poll() is None
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
