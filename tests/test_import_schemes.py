"""The codes that a layer allows are told by an expression of its planner, which can harm nobody."""

from pathlib import Path

import pytest

from spatial.db import Database
from spatial.grids.schemes import codes_outside, is_scheme
from spatial.imports.grids.model import NewLayer
from tests.importing import FOUR, geojson_file, plan_of, take, told
from tests.rows import counts
from tests.rows import faults as wrong
from tests.rows import take as take_rows


@pytest.mark.parametrize("scheme", ["((", "a)|(b", "", "(?=a)b", "\\", "\\Qa", "a" * 201, "((a{1000}){1000}){1000}"])
def test_what_is_no_scheme(empty_database: Database, tmp_path: Path, scheme: str) -> None:
    """Neither a broken expression nor one that would take all memory makes a layer."""
    assert not is_scheme(scheme)
    made = NewLayer({"zh-CN": "区", "en": "Sectors"}, code_scheme=scheme)
    assert told(lambda: plan_of(empty_database, geojson_file(tmp_path, FOUR), new_layer=made)) == [
        ("code-scheme", "code-scheme-malformed")
    ]


def test_codes_outside_of_a_scheme() -> None:
    """A scheme says all of a code; one that others would take ages over takes no time."""
    codes = ["1234567890123456", "12345678901234x", "１２３４５６７８９０１２３４５"]
    assert codes_outside("unit15", ["123456789012345", *codes]) == set(codes)
    assert codes_outside("free", ["a", "1"]) == frozenset()
    assert codes_outside("a|b", ["a", "b", "ab", "a\nb"]) == {"ab", "a\nb"}
    assert codes_outside("(a+)+", ["a" * 64, "a" * 63 + "!"]) == {"a" * 63 + "!"}


def test_every_code_outside_of_the_scheme_is_told(empty_database: Database, tmp_path: Path) -> None:
    """Each row whose code the layer does not allow is a fault of its own."""
    take(empty_database, geojson_file(tmp_path, FOUR), new_layer=NewLayer({"zh-CN": "区"}, code_scheme="G[0-9]"))
    wrong = geojson_file(tmp_path, FOUR, code=["G1", "X1", "G12", "G2"])
    assert told(lambda: plan_of(empty_database, wrong)) == [
        ("row 2, column code", "code-scheme-differs"),
        ("row 3, column code", "code-scheme-differs"),
    ]


def test_layers_made_as_rows(empty_database: Database) -> None:
    """A row that makes a layer may not give it a broken scheme, nor a code that no address can hold."""
    told_layers = {
        "code": ["sectors", "../x y", "Sectors", "s" * 41],
        "title": ["区"] * 4,
        "kind": ["free"] * 4,
        "code_scheme": ["((", r"\d{3}", None, "unit15"],
    }
    assert wrong(take_rows(empty_database, "layers", told_layers)) == [
        (2, "code_scheme", "code-scheme-malformed"),
        *((row, "code", "layer-code-malformed") for row in (3, 4, 5)),
    ]
    fine = {**told_layers, "code": ["a", "b-1", "c_2", "d"], "code_scheme": ["free", r"\d{3}", None, "unit15"]}
    assert counts(take_rows(empty_database, "layers", fine)) == {"new": 4}
