"""An event is taken in, or refused, alike: told by a request or read from a file."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select

from spatial.access import PERMISSIONS
from spatial.db import Database
from spatial.errors import InputError
from spatial.imports.subjects import SUBJECTS
from spatial.incidents.model import Told
from spatial.incidents.rules import LONGEST_ID, LONGEST_TEXT
from spatial.incidents.service import take as tell
from spatial.tables import LONGEST_CODE, Category, CategoryAlias, Source
from spatial.time import now
from tests import rows
from tests.build import LAT
from tests.importing import ACTOR
from tests.test_incidents import AT, PLACE, client, count, database, event, told_faults

__all__ = ["client", "database"]  # fixtures

LATER = "2025-03-03T09:00:00+08:00"
PERSONAL = {"personal-data-in-text", "value-personal"}


def by_file(database: Database, told: dict[str, Any], **how: Any) -> set[str]:
    """Return the kinds of the faults of a file of one event."""
    columns = {{"reported_at": "at"}.get(name, name): [value] for name, value in told.items()}
    try:
        outcome = rows.take(database, "incidents", rows.source_of(columns, crs="EPSG:4490"), **how)
    except InputError as error:
        return {fault.text for fault in error.faults}
    return {text for _row, _column, text in rows.faults(outcome)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"external_id": "x" * LONGEST_ID},
        {"masked_text": "字" * LONGEST_TEXT},
        {"dispatched_at": LATER, "closed_at": AT},
        {"arrived_at": "2025-03-03T08:29:59+08:00"},
        {"reported_at": "1979-12-31T00:00:00Z"},
        {"reported_at": "2099-01-01T00:00:00Z"},
        {"precision_m": 100_001},
        {"external_id": "13800138000"},
        {"external_id": "１３８００１３８０００"},
        {"masked_text": "张三11010519491231002X"},
    ],
)
def test_what_is_refused_of_a_request_is_refused_of_a_file(
    client: TestClient, database: Database, wrong: dict[str, Any]
) -> None:
    """Times, order of steps, precision, lengths and what tells of single people: one set of rules."""
    told = event(**wrong)
    reply = client.post("/incidents", json=told)
    told_of_request = set() if reply.status_code == 201 else {kind for _where, kind in told_faults(reply)}
    told_of_file = by_file(database, told)
    if told_of_request & PERSONAL:
        assert told_of_file & PERSONAL
    else:
        assert told_of_file == told_of_request
    assert count(database, "incident") == (0 if told_of_request else 1)


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("external_id", LONGEST_ID),
        ("masked_text", LONGEST_TEXT),
        ("source", LONGEST_CODE),
        ("category", LONGEST_CODE),
    ],
)
def test_what_is_too_long_for_a_request_is_too_long_for_a_file(
    client: TestClient, database: Database, field: str, longest: int
) -> None:
    """One letter too many."""
    told = event(**{field: "x" * (longest + 1)})
    assert client.post("/incidents", json=told).status_code == 400
    assert by_file(database, told) == {"text-too-long"}


@pytest.mark.parametrize("source", ["110", "12345"])
@pytest.mark.parametrize("category", ["theft", "0407", "noise", "arson"])
def test_a_category_means_the_same_in_a_request_and_in_a_file(
    client: TestClient, database: Database, source: str, category: str
) -> None:
    """A source's own code, even one that is another word of ours, or ours, or one that nobody knows."""
    with database.write() as session:
        known = {row.code: row.id for row in session.execute(select(Category.code, Category.id))}
        hotline = session.scalar(select(Source.id).where(Source.code == "12345"))
        own = insert(CategoryAlias).values(source_id=hotline, code="theft", category_id=known["noise"])
        session.execute(own)
    reply = client.post("/incidents", json=event(source=source, category=category))
    faults = by_file(database, event(source=source, category=category, external_id="2"))
    assert faults == (set() if reply.status_code == 201 else {"category-not-known"})
    found = client.get("/incidents", params={"start": AT, "source": source}).json()["features"]
    stored = [one["properties"]["category"] for one in found]
    own_codes = {("12345", "theft"): "noise", ("12345", "0407"): "bicycle"}
    meant = own_codes.get((source, category), category if category in known else None)
    assert stored == ([] if meant is None else [meant, meant])


@pytest.mark.parametrize(("beyond", "is_far"), [(0.499, False), (0.501, True), (1.0, True)])
def test_what_is_far_of_a_request_is_far_of_a_file(
    client: TestClient, database: Database, beyond: float, is_far: bool
) -> None:
    """One bound about the outermost grids: a request is told of it in a note, a file has it as a fault."""
    told = event(lat=LAT - beyond)
    (note,) = client.post("/incidents", json=told).json()["notes"]
    assert note["note"] == ("far-away" if is_far else "outside-grids")
    assert by_file(database, told) == ({"far-from-grids"} if is_far else set())


def test_a_source_whose_file_holds_nothing_new_is_heard(database: Database) -> None:
    """A file of what is stored already says that its source is alive; a dry run, or a file with a fault, does not."""

    def heard() -> Any:
        with database.read() as session:
            return session.scalar(select(Source.last_received).where(Source.code == "110"))

    assert by_file(database, event(), commit=False) == set()
    assert by_file(database, event(category="arson")) == {"category-not-known"}
    assert heard() is None
    assert by_file(database, event()) == set()
    first = heard()
    assert by_file(database, event(), commit=False) == set()
    assert heard() == first
    assert by_file(database, event()) == set()
    assert heard() > first
    assert count(database, "incident") == 1


def test_what_is_too_old_to_keep_is_not_taken_in_either_way(database: Database) -> None:
    """Retention would delete it the next night."""
    oldest = now() - timedelta(days=30)
    told = Told("110", "1", "theft", AT, PLACE["lon"], PLACE["lat"])
    with database.write() as session, pytest.raises(InputError) as caught:
        tell(session, ACTOR, [told], crs="EPSG:4490", now=now(), oldest=oldest)
    assert {fault.text for fault in caught.value.faults} == {"older-than-retention"}
    assert by_file(database, event(), oldest=oldest) == {"older-than-retention"}
    assert by_file(database, event()) == set()


def test_who_may_tell_events_may_send_them_as_a_file() -> None:
    """The same roles."""
    assert set(SUBJECTS["incidents"].roles) == set(PERMISSIONS["incidents.tell"].roles)
