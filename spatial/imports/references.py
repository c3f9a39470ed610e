"""What a row may refer to: codes in files, ids in the database, and when each is in force."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """SQL of `id`, `code` (as it is looked up), `shown` (as it is written) and `valid`; {known} picks what is known."""

    rows: str
    id_type: str = "bigint"


def _dated(name: str, thing: str, code: str) -> Reference:
    return Reference(
        f"SELECT t.id, t.{code} AS code, t.{code} AS shown, r.valid FROM {thing} t "  # noqa: S608  our own names
        f"JOIN {name}_version r ON r.{name}_id = t.id WHERE {{known}}"
    )


def _undated(name: str) -> Reference:
    return Reference(f"SELECT id, code, code AS shown, '(,)'::tstzrange AS valid FROM {name}")  # noqa: S608  our own names


UNIT = "SELECT r.unit_id AS id, r.code, r.code AS shown, r.valid FROM unit_version r WHERE {known}"
GRID = (
    "SELECT r.grid_id AS id, l.code || '/' || r.code AS code, r.code AS shown, r.valid "
    "FROM grid_version r JOIN layer l ON l.id = r.layer_id WHERE {known}"
)
PLACE = _dated("place", "place", "code")
LAYER = _undated("layer")


def _prefixed(**of: str) -> Reference:
    """Return the union of references whose codes tell their kinds: `grid:police/A1`."""
    parts = (
        f"SELECT '{kind}:' || id AS id, '{kind}:' || code AS code, '{kind}:' || code AS shown, valid FROM ({rows}) u"  # noqa: S608  our own names
        for kind, rows in of.items()
    )
    return Reference(" UNION ALL ".join(parts), id_type="text")


REFERENCES: dict[str, Reference] = {
    "unit": Reference(UNIT),
    "grid": Reference(GRID),
    "place": PLACE,
    "layer": LAYER,
    "category": _undated("category"),
    "source": _undated("source"),
    "officer": _dated("officer", "officer", "number"),
    "team": _dated("team", "team", "code"),
    "shift": Reference(
        "SELECT r.uuid AS id, r.uuid::text AS code, r.uuid::text AS shown, '(,)'::tstzrange AS valid "
        "FROM shift r WHERE {known} AND r.parent_shift IS NULL",
        id_type="uuid",
    ),
    "covered": _prefixed(grid=GRID, unit=UNIT, place=PLACE.rows),
    "staffed": _prefixed(grid=GRID, unit=UNIT, place=PLACE.rows, layer=LAYER.rows),
}
