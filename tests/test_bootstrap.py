"""The lock files and the script that installs from them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-node.txt", "benchmarks/requirements-peers.txt"]


def pins(lock: str) -> dict[str, str]:
    """Return what a lock file pins, by name."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_library_is_pinned_with_hashes(lock: str) -> None:
    """Each library has one version and at least one hash, so that what is installed is what was tested."""
    entry = r"^\S.*==.*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+"
    entries = re.findall(entry, (ROOT / lock).read_text(), re.MULTILINE)
    assert len(entries) == len(pins(lock)) > 0


@pytest.mark.parametrize("lock", [*LOCKS, "package-lock.json"])
def test_lock_files_name_no_registry(lock: str) -> None:
    """Where packages come from is the machine's affair: a mirror, a proxy, a folder."""
    text = (ROOT / lock).read_text()
    assert not re.search(r'://|^--|"resolved"', text, re.MULTILINE)


def test_tests_run_on_what_is_shipped() -> None:
    """The libraries for tests include those of the product in the same versions."""
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def test_every_library_asked_for_is_locked() -> None:
    """Nothing is asked for that the lock file does not hold."""
    for lock in LOCKS:
        lines = (ROOT / lock).with_suffix(".in").read_text().splitlines()
        names = {re.match(r"[a-z0-9-]+", line) for line in lines if line and line[0] not in "#-"}
        assert {name[0] for name in names if name} <= set(pins(lock)), "run make lock"


def test_front_end_libraries_are_locked() -> None:
    """Each front-end library that is asked for has its integrity recorded."""
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    asked = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert packages[""]["dependencies"] == asked
    assert all(packages[f"node_modules/{name}"]["integrity"].startswith("sha512-") for name in asked)


def test_bootstrap_explains_itself() -> None:
    """An unknown verb lists the known ones."""
    done = subprocess.run(["./bootstrap", "nonsense"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "./bootstrap run" in done.stdout
