"""Look-ups over HTTP with responders, at 16 connections, against a route that does all of it but look up."""

import asyncio
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from urllib.request import urlopen

from sqlalchemy import text

from benchmarks.case import Case, Result
from benchmarks.served import CONTROL
from benchmarks.town import loaded
from spatial.access import operator
from spatial.access.service import add_principal, issue_token
from spatial.db import Database
from spatial.local_postgis import LocalPostgis
from spatial.time import now

CONNECTIONS = 16
REQUESTS = 4_000
PLACES = 200
READY_WITHIN_S = 60
SLOWEST = 10  # times the median, of the slowest of a hundred at the most
EXTENT = """
    SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)
    FROM (SELECT ST_Extent(geom) AS e FROM grid_version) AS all_grids"""


def cases(postgis: LocalPostgis) -> Iterator[Case | Result]:
    """Yield the cases on the town, for a viewer with a token."""
    database = loaded(postgis)
    token = _token(database)
    queries = _queries(database)
    url = database.engine.url.render_as_string(hide_password=False)
    with _served(url, 0) as port:
        size = statistics.mean(len(body) for _, body in asyncio.run(_ask(port, token, "/lookup", queries, PLACES)))
    with _served(url, round(size)) as port:

        def ask(path: str) -> list[float]:
            return [seconds for seconds, _ in asyncio.run(_ask(port, token, path, queries, REQUESTS))]

        yield Case(
            name=f"look-up over HTTP, {CONNECTIONS} connections, one process",
            ours=lambda: ask("/lookup"),
            theirs=lambda: ask(CONTROL),
            their_name="the same request with nothing looked up",
            floor=0.6,
            work=REQUESTS,
            unit="answers",
            same=lambda ours, theirs: len(ours) == len(theirs) == REQUESTS,
        )
        taken_s = sorted(ask("/lookup"))
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
        yield Result(case, slow_s, SLOWEST * median_s)


def _token(database: Database) -> str:
    """Return a token of somebody who may look up."""
    who, begin, end = operator("bench"), now(), now() + timedelta(days=1)
    with database.write() as session:
        add_principal(session, who, "bench", {"zh-CN": "bench", "en": "bench"}, "viewer", now=begin)
        return issue_token(session, who, "bench", "bench", now=begin, expires=end)


def _queries(database: Database) -> list[str]:
    """Return places all over the town."""
    with database.read() as session:
        west, south, east, north = session.execute(text(EXTENT)).one()
    dice = random.Random(1)
    return [f"lon={dice.uniform(west, east):.6f}&lat={dice.uniform(south, north):.6f}" for _ in range(PLACES)]


@contextmanager
def _served(url: str, body_bytes: int) -> Iterator[int]:
    """Serve a database by a process of its own, and yield the port."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    port, number = listening.getsockname()[1], listening.fileno()
    environment = {**os.environ, "TWINGRID_RATE_PER_MINUTE": "0", "BENCH_BODY_BYTES": str(body_bytes)}
    command = [sys.executable, "-m", "benchmarks.served", url, str(number)]
    with subprocess.Popen(command, env=environment, pass_fds=[number]) as process:
        try:
            deadline = time.monotonic() + READY_WITHIN_S
            while True:
                try:
                    urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            listening.close()


async def _ask(port: int, token: str, path: str, queries: Sequence[str], count: int) -> list[tuple[float, bytes]]:
    """Return how long each of some requests took, and what it was answered; connections are kept."""
    left = iter(range(count))
    found: list[tuple[float, bytes]] = []

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in left:
            asked = f"GET {path}?{queries[number % len(queries)]} HTTP/1.1"
            begun = time.perf_counter()
            writer.write(f"{asked}\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            lines = answer.lower().split(b"\r\n")
            size = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))
            body = await reader.readexactly(size)
            found.append((time.perf_counter() - begun, body))
        writer.close()

    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    return found
