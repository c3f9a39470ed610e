"""Look-ups are answered from memory, which follows the database, and go on while that is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update

from api.app import create_app
from spatial.access import operator
from spatial.access.service import disable_principal, issue_token
from spatial.db import Database, make_engine, open_version
from spatial.history import cut
from spatial.lookup.live import Live
from spatial.lookup.model import Question
from spatial.settings import Settings
from spatial.tables import GridVersion, Layer
from spatial.time import now, since
from spatial.watch import FRESH_FOR
from tests.access_world import Precinct
from tests.build import HOUR, World, build, cell, middle

SEEN_WITHIN_S = 2.0
A = dict(zip(("lon", "lat"), middle(0, 0), strict=True))


@contextmanager
def live(precinct: Precinct, tmp_path: Any) -> Iterator[TestClient]:
    """Yield a client of a service that follows the database."""
    served = precinct.database.as_login("twingrid_api")
    app = create_app(served, Settings(language="en", data_dir=tmp_path))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
    served.engine.dispose()


@pytest.fixture
def client(precinct: Precinct, tmp_path: Any) -> Iterator[TestClient]:
    """Yield one of the whole precinct's."""
    with live(precinct, tmp_path) as client:
        yield client


def asking(precinct: Precinct, who: str = "dispatcher-whole") -> dict[str, str]:
    """Return the headers of somebody who asks."""
    return {"Authorization": f"Bearer {precinct.tokens[who]}"}


def soon(is_so: Callable[[], bool], *, after_s: float = 0.0) -> bool:
    """Whether something is so within the time that is promised, from some seconds on."""
    begun = time.monotonic()
    while time.monotonic() - begun < after_s + SEEN_WITHIN_S:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()


def is_stale(client: TestClient, precinct: Precinct) -> bool:
    """Whether a look-up tells that what it says may be of before."""
    return "Stale-Since" in client.get("/lookup", params=A, headers=asking(precinct)).headers


