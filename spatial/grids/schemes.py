"""Which codes a layer may have, and its grids: all, those of a unit, or those of a regular expression.

An expression comes from users: it is matched by RE2, whose time grows with the text alone.
"""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from spatial.errors import Fault, InputError

PATTERNS = {"free": ".+", "unit15": "[0-9]{15}"}
LONGEST_SCHEME = 200
LAYER_CODE = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def is_layer_code(code: str) -> bool:
    """Return whether a text can be the code of a layer, which stands in addresses and in names of files."""
    return LAYER_CODE.fullmatch(code) is not None


def is_scheme(code_scheme: str) -> bool:
    """Return whether a code scheme is free, unit15 or a regular expression."""
    try:
        for pattern in (PATTERNS.get(code_scheme, code_scheme), _whole(code_scheme)):
            pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        return False
    return 0 < len(code_scheme) <= LONGEST_SCHEME


def require_scheme(code_scheme: str) -> None:
    """Raise an `InputError` unless a code scheme is one."""
    if not is_scheme(code_scheme):
        raise InputError([Fault("code-scheme", "code-scheme-malformed", {"scheme": code_scheme[:LONGEST_SCHEME]})])


def codes_outside(code_scheme: str, codes: Sequence[str]) -> frozenset[str]:
    """Return the codes that a scheme does not allow."""
    different = pa.array(sorted(set(codes)), pa.string())
    fits = pc.match_substring_regex(different, _whole(code_scheme))
    return frozenset(different.filter(pc.invert(fits)).to_pylist())


def _whole(code_scheme: str) -> str:
    return rf"\A(?:{PATTERNS.get(code_scheme, code_scheme)})\z"
