"""Receipts of look-ups: an address that gives the same body later."""

import re
from urllib.parse import urlencode

from spatial.errors import invalid
from spatial.lookup.model import Answer, Receipt

_WRITTEN = re.compile(r"areas(\d{1,18})-duty(\d{1,18})-([0-9a-f]{12})", re.ASCII)


def read_receipt(text: str) -> Receipt:
    """Return what a receipt names; `InputError` where it is none."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise invalid("receipt", "malformed-receipt")
    return Receipt({"areas": int(found[1]), "duty": int(found[2])}, found[3])


def receipt_url(answer: Answer, lang: str) -> str:
    """Return the address that gives an answer again to whoever reaches as far."""
    asked, stood_on = answer.question, answer.receipt
    told: list[tuple[str, object]] = [
        ("lon", asked.lon),
        ("lat", asked.lat),
        ("at", asked.at.isoformat()),
        *([("known_at", asked.known_at.isoformat())] if asked.known_at else []),
        ("accuracy_m", asked.accuracy_m),
        *(("layer", code) for code in asked.layers or ()),
        *([("category", asked.category)] if asked.category is not None else []),
        ("lang", lang),
        ("receipt", f"areas{stood_on.versions['areas']}-duty{stood_on.versions['duty']}-{stood_on.basis}"),
    ]
    return f"/lookup?{urlencode(told)}"
