"""What is found wrong with layers: codes, rosters and shapes, at any moment."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyogrio
import pytest

from spatial.db import Database
from spatial.findings import checking
from spatial.findings.model import Beatless, Coded, Flaw, Held, Limits
from spatial.findings.rules import code_flaws, roster_flaws
from spatial.grids.listing import layer_named
from spatial.history import Moment
from tests.build import T0
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


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_planted_in_a_city_is_found_and_nothing_else(city_of: Callable[[int], City], seed: int) -> None:
    """Faults of the tilings, vacancies, officers of several grids, and the grids that everybody forgot."""
    database, truth = city_of(seed)
    with database.read() as session:
        layers = {code: layer_named(session, code) for code in ("police", "governance")}
        shapes = {code: checking.tiling(session, layer, THEN, USUAL) for code, layer in layers.items()}
        people = {code: checking.roster(session, layer, THEN, USUAL) for code, layer in layers.items()}
        codes = [flaw for layer in layers.values() for flaw in checking.codes(session, layer, THEN, USUAL)]
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
