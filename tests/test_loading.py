"""How generated rows reach the database: made ahead within bounds, block by block, whatever the values."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from shapely import Point
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from fixtures.ahead import made_ahead
from fixtures.blocks import Counter
from fixtures.bulk import checked_at_the_end
from fixtures.copying import Writer, copy, used_ids
from spatial.db import Database
from spatial.tables import Address, IncidentKey, Layer, Source


def test_things_are_made_ahead_up_to_some_weight() -> None:
    """The maker stops when enough is waiting, and goes on as things are taken; their order stays."""
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    taken = made_ahead(items(), lambda _: 1, 5)
    assert next(taken) == 0
    threading.Event().wait(0.2)
    assert len(made) <= 8
    assert list(taken) == list(range(1, 100))


def test_what_the_maker_raises_is_raised_where_things_are_used() -> None:
    """Things made before the failure are used first."""

    def items() -> Iterator[int]:
        yield 1
        raise KeyError("no more")

    taken = made_ahead(items(), lambda _: 1, 5)
    assert next(taken) == 1
    with pytest.raises(KeyError):
        next(taken)


def test_the_maker_ends_with_its_user() -> None:
    """Nobody goes on making what nobody takes."""
    taken = made_ahead(iter(range(10**9)), lambda _: 1, 5)
    assert next(taken) == 0
    taken.close()
    assert "generator" not in {thread.name for thread in threading.enumerate()}


def test_values_arrive_as_they_are(empty_database: Database) -> None:
    """Tabs, backslashes, line ends and a NULL of COPY are text; empty is not nothing; numbers and points are exact."""
    texts = ["a\tb", "c\\d", "\\N", "line\nend\r", "", "“网格”"]
    points = [Point(120.123456789, 30 + n) for n in range(6)]
    counter = Counter()
    blocks = [
        counter.block(Address, code=list("abcdef"), text=texts, point=np.array(points), dwellings=np.arange(6)),
        counter.block(
            Source, code=["x"], title=[{"en": 'quote " and \\ and \n'}], expected_interval=[timedelta(minutes=90)],
            last_received=np.array(["2025-03-05T10:00:00"], dtype="M8[s]"),
        ),
    ]  # fmt: skip
    with empty_database.write() as session:
        writer = Writer(used_ids(session), {})
        for block in blocks:
            copy(session, writer.lines(block))
    with empty_database.read() as session:
        assert list(session.scalars(select(Address.text).order_by(Address.id))) == texts
        assert list(session.scalars(select(Address.point.ST_X()))) == [120.123456789] * 6
        source = session.scalars(select(Source)).one()
        assert source.title == {"en": 'quote " and \\ and \n'}
        assert source.expected_interval == timedelta(minutes=90)
        assert source.last_received == datetime(2025, 3, 5, 10, tzinfo=UTC)


def test_ids_and_references_go_on_from_what_is_there(empty_database: Database) -> None:
    """A second block of the same counting is moved past the rows of the first load, and so is what refers to it."""
    for turn in range(2):
        counter = Counter()
        sources = counter.block(Source, code=[f"s{turn}"], title=[{}], expected_interval=[None], last_received=[None])
        keys = counter.block(IncidentKey, source_id=[1, 1], external_id=["1", "2"], current_id=np.array([1, 2]))
        with empty_database.write() as session:
            writer = Writer(used_ids(session), {})
            for block in (sources, keys):
                copy(session, writer.lines(block))
    with empty_database.read() as session:
        keys_of = select(Source.code, IncidentKey.external_id).join(Source, Source.id == IncidentKey.source_id)
        assert sorted(session.execute(keys_of)) == [("s0", "1"), ("s0", "2"), ("s1", "1"), ("s1", "2")]


def test_rules_lifted_meanwhile_are_held_at_the_end(empty_database: Database) -> None:
    """Rows that break a rule end the load, though the rule was away while they were written."""
    counter = Counter()
    layer = {"title": [{}], "kind": ["tiling"], "visibility": ["public"], "code_scheme": ["free"], "position": [1]}
    block = counter.block(Layer, code=["x"], parent_layer_id=[99], built_from_id=[None], **layer)

    def load() -> None:
        with empty_database.write() as session, checked_at_the_end(session, [Layer]):
            copy(session, Writer(used_ids(session), {}).lines(block))

    with pytest.raises(IntegrityError):
        load()
    with empty_database.read() as session:
        assert session.scalar(select(Layer.id)) is None
