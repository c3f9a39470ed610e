"""What is answered straight out of memory is what the route answers, to the letter, and under the same rules."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from api import lookup, straight
from api.app import create_app
from api.deps import permission_of
from spatial.access import operator
from spatial.access.service import add_principal, disable_principal, issue_token
from spatial.db import Database
from spatial.settings import Settings
from spatial.tables import RoleGrant
from spatial.time import now
from spatial.watch import FRESH_FOR
from tests.access_world import Precinct
from tests.build import HOUR, middle
from tests.test_live import A, away, live, soon
from tests.test_plain import places_in, whole

PLACE = {"lon": "120.27", "lat": "30.3"}
ALONE = {"date", "x-request-id"}  # headers of one answer


@pytest.fixture
def served(town_copy: Database, tmp_path: Any) -> Iterator[tuple[TestClient, str]]:
    """Yield a client of a service over the town that limits nobody, and the token of a viewer."""
    with town_copy.write() as session:
        who, begin = operator("test"), now()
        add_principal(session, who, "system", {"zh-CN": "系统", "en": "system"}, "viewer", now=begin)
        token = issue_token(session, who, "system", "test", now=begin, expires=begin + HOUR)
    database = town_copy.as_login("twingrid_api")
    app = create_app(database, Settings(language="en", data_dir=tmp_path, rate_per_minute=0))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client, token
    database.engine.dispose()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return what is told of each request for which one answer was looked for: whether there was one."""
    found: list[bool] = []
    before = straight.Straight._answer

    def noted(*given: Any) -> Any:
        said = before(*given)
        found.append(said is not None)
        return said

    monkeypatch.setattr(straight.Straight, "_answer", noted)
    return found


def same_as_the_route(client: TestClient, token: str, taken: list[bool], place: dict[str, Any], **headers: str) -> None:
    """See that a look-up of the present is answered straight, and by the route in the same way for that instant."""
    shown = {"Authorization": f"Bearer {token}", **headers}
    replies = []

    def is_straight() -> bool:  # unless what is in memory is older than it may be, on a machine with much else to do
        taken.clear()
        replies.append(client.get("/lookup", params=place, headers=shown))
        return taken == [True]

    assert soon(is_straight), replies[-1].text
    reply = replies[-1]
    again = client.get("/lookup", params={**place, "at": reply.json()["at"]}, headers=shown)
    assert taken == [True], "the route is asked for an instant"
    assert (reply.status_code, reply.content) == (again.status_code, again.content)
    assert {*reply.headers.items()} ^ {*again.headers.items()} <= {
        (name, value) for one in (reply, again) for name, value in one.headers.items() if name in ALONE
    }
    taken.clear()


def test_places_all_over(town_copy: Database, served: tuple[TestClient, str], taken: list[bool]) -> None:
    """Inside of grids, near borders, outside of everything: the same bytes as the route's, and the same headers."""
    for lon, lat in zip(*(one.tolist() for one in places_in(whole(town_copy), 60)), strict=True):
        same_as_the_route(*served, taken, {"lon": f"{lon:.9f}", "lat": f"{lat:.9f}"})


@pytest.mark.parametrize("lang", [None, "zh-CN", "en"])
@pytest.mark.parametrize("speaks", ["zh-Hans", "fr;q=0.9, en;q=0.5", "x"])
def test_in_every_language(
    served: tuple[TestClient, str], taken: list[bool], lang: str | None, speaks: str
) -> None:  # fmt: skip
    same_as_the_route(*served, taken, PLACE | ({"lang": lang} if lang else {}), **{"Accept-Language": speaks})


@pytest.mark.parametrize("who", ["viewer-unit", "viewer-layer", "planner-unit"])
def test_whoever_sees_a_part(precinct: Precinct, tmp_path: Any, taken: list[bool], who: str) -> None:
    """What is theirs is answered straight; whoever is shown phones asks the route, which puts that on record."""
    with live(precinct, tmp_path) as client:
        shown = {"Authorization": f"Bearer {precinct.tokens[who]}"}
        assert client.get("/lookup", params=A, headers=shown).status_code == 200
        assert taken == [False]
    with precinct.database.write() as session:
        session.execute(update(RoleGrant).values(fields=[]))
    taken.clear()
    with live(precinct, tmp_path) as client:
        client.get("/lookup", params=A, headers=shown)  # how far a part reaches the database is asked once
        taken.clear()
        for column in range(3):
            lon, lat = middle(column, 0)
            same_as_the_route(client, precinct.tokens[who], taken, {"lon": f"{lon:.9f}", "lat": f"{lat:.9f}"})


