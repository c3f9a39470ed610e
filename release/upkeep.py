"""`make dependencies`: which locked libraries their makers took back, and which have seen no release for long.

What is found is written to docs/dependencies.toml, where each needs a reason for being used all the same; a test holds
that file against the lock file. The package index is asked here and nowhere else.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import tomli_w

from release.bundle import BUILD, collect_wheels
from release.parts import pinned
from spatial.settings import ROOT

FILE = ROOT / "docs" / "dependencies.toml"
OLD_AFTER = timedelta(days=730)
NO_REASON = ""


def main() -> None:
    """Write the file anew, the reasons that were given kept."""
    today = datetime.now(UTC).date()
    given = {(one["name"], one["version"]): one["reason"] for one in recorded()["exception"]} if FILE.exists() else {}
    versions = pinned()
    found = [(name, "yanked") for name in _yanked()] + [(name, "no release for two years") for name in _old(today)]
    exceptions = [
        {"name": name, "version": versions[name], "what": what, "reason": given.get((name, versions[name]), NO_REASON)}
        for name, what in sorted(found)
    ]
    written = {"checked": today, "versions": versions, "exception": exceptions}
    FILE.write_text(tomli_w.dumps(written), encoding="utf-8")
    for one in exceptions:
        print(f"{one['name']} {one['version']}: {one['what']}: {one['reason'] or 'WRITE A REASON'}")  # noqa: T201


def recorded() -> dict[str, Any]:
    """Return what was found when the index was last asked."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def _yanked() -> list[str]:
    """Return the libraries whose locked version was taken back."""
    asked = ["--ignore-installed", "--no-deps", "--require-hashes", "-r", str(ROOT / "requirements.txt")]
    done = _pip(*asked)
    done.check_returncode()
    return [one["metadata"]["name"].lower() for one in json.loads(done.stdout)["install"] if one.get("is_yanked")]


def _old(today: date) -> list[str]:
    """Return the libraries whose locked version is older than two years (`make lock UPGRADE=--upgrade` takes newer).

    Files inside a wheel tell when it was made; where makers write a fixed date instead, the index is asked.
    """
    limit = today - OLD_AFTER
    wheels = BUILD / "upkeep"
    shutil.rmtree(wheels, ignore_errors=True)
    collect_wheels(wheels)
    suspects = {
        file.name.partition("-")[0].replace("_", "-").lower() for file in wheels.iterdir() if _made(file) < limit
    }
    before = f"--uploaded-prior-to={limit.isoformat()}"
    return [
        name
        for name, version in pinned().items()
        if name in suspects and _pip(before, "--ignore-installed", "--no-deps", f"{name}=={version}").returncode == 0
    ]


def _made(wheel: Path) -> date:
    with zipfile.ZipFile(wheel) as packed:
        return max(date(*one.date_time[:3]) for one in packed.infolist())


def _pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"]
    plain = {key: value for key, value in os.environ.items() if key not in {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"}}
    return subprocess.run(  # a folder or a second index of this machine knows no dates
        [*command, "--report=-", *arguments],
        env=plain | {"PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    main()
