"""The benchmarks compare like with like."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from benchmarks import bulk, duty, geotag, http
from benchmarks.__main__ import MODULES
from benchmarks.case import Result
from spatial.local_postgis import LocalPostgis
from spatial.settings import ROOT

pytestmark = pytest.mark.proof


def test_both_ways_of_every_case_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and theirs have equal results in every case; how fast they are is for `make bench` to say."""
    subprocess.run([ROOT / "bootstrap", "peers"], check=True)
    monkeypatch.setattr(bulk, "GROWTH", (1, 2))
    monkeypatch.setattr(geotag, "ROWS", 300_000)
    monkeypatch.setattr(http, "REQUESTS", 200)
    monkeypatch.setattr(duty, "DAYS", 1)
    with tempfile.TemporaryDirectory(prefix="twingrid-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with LocalPostgis(Path(folder), durable=False) as postgis:
            for module in MODULES:
                for case in module.cases(postgis):
                    assert isinstance(case, Result) or case.same(case.ours(), case.theirs()), case
