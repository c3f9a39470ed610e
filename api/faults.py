"""Faults of values from outside, whoever found them: text that is not plain, and what pydantic refuses."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from spatial.errors import Fault, InputError

LINE_BREAKS = "\t\n\r"  # a WKT may have them
OURS = {  # types of error that validators of ours raise
    "client-id-missing",
    "issuer-not-https",
    "not-a-network",
    "not-an-origin",
    "not-by-layer",
    "text-has-control-characters",
    "text-not-utf8",
    "unknown-zone",
}


def text_fault(where: str, text: str) -> Fault | None:
    """Return what is wrong with a text from outside: control characters, or what was no UTF-8; else None."""
    kinds = {unicodedata.category(letter) for letter in text if letter not in LINE_BREAKS}
    if "Cs" in kinds or "\N{REPLACEMENT CHARACTER}" in text:
        return Fault(where, "text-not-utf8")
    return Fault(where, "text-has-control-characters") if "Cc" in kinds else None


def refuse_unprintable(**texts: Iterable[str]) -> None:
    """Raise an `InputError` where texts from outside are not plain."""
    found = [fault for where, given in texts.items() for text in given if (fault := text_fault(where, text))]
    if found:
        raise InputError(found)


def refused(error: Mapping[str, Any], where: str) -> Fault:
    """Turn one of pydantic's errors into a fault."""
    kind, wanted = error["type"], {"ge", "gt", "le", "lt", "expected", "expected_tags", "pattern"}
    limits = [value for key, value in error.get("ctx", {}).items() if key in wanted]
    match kind:
        case _ if kind in OURS:
            return Fault(where, kind)
        case "missing":
            return Fault(where, "missing")
        case "extra_forbidden":
            return Fault(where, "unknown-field")
        case "finite_number":
            return Fault(where, "not-finite")
        case "float_parsing" | "float_type" | "int_parsing" | "int_type" | "int_from_float":
            return Fault(where, "not-a-number")
        case "json_invalid":
            return Fault(where, "not-json")
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            return Fault(where, "number-out-of-range", {"limit": limits[0]})
        case _:
            return Fault(where, "malformed", {"expected": limits[0] if limits else kind.replace("_", " ")})
