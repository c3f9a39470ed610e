"""What is found wrong with layers: codes, rosters and shapes, at any moment."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from pydantic import ValidationError

from api.findings_asked import limits_of
from spatial.db import Database
from spatial.findings import checking
from spatial.findings.model import Beatless, Coded, Flaw, Held, Limits, key_of
from spatial.findings.rules import (
    alignment_flaws,
    cell_flaws,
    code_flaws,
    dwelling_flaws,
    parent_flaws,
    roster_flaws,
)
from spatial.findings.state import OnRecord
from spatial.grids.listing import layer_named
from spatial.grids.tiling import findings
from spatial.history import Moment
from spatial.overlaps.model import Embedded, Matrix, Piece, Relation, Side
from spatial.settings import Settings
from tests.build import CELL, LAT, LON, T0, cell
from tests.conftest import City

THEN = Moment(T0 + timedelta(days=2))
DAY = timedelta(days=1)
USUAL = Limits()


def coded(code: str, name: str = "", unit: str | None = None, day: int = 0) -> Coded:
    """Return a grid that is as it is since a day."""
    return Coded(code, name or code, unit, T0 + day * DAY)


def told(flaws: list[Flaw]) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Return flaws as what they say."""
    return [(one.kind, one.severity, one.grids, one.officers) for one in flaws]


def test_codes_follow_their_scheme_and_unit() -> None:
    """A code outside the scheme, one of another unit, and a name that a unit gave twice; each with its unit and day."""
    grids = [
        coded("339901001001001", "东畈第1网格", "339901001001"),
        coded("339901001001002", "东畈第1网格", "339901001001", day=3),
        coded("339901001002001", "东畈第1网格", "339901001002"),
        coded("339901001003001", unit="339901001002"),
        coded("33990100100", unit=None),
    ]
    found = code_flaws("unit15", grids)
    assert told(found) == [
        ("code-outside-scheme", "fault", ("33990100100",), ()),
        ("code-of-another-unit", "warning", ("339901001003001",), ()),
        ("name-twice", "warning", ("339901001001001", "339901001001002"), ()),
    ]
    assert (found[2].owners, found[2].since) == (("339901001001",), T0 + 3 * DAY)
    assert [one.kind for one in code_flaws("free", grids)] == ["name-twice"]


def test_grids_and_officers_without_each_other_are_named() -> None:
    """Nobody at all is a fault, no lead a warning; an officer of several grids is usual where officers are few."""
    held = [
        Held(coded("A"), ()),
        Held(coded("B"), (("001", "deputy"), ("002", "assist"))),
        Held(coded("C"), (("003", "lead"),)),
        Held(coded("D"), (("003", "lead"), ("001", "deputy"))),
    ]
    found = roster_flaws(held, [Beatless("009", "community_officer", "S1", T0)])
    assert told(found) == [
        ("nobody", "fault", ("A",), ()),
        ("no-lead", "warning", ("B",), ("001", "002")),
        ("several-grids", "info", ("C", "D"), ("003",)),
        ("no-grid", "info", (), ("009",)),
    ]
    assert found[3].owners == ("S1",)


def side(number: int, code: str, size_m2: float = 100.0) -> Side:
    """Return a grid as overlaps know it."""
    return Side(number, number, code, code, None, size_m2)


def test_a_grid_across_borders_of_the_layer_above_is_named() -> None:
    """A warning in a tiling; in a free layer information, but what lies outside of the layer above is a warning."""
    across = Relation(side(1, "A"), "split", ("P", "Q"), 0.0, 5.0)
    beyond = Relation(side(2, "B"), "split", ("P",), 30.0, 5.0)
    hidden = Relation(side(3, "C"), "orphan", (), 100.0, 0.0)
    grids = {code: coded(code, unit="S1") for code in "AB"}
    of_tiling = parent_flaws([across, beyond, hidden], grids, "precincts", is_tiling=True, least_m2=1.0)
    assert told(of_tiling) == [("across-parents", "warning", ("A",), ())]
    assert (of_tiling[0].other, of_tiling[0].others) == ("precincts", ("P", "Q"))
    of_sectors = parent_flaws([across, beyond, hidden], grids, "precincts", is_tiling=False, least_m2=1.0)
    assert [(one.kind, one.severity, one.area_m2) for one in of_sectors] == [
        ("across-parents", "info", None),
        ("outside-parent", "warning", 30.0),
    ]
    assert parent_flaws([beyond], grids, "precincts", is_tiling=False, least_m2=31.0) == []


def test_networks_that_do_not_fit_are_named() -> None:
    """A shared grid with what lies outside its largest share, an orphan, and a cell that lies elsewhere."""
    one, two, other = side(1, "A"), side(2, "B"), side(3, "X")
    pieces = tuple(Piece(one, side(n, code), size, 1, 1, 1) for n, code, size in ((3, "X", 70.0), (4, "Y", 30.0)))
    matrix = Matrix((one, two), (other,), pieces)
    relations = [Relation(one, "split", ("X", "Y"), 0.0, 7.123), Relation(two, "orphan", (), 100.0, 0.0)]
    grids = {"A": coded("A", unit="S1"), "B": coded("B", unit="S2")}
    found = alignment_flaws([*relations, Relation(other, "aligned", ("A",), 0.0, 0.0)], matrix, grids, "governance")
    assert told(found) == [("split", "info", ("A",), ()), ("orphan", "warning", ("B",), ())]
    assert [(one.area_m2, one.detail["misfit_m"]) for one in found] == [(30.0, 7.12), (100.0, 0.0)]
    cells = cell_flaws([Embedded("elsewhere", side(9, "c"), two, (one,), 100.0)], grids, "cells")
    assert (cells[0].grids, cells[0].owners, cells[0].others) == (("A", "B"), ("S1", "S2"), ("c",))


