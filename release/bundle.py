"""`make bundle`: one archive that installs and runs on a bare Debian of this version, without any network.

twingrid-<version>-<arch>/
    install, twingrid      check and install everything; the command line
    SHA256SUMS             of every file
    sbom.cdx.json          what is in it, with versions and licences
    bundle/wheels/         Python libraries
    bundle/packages/       Debian packages: PostgreSQL, PostGIS, fonts, and all below them
    bundle/python          the version of Python that the libraries are made for
    node_modules/          front-end libraries
    api/ spatial/ maps/ …  the product
"""

import gzip
import re
import shutil
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from release.parts import front_end_parts, python_parts, refusals, system_parts
from release.sbom import write_bill
from spatial.backup.folder import sha256
from spatial.settings import ROOT, VERSION

BUILD, DIST = ROOT / "build", ROOT / "dist"
PRODUCT = ("api", "docs", "fixtures", "maps", "migrations", "spatial")
BESIDE = (
    "CHANGELOG.md", "README.md", "README.zh-CN.md", "bootstrap", "package-lock.json", "package.json", "pyproject.toml",
    "requirements.txt",
)  # fmt: skip
FRONT_END = (
    "leaflet/LICENSE", "leaflet/package.json", "leaflet/dist/leaflet.css", "leaflet/dist/leaflet.js",
    "leaflet/dist/images/*.png", "swagger-ui-dist/LICENSE", "swagger-ui-dist/NOTICE", "swagger-ui-dist/package.json",
    "swagger-ui-dist/swagger-ui.css", "swagger-ui-dist/swagger-ui-bundle.js*.txt",
    "swagger-ui-dist/swagger-ui-bundle.js", ".installed",
)  # fmt: skip
PACKAGES = ("postgresql-postgis", "fonts-noto-cjk", "libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
COMPRESSION = 1  # packages and wheels are compressed already


def main() -> None:
    """Make the archive and its checksum, and print where they are."""
    made_at = datetime.fromtimestamp(int(_told("git", "log", "-1", "--format=%ct")), UTC)
    architecture = _told("dpkg", "--print-architecture")
    folder = BUILD / "bundle" / f"twingrid-{VERSION}-{architecture}"
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    _copy_product(folder)
    collect_wheels(folder / "bundle" / "wheels")
    packages = _collect_packages(folder / "bundle" / "packages")
    (folder / "bundle" / "python").write_text(f"{sys.version_info.major}.{sys.version_info.minor}\n")
    parts = [*python_parts(), *front_end_parts(), *system_parts(packages)]
    if refused := refusals(parts):
        sys.exit("Not to be shipped: " + "; ".join(refused))
    write_bill(folder / "sbom.cdx.json", parts, made_at)
    _write_sums(folder)
    archive = pack(folder, int(made_at.timestamp()))
    print(f"{archive} ({archive.stat().st_size >> 20} MiB), {len(parts)} parts")  # noqa: T201


def _copy_product(folder: Path) -> None:
    """Copy what belongs to the product and is under version control, and the front-end files that pages name."""
    listed = _told("git", "ls-files", "-z", "--", *PRODUCT, *BESIDE).split("\0")
    front_end = [file for pattern in FRONT_END for file in (ROOT / "node_modules").glob(pattern)]
    for file in [*(ROOT / name for name in listed if name), *front_end]:
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    for script in ("install", "twingrid"):
        shutil.copy(ROOT / "release" / script, folder / script)


def collect_wheels(folder: Path) -> None:
    """Fetch the wheels that the lock file pins, each held against its hash, and pip itself."""
    folder.mkdir(parents=True)
    locked = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    pip = "".join(re.findall(r"^pip==.*(?:\n    --hash=.*)+", locked, re.MULTILINE))
    asked = folder.with_suffix(".pip.txt")
    asked.write_text(pip.rstrip(" \\") + "\n")
    how = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    files = ["-r", str(ROOT / "requirements.txt"), "-r", str(asked)]
    _run(sys.executable, "-m", "pip", "download", *how, "--dest", str(folder), *files)
    asked.unlink()


def _collect_packages(folder: Path) -> list[Path]:
    """Fetch the Debian packages, and all that they need on a machine that has nothing yet."""
    cache, nothing = BUILD / "packages", BUILD / "bundle" / "nothing"
    (cache / "partial").mkdir(parents=True, exist_ok=True)
    nothing.touch()
    own = [f"Dir::State::status={nothing}", f"Dir::Cache::archives={cache}", "Debug::NoLocking=1"]
    options = [word for setting in (*own, "APT::Sandbox::User=root") for word in ("-o", setting)]
    asked = ["apt-get", *options, "-y", "--no-install-recommends", "install", *PACKAGES]
    _told(*asked, "-qq", "--download-only")
    folder.mkdir(parents=True)
    chosen = re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", _told(*asked, "--simulate"), re.MULTILINE)
    for name, version, architecture in chosen:
        shutil.copy(cache / f"{name.partition(':')[0]}_{version.replace(':', '%3a')}_{architecture}.deb", folder)
    return sorted(folder.iterdir())


def _write_sums(folder: Path) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    sums = "".join(f"{sha256(file)}  {file.relative_to(folder)}\n" for file in files)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")


def pack(folder: Path, made_at: int) -> Path:
    """Pack a folder so that equal content makes equal bytes, and write the archive's checksum beside it."""
    DIST.mkdir(exist_ok=True)
    archive = DIST / f"{folder.name}.tar.gz"

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime, member.uid, member.gid, member.uname, member.gname = made_at, 0, 0, "root", "root"
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", COMPRESSION, file, mtime=made_at) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder.parent), recursive=False, filter=plain)
    (DIST / f"{archive.name}.sha256").write_text(f"{sha256(archive)}  {archive.name}\n")
    return archive


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def _told(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
