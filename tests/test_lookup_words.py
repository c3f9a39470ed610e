"""A look-up of a place that is told in words: the surest place is answered for, and the others are named."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from spatial.db import Database

Ask = Callable[..., Any]


@pytest.fixture
def ask(town: Database, client_as: Callable[[Database, str], TestClient]) -> Ask:
    """Return a function that asks the town as a dispatcher."""
    client = client_as(town, "dispatcher")
    return lambda **params: client.get("/lookup", params={"lang": "en", **params})


@pytest.fixture(scope="module")
def address(town: Database) -> Any:
    """Return an address of the town with a number."""
    with town.read() as session:
        wanted = (
            "SELECT text, ST_X(point) AS lon, ST_Y(point) AS lat FROM address WHERE text LIKE '%号' ORDER BY id LIMIT 1"
        )
        return session.execute(text(wanted)).one()


def test_an_address_is_answered_for(ask: Ask, address: Any) -> None:
    """Where it is, as well as an address is known; the answer is that of its coordinates."""
    said = ask(text=address.text)
    assert said.status_code == 200, said.text
    body = said.json()
    assert (body["place"]["lon"], body["place"]["lat"]) == (address.lon, address.lat)
    first = body["told"]["items"][0]
    assert (first["text"], first["kind"]) == (address.text, "address")
    assert body["place"]["accuracy_m"] == first["accuracy_m"]
    again = ask(lon=address.lon, lat=address.lat, accuracy_m=first["accuracy_m"], at=body["at"]).json()
    assert {key: again[key] for key in ("layers", "receipt")} == {key: body[key] for key in ("layers", "receipt")}
    assert again["told"] is None


def test_a_sheet_is_printed_of_it(
    town_copy: Database, client_as: Callable[[Database, str], TestClient], address: Any
) -> None:
    """One page of the place that an address means."""
    said = client_as(town_copy, "dispatcher").get("/maps/lookup", params={"text": address.text, "lang": "en"})
    assert (said.status_code, said.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<b>{address.text}</b> · <b>{address.lon:.6f}" in said.text


def test_what_is_pasted_is_read(ask: Ask) -> None:
    """A link of a map in its own system, degrees and minutes, a BeiDou code: each the place it means."""
    link = ask(text="https://uri.amap.com/marker?position=120.2779730,30.3021609").json()
    assert (link["place"]["lon"], link["place"]["lat"]) == (
        pytest.approx(120.2735, abs=1e-5),
        pytest.approx(30.3046, abs=1e-5),
    )
    assert link["told"]["written"]["provider"] == "amap"
    written = ask(text="30°18′16.56″N 120°16′24.6″E").json()
    assert written["place"]["lon"] == pytest.approx(120.2735, abs=1e-6)


def test_how_well_it_is_known_may_be_said_beside(ask: Ask, address: Any) -> None:
    """`accuracy_m` goes before what the words tell."""
    assert ask(text=address.text, accuracy_m=3).json()["place"]["accuracy_m"] == 3


@pytest.mark.parametrize(
    ("params", "status", "where"),
    [
        ({"text": "no such place anywhere at all"}, 404, None),
        ({"text": ""}, 404, None),
        ({"text": "x" * 201}, 400, "text"),
        ({"text": "a", "lon": 120.0}, 400, "lon"),
        ({}, 400, "lon"),
        ({"lat": 30.0}, 400, "lon"),
        ({"text": "\x00"}, 400, "text"),
    ],
)
def test_what_tells_no_place_is_refused(ask: Ask, params: dict[str, Any], status: int, where: str | None) -> None:
    """With the parameter at fault, or because nothing is called so."""
    said = ask(**params)
    assert said.status_code == status, said.text
    assert where is None or where in {one["where"] for one in said.json()["faults"]}
