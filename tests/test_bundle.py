"""The bundle: what is in it, that it says so, and that it installs and runs where there is no network."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from release import bundle, upkeep
from release.parts import Part, front_end_parts, is_spdx, python_parts, refusals
from release.sbom import write_bill
from spatial.settings import ROOT, VERSION
from tests.test_bootstrap import pins

T0 = datetime(2025, 3, 3, tzinfo=UTC)
needs_namespace = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"),
    reason="only root makes a network namespace",
)
ALONE = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
TRY = Path(__file__).parent / "bundle_alone.py"


def test_every_library_has_a_licence_we_may_ship() -> None:
    """Each library the product runs on says under which licence, and none is (A)GPL."""
    parts = [*python_parts(), *front_end_parts()]
    assert {part.name: part.version for part in parts if part.kind == "pypi"} == pins("requirements.txt")
    assert refusals(parts) == []


def test_what_is_yanked_or_no_longer_maintained_has_a_reason() -> None:
    """What the index said when it was last asked is of the versions locked now; each exception says why it is used."""
    found = upkeep.recorded()
    assert found["versions"] == pins("requirements.txt"), "run make dependencies"
    assert [one["name"] for one in found["exception"] if not one["reason"].strip()] == []


@pytest.mark.parametrize(
    ("licence", "refused"),
    [
        ("MIT", False),
        ("LGPL-3.0-or-later", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", False),
        ("GPL-3.0-or-later", True),
        ("MIT AND AGPL-3.0-only", True),
        ("not stated", True),
        ("Copyright (c) 2020 somebody\n\nPermission is hereby granted", True),
    ],
)
def test_a_library_is_refused_for_its_licence(licence: str, *, refused: bool) -> None:
    """(A)GPL, and what no one can tell, is not shipped; a package of the system may be GPL, it runs by itself."""
    assert bool(refusals([Part("pypi", "x", "1", licence)])) is refused
    assert refusals([Part("deb", "x", "1", licence)]) == []


def test_the_bill_lists_every_part(tmp_path: Path) -> None:
    """It is CycloneDX, names each part with version and licence, and is the same bytes for the same parts."""
    parts = [*python_parts(), *front_end_parts(), Part("deb", "postgresql-15", "15.1", "PostgreSQL, GPL-2+")]
    for name in ("a", "b"):
        write_bill(tmp_path / name, parts, T0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    told = json.loads((tmp_path / "a").read_text())
    assert (told["bomFormat"], told["metadata"]["component"]["version"]) == ("CycloneDX", VERSION)
    listed = {one["name"]: one for one in told["components"]}
    assert {name: one["version"] for name, one in listed.items()} == {part.name: part.version for part in parts}
    assert all(one["licenses"] and one["purl"].startswith("pkg:") for one in listed.values())
    assert is_spdx(listed["numpy"]["licenses"][0]["expression"])


def test_equal_content_makes_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the order in which files were written, nor their times and owners, show in the archive."""
    sums = []
    for turn, names in enumerate(("ab", "ba")):
        folder = tmp_path / str(turn) / "twingrid"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(name)
            os.utime(folder / name, (turn, turn))
        monkeypatch.setattr(bundle, "DIST", tmp_path / str(turn))
        sums.append(bundle.pack(folder, 1_700_000_000).read_bytes())
    assert sums[0] == sums[1]


@pytest.fixture(scope="module")
def archive() -> Path:
    """Make the bundle as `make bundle` does."""
    subprocess.run([sys.executable, "-m", "release.bundle"], cwd=ROOT, check=True, capture_output=True)
    (made,) = bundle.DIST.glob(f"twingrid-{VERSION}-*.tar.gz")
    return made


@pytest.fixture
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack it into a folder that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="tg-bundle-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        subprocess.run(["sha256sum", "--quiet", "-c", f"{archive}.sha256"], cwd=archive.parent, check=True)
        subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
        yield next(folder.iterdir())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@needs_namespace
@pytest.mark.proof
def test_it_installs_and_answers_without_any_network(unpacked: Path) -> None:
    """In a network namespace with nothing but loopback, it installs, loads the town, and says whose a place is."""
    done = subprocess.run(
        [*ALONE, "python3", TRY, unpacked], capture_output=True, text=True, env=bare_environment(), timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"network": "unreachable", "layers": ["owned", "owned"], "docs": 200, "map": 200}


@pytest.mark.proof
def test_a_damaged_bundle_is_not_installed(unpacked: Path) -> None:
    """One changed byte in one wheel is found before anything is done."""
    wheel = next((unpacked / "bundle" / "wheels").glob("fastapi-*.whl"))
    content = bytearray(wheel.read_bytes())
    content[1000] ^= 1
    wheel.write_bytes(content)
    done = subprocess.run([unpacked / "install"], capture_output=True, text=True)
    assert done.returncode == 1
    assert wheel.name in done.stdout + done.stderr
    assert not (unpacked / ".venv").exists()


@needs_namespace
@pytest.mark.full
@pytest.mark.skipif(not shutil.which("debootstrap"), reason="debootstrap makes the bare Debian")
def test_it_installs_on_a_bare_debian(unpacked: Path) -> None:
    """On a Debian 12 with Python and nothing else, in a chroot without network, PostgreSQL and fonts come from it."""
    bare = Path(tempfile.mkdtemp(prefix="tg-bare-", dir="/var/tmp"))
    try:
        subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=python3,iproute2", "bookworm", bare],
            check=True,
            capture_output=True,
        )
        bare.chmod(0o755)
        home = bare / "srv" / unpacked.name
        shutil.copytree(unpacked, home, symlinks=True)
        shutil.copy(TRY, bare / "srv" / TRY.name)
        inside = ["unshare", "--mount", "--pid", "--fork", "--net", "--", "chroot", bare, "sh", "-c"]
        steps = (
            "mount -t proc proc /proc && mount -t tmpfs -o mode=1777 shm /dev/shm && ip link set lo up && "
            f"exec python3 /srv/{TRY.name} /srv/{unpacked.name}"
        )
        done = subprocess.run([*inside, steps], capture_output=True, text=True, env=bare_environment(), timeout=1200)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["layers"] == ["owned", "owned"]
    finally:
        shutil.rmtree(bare, ignore_errors=True)


def bare_environment() -> dict[str, str]:
    """Return an environment without this machine's proxies, mirrors and settings of the product."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