def test_a_grid_may_have_as_many_dwellings_as_its_layer_says() -> None:
    """And not one more."""
    grids = {code: coded(code, unit="S1") for code in "ABC"}
    found = dwelling_flaws({"A": 500, "B": 501, "C": 0, "hidden": 900}, grids, 500)
    assert told(found) == [("too-many-dwellings", "warning", ("B",), ())]
    assert found[0].detail == {"dwellings": 501, "most": 500}


def test_a_key_is_of_what_and_where() -> None:
    """The same whatever the order of codes, and since when; another for another place, layer, or partner."""
    gap = Flaw("gap", "fault", ("A", "B"), shape=cell(0, 0))
    key = key_of("police", gap)
    assert key == key_of("police", replace(gap, grids=("B", "A"), since=T0, shape=cell(0, 0).reverse()))
    others = [
        key_of("governance", gap),
        *(key_of("police", replace(gap, **change)) for change in ({"shape": cell(1, 0)}, {"grids": ("A",)})),
        *(key_of("police", replace(gap, **change)) for change in ({"kind": "overlap"}, {"other": "governance"})),
    ]
    assert len({key, *others}) == 6


def test_thresholds_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """From where on a hole is a gap, and how many dwellings a grid of which layer may have."""
    monkeypatch.setenv("TWINGRID_GAP_AREA_M2", "10000")
    monkeypatch.setenv("TWINGRID_MOST_DWELLINGS", "governance=300, micro=80")
    limits = limits_of(Settings())
    assert (limits.gap_area_m2, limits.most_dwellings) == (10_000, {"governance": 300, "micro": 80})
    ring = np.array(
        [cell(0, 0, 3, 3) - shapely.box(LON + CELL, LAT + CELL, LON + 1.5 * CELL, LAT + 2 * CELL)], dtype=object
    )
    assert [one.kind for one in findings(["A"], ring)] == ["gap"]
    assert [(one.kind, one.detail["of"]) for one in findings(["A"], ring, None, limits.gap_area_m2)] == [
        ("sliver", "gap")
    ]
    monkeypatch.setenv("TWINGRID_MOST_DWELLINGS", "")
    assert Settings().most_dwellings == {}
    monkeypatch.setenv("TWINGRID_MOST_DWELLINGS", "500")
    with pytest.raises(ValidationError, match="layer=number"):
        Settings()


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_planted_in_a_city_is_found_and_nothing_else(city_of: Callable[[int], City], seed: int) -> None:
    """Faults of the tilings, vacancies, officers of several grids, and the grids that everybody forgot."""
    database, truth = city_of(seed)
    with database.read() as session:
        layers = {code: layer_named(session, code) for code in ("police", "governance")}
        state = OnRecord(session, THEN, USUAL.pieces)
        shapes = {code: checking.tiling(state, layer, USUAL) for code, layer in layers.items()}
        people = {code: checking.roster(state, layer, USUAL) for code, layer in layers.items()}
        codes = [flaw for layer in layers.values() for flaw in checking.codes(state, layer, USUAL)]
    for code, flaws in shapes.items():
        planted = sorted((one["kind"], tuple(sorted(one[code]))) for one in truth["faults"] if code in one)
        assert sorted((one.kind, one.grids) for one in flaws if one.kind != "disconnected") == planted
        exclaves = {one[code] for one in truth["exclaves"] if code in one}
        assert {one.grids[0] for one in flaws if one.kind == "disconnected"} >= exclaves
        assert all(one.owners and one.since for one in flaws)
    unled = {grid for one in people["police"] if one.kind in {"nobody", "no-lead"} for grid in one.grids}
    assert unled == set(truth["vacant"])
    nobody = {grid for flaws in people.values() for one in flaws if one.kind == "nobody" for grid in one.grids}
    assert nobody >= set(truth["forgotten"])
    several = {one.officers[0]: len(one.grids) for one in people["police"] if one.kind == "several-grids"}
    assert several == truth["several_grids"]
    assert {one.kind for one in codes} <= {"name-twice"}  # names are drawn


def test_the_command_line_checks_layers(
    town: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As a table, as JSON and as a file; a fault is an exit code of 1."""
    from api.cli import main
    from spatial.settings import settings

    monkeypatch.setenv("TWINGRID_DATABASE_URL", town.engine.url.render_as_string(hide_password=False))

    monkeypatch.setenv("COLUMNS", "200")

    def said(*words: str) -> tuple[str, int]:
        monkeypatch.setattr("sys.argv", ["twingrid", "check", *words, "--at", THEN.at.isoformat(), "--lang", "en"])
        settings.cache_clear()
        with pytest.raises(SystemExit) as left:
            main()
        settings.cache_clear()
        return capsys.readouterr().out, int(left.value.code or 0)

    assert said("codes") == ("nothing found\n", 0)
    shapes, code = said("tiling", "--json")
    assert ({one["kind"] for one in json.loads(shapes)}, code) == ({"disconnected"}, 0)
    people, code = said("roster", "--json")
    assert (json.loads(people)[0]["kind"], code) == ("nobody", 1)
    assert "nobody holds it" in said("roster", "--layer", "governance")[0]
    path = tmp_path / "faults.gpkg"
    said("tiling", "-o", str(path))
    read = pyogrio.read_dataframe(path)
    assert list(read["grids"]) == [";".join(one["grids"]) for one in json.loads(shapes)]
    assert read.geometry.is_valid.all()
