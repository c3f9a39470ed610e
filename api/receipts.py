"""Receipts of look-ups: an address that gives the same body later."""

import re
from datetime import datetime
from urllib.parse import quote_plus

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
    told = [
        f"lon={asked.lon}&lat={asked.lat}&at={_written(asked.at)}",
        *([f"known_at={_written(asked.known_at)}"] if asked.known_at else []),
        f"accuracy_m={asked.accuracy_m}",
        *(f"layer={quote_plus(code)}" for code in asked.layers or ()),
        *([f"category={quote_plus(asked.category)}"] if asked.category is not None else []),
        f"lang={lang}&receipt=areas{stood_on.versions['areas']}-duty{stood_on.versions['duty']}-{stood_on.basis}",
    ]
    return f"/lookup?{'&'.join(told)}"


def _written(at: datetime) -> str:
    return at.isoformat().replace("+", "%2B")
