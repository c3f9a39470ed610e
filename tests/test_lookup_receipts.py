"""A receipt gives the same body later, whatever was changed meanwhile, or says that it cannot."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from api.app import create_app
from spatial.db import open_version
from spatial.settings import Settings
from spatial.tables import Layer, Responsibility
from spatial.time import now
from tests.access_world import Precinct
from tests.build import HOUR, World, build, middle
from tests.test_live import asking, rename

A = dict(zip(("lon", "lat"), middle(0, 0), strict=True))


@pytest.fixture
def client(precinct: Precinct, tmp_path: Any) -> Iterator[TestClient]:
    """Yield a client of a service that answers from memory."""
    served = precinct.database.as_login("twingrid_api")
    with TestClient(create_app(served, Settings(language="en", data_dir=tmp_path))) as client:
        yield client
    served.engine.dispose()


def change_everything(precinct: Precinct) -> None:
    """Give A another code, and let an officer be on duty there."""
    ids, present = precinct.ids, now()

    def change(world: World) -> None:
        rename(world, ids)
        world.shift(ids["S1"], present - HOUR, present + HOUR, officer=ids["officer-S1"], grids=[ids["A"]])

    build(precinct.database, change)


@pytest.mark.parametrize("who", ["dispatcher-whole", "viewer-unit"])
@pytest.mark.parametrize("more", [{}, {"accuracy_m": 150, "layer": "police", "lang": "zh-CN"}, {"days": 20}])
def test_a_receipt_gives_the_same_body(precinct: Precinct, client: TestClient, who: str, more: dict[str, Any]) -> None:
    """To the letter, of an answer from memory and of one of another day, after a redraw and a change of the roster."""
    at = now() + timedelta(days=more.get("days", 0))
    asked = {**A, "at": at.isoformat(), **{key: value for key, value in more.items() if key != "days"}}
    before = client.get("/lookup", params=asked, headers=asking(precinct, who))
    assert before.status_code == 200, before.text
    change_everything(precinct)
    again = client.get(before.json()["receipt"], headers=asking(precinct, who))
    assert again.content == before.content
    after = client.get("/lookup", params={**asked, "known_at": now().isoformat()}, **_as(precinct, who))
    assert after.json()["layers"] != before.json()["layers"]


def test_a_receipt_of_what_was_known_is_one_too(precinct: Precinct, client: TestClient) -> None:
    """An answer as known at an instant is given again, `known_at` included."""
    asked = {**A, "at": now().isoformat(), "known_at": now().isoformat()}
    before = client.get("/lookup", params=asked, headers=asking(precinct))
    change_everything(precinct)
    assert client.get(before.json()["receipt"], headers=asking(precinct)).content == before.content


def test_of_two_writers_the_first_may_end_last(precinct: Precinct, client: TestClient) -> None:
    """What was stamped before, and came after the answer, is not in its receipt: no single instant could tell."""
    ids, at = precinct.ids, now() + timedelta(days=9)
    with precinct.database.write() as slow:
        rename(World(slow), ids)
        span = (at - HOUR, at + HOUR)
        quick = {"officer": ids["officer-S1"], "grids": [ids["A"]]}
        build(precinct.database, lambda world: world.shift(ids["S1"], *span, **quick))
        before = client.get("/lookup", params={**A, "at": at.isoformat()}, **_as(precinct))
    police = before.json()["layers"][0]
    assert (police["grid"]["code"], police["on_duty"]) == ("A", True)
    assert client.get("/lookup", params={**A, "at": at.isoformat()}, **_as(precinct)).content != before.content
    assert client.get(before.json()["receipt"], **_as(precinct)).content == before.content


def _as(precinct: Precinct, who: str = "dispatcher-whole") -> dict[str, Any]:
    return {"headers": asking(precinct, who)}


@pytest.mark.parametrize("changed", [Layer, Responsibility])
def test_what_has_no_history_is_not_made_up(precinct: Precinct, client: TestClient, changed: Any) -> None:
    """Where layers or responsibilities are others, a receipt is refused, and by a sentence."""

    def fill(world: World) -> None:
        world.answers_for(world.category("weather"), "station", hours=2)

    def change(world: World) -> None:
        values = {"title": {"zh-CN": "甲", "en": "a"}} if changed is Layer else {"role": "joint"}
        open_version(world.session, "areas")
        world.session.execute(update(changed).values(**values))

    build(precinct.database, fill)
    at = (now() + timedelta(days=30)).isoformat()
    receipt = client.get("/lookup", params={**A, "at": at, "category": "weather"}, **_as(precinct)).json()["receipt"]
    assert client.get(receipt, **_as(precinct)).status_code == 200
    build(precinct.database, change)
    refused = client.get(receipt, **_as(precinct))
    assert (refused.status_code, refused.json()["type"]) == (410, "urn:twingrid:problem:gone")


@pytest.mark.parametrize(
    ("receipt", "status"),
    [("x", 400), ("areas1-duty1-00000000000g", 400), ("areas999999-duty1-000000000000", 404), ("areas１-duty1-0", 400)],
)
def test_a_false_receipt_is_refused(precinct: Precinct, client: TestClient, receipt: str, status: int) -> None:
    """One that is none, or of versions that never were."""
    refused = client.get("/lookup", params={**A, "receipt": receipt}, **_as(precinct))
    assert refused.status_code == status, refused.text
