"""What the product stands on: each library and package with its version and licence."""

import json
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Literal

from license_expression import ExpressionError, Licensing, get_spdx_licensing

from spatial.settings import ROOT

Kind = Literal["pypi", "npm", "deb"]
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
REFUSED = re.compile(
    r"^A?GPL-"
)  # of libraries: they run in one process with the product, packages of the system do not
CLASSIFIED = {  # what a project states by classifiers alone
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
    "3-Clause BSD License": "BSD-3-Clause",  # as protobuf words it
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Part:
    """A library or package of another project."""

    kind: Kind
    name: str
    version: str
    licence: str  # an SPDX expression for libraries; names of licences, as its packager wrote them, for packages


def pinned() -> dict[str, str]:
    """Return the version of each Python library that the product runs on, by name, from the lock file."""
    return dict(PINNED.findall((ROOT / "requirements.txt").read_text(encoding="utf-8")))


def python_parts() -> list[Part]:
    """Return the Python libraries that the product runs on, with what their own metadata say."""
    return [Part("pypi", name, version, stated_licence(distribution(name))) for name, version in pinned().items()]


def front_end_parts() -> list[Part]:
    """Return the front-end libraries."""
    asked = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    found = [json.loads((ROOT / "node_modules" / name / "package.json").read_text()) for name in asked]
    return [Part("npm", one["name"], one["version"], one.get("license", NOT_STATED)) for one in found]


def system_parts(files: list[Path]) -> list[Part]:
    """Return Debian packages, from their files."""
    return sorted((_system_part(file) for file in files), key=lambda part: part.name)


def refusals(parts: list[Part]) -> list[str]:
    """Return what forbids shipping the libraries among some parts: a licence that is not known, or (A)GPL."""
    return [
        f"{part.name} {part.version}: {part.licence}"
        for part in parts
        if part.kind != "deb" and (not is_spdx(part.licence) or any(map(REFUSED.match, _symbols(part.licence))))
    ]


def is_spdx(licence: str) -> bool:
    """Return whether a text is an expression of SPDX, of licences that SPDX knows."""
    try:
        return _spdx().parse(licence, validate=True) is not None
    except ExpressionError:
        return False


def stated_licence(project: Distribution) -> str:
    """Return what a project's metadata say of its licence: as an expression, else by classifiers."""
    told = project.metadata
    for stated in (told[field] for field in ("License-Expression", "License") if field in told):
        licence = CLASSIFIED.get(stated, stated)
        if is_spdx(licence):
            return licence
    classifiers = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line.startswith("License")
    ]
    known = [CLASSIFIED[one] for one in classifiers if one in CLASSIFIED]
    return " OR ".join(known) or NOT_STATED


@cache
def _spdx() -> Licensing:
    return get_spdx_licensing()


def _symbols(licence: str) -> list[str]:
    return [str(symbol) for symbol in _spdx().license_symbols(licence)]


def _system_part(file: Path) -> Part:
    name, version = _told("dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(file)).split()
    stated = ", ".join(sorted(set(_packaged_licences(file, name)))) or f"see /usr/share/doc/{name}/copyright"
    return Part("deb", name, version, stated)


def _packaged_licences(file: Path, name: str) -> list[str]:
    """Return the names of licences in a package's own copyright file: by field, else the common texts it refers to."""
    unpacking = ["dpkg-deb", "--fsys-tarfile", str(file)]
    with subprocess.Popen(unpacking, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packed:
        wanted = ["tar", "-xO", "--occurrence=1", f"./usr/share/doc/{name}/copyright"]
        done = subprocess.run(wanted, stdin=packed.stdout, capture_output=True, check=False)
    text = done.stdout.decode(errors="replace")
    by_field = re.findall(r"^License: *(\S.*)$", text, re.MULTILINE)
    return by_field or re.findall(r"/usr/share/common-licenses/([\w.-]*\w)", text)


def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
