"""The benchmarks compare like with like."""

import tempfile
from pathlib import Path

import pytest

from benchmarks import city, imports, intake, lookup, map, town  # noqa: A004  named after what it measures
from spatial.local_postgis import LocalPostgis

pytestmark = pytest.mark.proof


def test_both_ways_of_every_case_give_the_same() -> None:
    """Ours and theirs have equal results in every case; how fast they are is for `make bench` to say."""
    with tempfile.TemporaryDirectory(prefix="twingrid-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with LocalPostgis(Path(folder), durable=False) as postgis:
            for module in (town, city, lookup, imports, intake, map):
                for case in module.cases(postgis):
                    assert case.same(case.ours(), case.theirs()), case.name
