"""PostgreSQL: the roles that log in, its programs on this machine, and the system user they run as."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spatial.errors import SetupError

API, WORKER = "twingrid_api", "twingrid_worker"  # as which the service and the worker log in; see 0001_roles.sql
SYSTEM_USERS = ("postgres", "twingrid", "_postgres", "_postgresql")


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL that has PostGIS."""

    folder: Path
    major: int


def find_binaries(major: int | None = None, *, folders: Sequence[Path] | None = None) -> Binaries:
    """Return the newest PostgreSQL with PostGIS, or the one of version `major`, among `folders` (default: the usual).

    Errors: `postgresql-missing`, `postgis-missing`, `postgresql-version-missing`.
    """
    searched = _usual_folders() if folders is None else list(folders)
    installed = [folder for folder in searched if (folder / "initdb").exists() and (folder / "postgres").exists()]
    if not installed:
        raise SetupError("postgresql-missing", searched=[str(folder) for folder in searched])
    usable = [Binaries(folder, _major(folder / "postgres")) for folder in installed if _has_postgis(folder)]
    if not usable:
        raise SetupError("postgis-missing", majors=sorted({_major(folder / "postgres") for folder in installed}))
    fitting = [found for found in usable if major in {None, found.major}]
    if not fitting:
        raise SetupError("postgresql-version-missing", major=major, majors=sorted({found.major for found in usable}))
    return max(fitting, key=lambda found: found.major)


def _usual_folders() -> list[Path]:
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))  # Debian and Ubuntu keep them off the PATH
    if configured := _pg_config("--bindir"):
        folders.append(configured)
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    return folders


def _pg_config(question: str, folder: Path | None = None) -> Path | None:
    program = shutil.which("pg_config", path=folder and str(folder))
    if program is None:
        return None
    done = subprocess.run([program, question], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _has_postgis(folder: Path) -> bool:
    shared = _pg_config("--sharedir", folder)
    guesses = [folder.parent / "share" / name for name in ("", "postgresql", "pgsql")]
    return any((share / "extension/postgis.control").exists() for share in ([shared] if shared else guesses))


def _major(program: Path) -> int:
    """Return 15 for `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return int(re.findall(r"\d+", done.stdout)[0])


def system_user() -> pwd.struct_passwd:
    """Return who runs PostgreSQL: oneself, or for root, which PostgreSQL refuses, a system user."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in SYSTEM_USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise SetupError("postgresql-user-missing", tried=list(SYSTEM_USERS))


def run_as(
    user: pwd.struct_passwd, command: Sequence[str], folder: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder as `user`, with nothing in its environment that PostgreSQL would heed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    other = user.pw_uid != os.geteuid()
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=folder,
            env=environment | {"LC_ALL": "C.UTF-8", "TZ": "UTC"},
            start_new_session=True,  # Ctrl-C is for us; we stop the server in good order
            user=user.pw_uid if other else None,
            group=user.pw_gid if other else None,
            extra_groups=[] if other else None,
        )
    except PermissionError as error:
        raise SetupError("postgresql-user-refused", user=user.pw_name) from error


def find_client(program: str, server_major: int) -> Path:
    """Return the program of PostgreSQL that fits a server best: of its version, else of the next newer one.

    Errors: `postgresql-client-missing`.
    """
    found = [folder / program for folder in _usual_folders() if (folder / program).exists()]
    if on_path := shutil.which(program):
        found.append(Path(on_path))
    fitting = [(major, path) for path in found if (major := _major(path)) >= server_major]
    if not fitting:
        raise SetupError("postgresql-client-missing", program=program, major=server_major)
    return min(fitting, key=lambda found: found[0])[1]