@contextmanager
def away(database: Database) -> Iterator[None]:
    """Let the database be away: it ends all connections, and accepts none."""
    name = database.engine.url.database
    elsewhere = database.engine.url.set(database="postgres")
    engine = make_engine(elsewhere.render_as_string(hide_password=False))

    def say(statement: str) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))

    say(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        say(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        engine.dispose()


def on_duty(client: TestClient, precinct: Precinct, who: str = "dispatcher-whole") -> list[str]:
    """Return who is on duty at A."""
    said = client.get("/lookup", params=A, headers=asking(precinct, who))
    assert said.status_code == 200, said.text
    return [one["number"] for step in said.json()["layers"][0]["chain"] for one in step["responders"]]


def test_memory_and_database_give_one_shape(precinct: Precinct, client: TestClient) -> None:
    """An instant that is held, one that is not, and one as it was known: the same answer but for what was asked."""
    at = now()
    found = []
    for more in ({}, {"known_at": at.isoformat()}):
        said = client.get("/lookup", params={**A, "at": at.isoformat(), **more}, headers=asking(precinct)).json()
        found.append({key: value for key, value in said.items() if key not in {"known_at", "receipt"}})
    assert found[0] == found[1]
    far = client.get("/lookup", params={**A, "at": (at + timedelta(days=30)).isoformat()}, headers=asking(precinct))
    assert far.json().keys() == found[0].keys() | {"known_at", "receipt"}


def test_changes_are_seen_in_time(precinct: Precinct, client: TestClient) -> None:
    """A shift that was planned and a grid that was redrawn are in the answer within two seconds."""
    ids, present = precinct.ids, now()
    assert on_duty(client, precinct) == []
    span = (present - HOUR, present + HOUR)
    build(
        precinct.database,
        lambda world: world.shift(ids["S1"], *span, officer=ids["officer-S1"], grids=[ids["A"]]),
    )
    assert soon(lambda: on_duty(client, precinct) == ["001"])
    build(precinct.database, lambda world: rename(world, ids))
    assert soon(lambda: layer_of_a(client, precinct)["grid"]["code"] == "A2")


def rename(world: World, ids: dict[str, int]) -> None:
    """Give A another code from now on."""
    session, at = world.session, now()
    held = session.scalars(select(GridVersion.id).where(GridVersion.grid_id == ids["A"])).all()
    cut(session, GridVersion, held, since(at), open_version(session, "areas"))
    world.version(ids["A"], ids["police"], "A2", cell(0, 0), ids["S1"], valid=since(at))


def layer_of_a(client: TestClient, precinct: Precinct) -> dict[str, Any]:
    """Return what the police layer says of A's place."""
    said: dict[str, Any] = client.get("/lookup", params=A, headers=asking(precinct)).json()["layers"][0]
    return said


def test_a_lost_notice_heals(precinct: Precinct, client: TestClient) -> None:
    """A new version that nobody was told of is seen within two seconds all the same."""

    def call_it_otherwise(world: World) -> None:
        world.session.execute(update(Layer).where(Layer.code == "police").values(title={"zh-CN": "甲", "en": "a"}))
        world.session.execute(text("INSERT INTO dataset_version VALUES ('areas', 100, clock_timestamp())"))

    build(precinct.database, call_it_otherwise)
    assert soon(lambda: layer_of_a(client, precinct)["title"] == "a")


def test_who_is_let_in_no_more_is_refused_in_time(precinct: Precinct, client: TestClient) -> None:
    """A principal that is disabled opens nothing two seconds later; a token that was issued just now does."""
    assert on_duty(client, precinct, "viewer-whole") == []
    with precinct.database.write() as session:
        disable_principal(session, operator("test"), "viewer-whole", now=now())
        expires = now() + HOUR
        fresh = issue_token(session, operator("test"), "viewer-unit", "new", now=now(), expires=expires)
    new = {"Authorization": f"Bearer {fresh}"}
    assert client.get("/lookup", params=A, headers=new).status_code == 200
    old = asking(precinct, "viewer-whole")
    assert soon(lambda: client.get("/lookup", params=A, headers=old).status_code == 401)


def test_look_ups_go_on_while_the_database_is_away(precinct: Precinct, client: TestClient) -> None:
    """For whoever has a token, used before or not, and it is said as of when; what needs the database is refused."""
    begun = now()
    with away(precinct.database):
        assert soon(lambda: is_stale(client, precinct), after_s=FRESH_FOR.total_seconds())
        said = client.get("/lookup", params=A, headers=asking(precinct, "planner-whole"))
        assert said.status_code == 200
        assert begun - timedelta(seconds=2) < datetime.fromisoformat(said.headers["Stale-Since"]) < now()
        assert said.json()["layers"][0]["grid"]["code"] == "A"
        for path, more in (("/lookup", {"known_at": begun.isoformat(), **A}), ("/grids/police", {})):
            refused = client.get(path, params=more, headers=asking(precinct))
            assert (refused.status_code, "Retry-After" in refused.headers) == (503, True), refused.text
        report = {"source": "110", "external_id": "1", "category": "theft", "reported_at": begun.isoformat(), **A}
        told = client.post("/incidents", json=report, headers=asking(precinct))
        assert (told.status_code, "Retry-After" in told.headers) == (503, True), told.text
        stranger = client.get("/lookup", params=A, headers={"Authorization": "Bearer nobody's"})
        assert stranger.status_code == 503
    begun_again = time.monotonic()
    while is_stale(client, precinct):
        assert time.monotonic() - begun_again < 5
        time.sleep(0.05)


def test_a_service_may_start_before_its_database(precinct: Precinct, tmp_path: Any) -> None:
    """Started while the database is away, it says so, and answers once that is there."""
    with away(precinct.database):
        context = live(precinct, tmp_path)
        client = context.__enter__()
        assert client.get("/lookup", params=A, headers=asking(precinct)).status_code == 503
    try:
        assert soon(lambda: client.get("/lookup", params=A, headers=asking(precinct)).status_code == 200)
    finally:
        context.__exit__(None, None, None)


def test_an_answer_is_of_one_state(precinct: Precinct) -> None:
    """Whoever began on a snapshot ends on it, whatever takes its place meanwhile."""
    live_ = Live(precinct.database)
    at = now()
    live_.follow(at)
    held = live_.view(None, at)
    assert held is not None
    question = Question(*middle(0, 0), at)
    before = held.answer(question, at)
    build(precinct.database, lambda world: rename(world, precinct.ids))
    live_.follow(now())
    after = live_.view(None, now())
    assert after is not None
    assert held.answer(question, at) == before
    assert after.answer(Question(*middle(0, 0), now()), now()).layers[0].grid != before.layers[0].grid


def test_a_look_up_needs_one_place(precinct: Precinct, tmp_path: Any) -> None:
    """Where one request is worked on at a time, look-ups of every kind that ask the database are worked on, too."""
    at = {"at": (now() + timedelta(days=30)).isoformat()}
    headers = asking(precinct)
    served = precinct.database.as_login("twingrid_api")
    app = create_app(served, Settings(language="en", data_dir=tmp_path, requests_at_once=1))
    with TestClient(app, raise_server_exceptions=False) as client:
        told = [
            client.get("/lookup", params=A | at, headers=headers),
            client.get("/lookup/area", params=A | at | {"radius_m": 5}, headers=headers),
            client.get("/lookup/changes", params=A, headers=headers),
            client.post("/lookup/batch", params=at, json=[A], headers=headers),
        ]
    served.engine.dispose()
    assert [one.status_code for one in told] == [200] * 4, [one.text for one in told]
