"""`make bench`: every case, as a table of ratios in benchmarks/RESULTS.md."""

import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks import (
    bulk,
    city,
    duty,
    geotag,
    http,
    imports,
    intake,
    lookup,
    map,  # noqa: A004  named after what it measures
    overlaps,
    redraw,
    town,
)
from benchmarks.case import Result, run
from spatial.local_postgis import LocalPostgis

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = """\
# Speed, as ratios

Produced by `make bench` on {machine}. Each row: medians of five runs of both ways in turns (of three, where a run takes
long), on the same data, after their results were found equal. The ratio is theirs / ours: above 1 we are faster. Ratios
carry over to other machines; rates do not. `make bench ONLY="bulk geotag"` runs the look-ups of very many places alone:
owners in both layers on one core, files from end to end, and growth.

| case | Twingrid | instead of | ratio | floor |
"""
RULE = "|---|---|---|---|---|\n"


MODULES: tuple[ModuleType, ...] = (town, city, lookup, http, bulk, geotag, imports, intake, map, overlaps, redraw, duty)
NAMES = {module.__name__.rpartition(".")[2]: module for module in MODULES}


def main(asked: Sequence[str]) -> int:
    """Run all cases, or those of some modules; the exit code is 1 when a floor is not kept.

    Rows of cases that are not run stay as they are.
    """
    results: list[Result] = []
    chosen = [NAMES[name] for name in asked] or MODULES
    with tempfile.TemporaryDirectory(prefix="twingrid-bench-") as folder:
        Path(folder).chmod(0o755)
        with LocalPostgis(Path(folder)) as postgis:
            for module in chosen:
                for case in module.cases(postgis):
                    results.append(case if isinstance(case, Result) else run(case))
                    print(results[-1].row(), flush=True)
    before = RESULTS.read_text(encoding="utf-8").partition(RULE)[2].splitlines() if asked else []
    rows = {_key(row): row for row in (*before, *(one.row() for one in results))}
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    RESULTS.write_text(
        HEAD.format(machine=machine) + RULE + "".join(f"{row}\n" for row in rows.values()), encoding="utf-8"
    )
    return 0 if all(one.holds for one in results) else 1


def _key(row: str) -> tuple[str, str]:
    """Return what a row compares: our case, and what is done instead."""
    cells = row.split(" | ")
    return cells[0], cells[2].partition(":")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
