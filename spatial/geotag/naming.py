"""Which columns of a file say the place."""

from collections.abc import Collection, Iterable, Sequence

from spatial.errors import Fault, InputError
from spatial.geotag.model import Asked
from spatial.imports.mapping import LAT, LON, bare


def place_columns(names: Sequence[str], asked: Asked) -> tuple[str, str]:
    """Return the columns of x and y: those asked for, else those whose names say so; else an `InputError`."""
    found, faults = [], []
    for where, wanted, known in (("x", asked.x, LON), ("y", asked.y, LAT)):
        said = {bare(name): name for name in reversed(names)}
        usual = (said[one] for one in (known.name, *known.aliases) if one in said)
        column = wanted if wanted in names else None if wanted else next(usual, None)
        if column is not None:
            found.append(column)
        elif wanted:
            faults.append(Fault(where, "column-missing", {"column": wanted, "known": ", ".join(names)}))
        else:
            faults.append(Fault(where, "geotag-place-unnamed", {"option": f"--{where}", "known": ", ".join(names)}))
    if asked.at_column is not None and asked.at_column not in names:
        values = {"column": asked.at_column, "known": ", ".join(names)}
        faults.append(Fault("at_column", "column-missing", values))
    if faults:
        raise InputError(faults)
    return found[0], found[1]


def require_new(added: Iterable[str], names: Collection[str]) -> None:
    """Raise an `InputError` where columns that are to be added are there already."""
    if there := [one for one in added if one in names]:
        raise InputError([Fault("column", "geotag-column-there", {"column": one}) for one in there])