def test_it_asks_for_the_permission_of_the_route() -> None:
    (route,) = lookup.router.routes
    assert permission_of(route) == straight.PERMISSION


def asked(client: TestClient, token: str, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    return client.request(more.pop("method", "GET"), "/lookup", params=PLACE | more, headers=headers)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"lon": "30.3", "lat": "120.27"}, 400),
        ({"lon": "1e2"}, 200),
        ({"lon": "nan"}, 400),
        ({"lon": ["120.27", "120.28"]}, 400),
        ({"lon": ""}, 400),
        ({"atlas": "1"}, 400),
        ({"lang": "fr"}, 400),
        ({"category": "no-such"}, 404),
        ({"layer": "police"}, 200),
        ({"accuracy_m": "30"}, 200),
        ({"headers": {"Cookie": "other=1"}}, 200),
        ({"headers": {"Authorization": "Basic abc"}}, 401),
        ({"method": "HEAD"}, 200),
        ({"method": "DELETE"}, 405),
    ],
)
def test_what_else_is_asked_the_route_answers(
    served: tuple[TestClient, str], taken: list[bool], more: dict[str, Any], status: int
) -> None:
    assert asked(*served, **more).status_code == status
    assert taken == []


def test_who_is_let_in_no_more_is_refused(town_copy: Database, served: tuple[TestClient, str]) -> None:
    """A token that was never made, and one whose principal is disabled, within two seconds."""
    client, token = served
    assert asked(client, "no-such-token").status_code == 401
    assert asked(client, token).status_code == 200
    with town_copy.write() as session:
        disable_principal(session, operator("test"), "system", now=now())
    assert soon(lambda: asked(client, token).status_code == 401)


def test_each_counts(served: tuple[TestClient, str], taken: list[bool], caplog: pytest.LogCaptureFixture) -> None:
    """For its principal, in the metrics and in the log, with the id that it was given."""
    client, token = served
    with caplog.at_level(logging.INFO, "api"):
        reply = asked(client, token, headers={"X-Request-ID": "system-0001"})
    assert (taken, reply.headers["x-request-id"]) == ([True], "system-0001")
    (line,) = (one for one in caplog.records if one.message == "request")
    assert line.told["route"] == "/lookup"  # type: ignore[attr-defined]  # of ours
    assert line.told["principal"] == "system"  # type: ignore[attr-defined]
    metrics = client.app.state.metrics  # type: ignore[attr-defined]
    assert metrics.requests.labels("GET", "/lookup", "200")._sum.get() > 0
    client.app.state.rates.per_minute = 3  # type: ignore[attr-defined]
    assert [asked(client, token).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert asked(client, token).json()["type"].endswith("too-many")


def test_what_goes_wrong_is_for_the_route(
    served: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log, and answered anyway."""

    def broken(*_given: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(straight, "written", broken)
    monkeypatch.setattr(straight, "written_plain", broken)
    assert asked(*served).status_code == 200
    assert "not answered straight" in caplog.text


@pytest.mark.parametrize(("lon", "lat"), [("30", "0"), ("31", "1"), ("-60", "-30.3")])
def test_the_other_side_of_the_earth(served: tuple[TestClient, str], taken: list[bool], lon: str, lat: str) -> None:
    """Places that are in no plane about the city are outside of it, and thousands of kilometres away."""
    client, token = served
    same_as_the_route(client, token, taken, {"lon": lon, "lat": lat})
    layers = asked(client, token, lon=lon, lat=lat).json()["layers"]
    assert all(layer["status"] == "outside" and layer["edge_m"] > 5e6 for layer in layers)
    rows, shown = [{"lon": float(lon), "lat": float(lat)}], {"Authorization": f"Bearer {token}"}
    (row,) = client.post("/lookup/batch", params={"column": "edge_m"}, json=rows, headers=shown).json()
    assert [row[f"{layer['layer']}_edge_m"] for layer in layers] == pytest.approx([one["edge_m"] for one in layers])


def test_its_age_is_told(town_copy: Database, served: tuple[TestClient, str], taken: list[bool]) -> None:
    """While the database is away, as of when the answer is known to be true."""
    client, token = served

    def is_told() -> bool:
        taken.clear()
        return "stale-since" in asked(client, token).headers and taken == [True]

    assert "stale-since" not in asked(client, token).headers
    with away(town_copy):
        assert soon(is_told, after_s=FRESH_FOR.total_seconds())
