"""`make bench`: every case, as a table of ratios in benchmarks/RESULTS.md."""

import platform
import sys
import tempfile
from pathlib import Path

from benchmarks import bulk, city, geotag, imports, intake, lookup, map, town  # noqa: A004  named after what it measures
from benchmarks.case import Result, run
from spatial.local_postgis import LocalPostgis

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = """\
# Speed, as ratios

Produced by `make bench` on {machine}. Each row: medians of five runs of both ways in turns (of three, where a run takes
long), on the same data, after their results were found equal. The ratio is theirs / ours: above 1 we are faster. Ratios
carry over to other machines; rates do not.

| case | Twingrid | instead of | ratio | floor |
|---|---|---|---|---|
"""


def main() -> int:
    """Run all cases; the exit code is 1 when a floor is not kept."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="twingrid-bench-") as folder:
        Path(folder).chmod(0o755)
        with LocalPostgis(Path(folder)) as postgis:
            for module in (town, city, lookup, bulk, geotag, imports, intake, map):
                for case in module.cases(postgis):
                    results.append(run(case))
                    print(results[-1].row(), flush=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    RESULTS.write_text(HEAD.format(machine=machine) + "".join(f"{one.row()}\n" for one in results), encoding="utf-8")
    return 0 if all(one.holds for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
