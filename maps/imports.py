"""The page of imports: send a file, see what it would do, do it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from maps.offline import TEMPLATES
from maps.texts import LANGUAGES, say

UNFINISHED = ("queued", "running")
REFRESH_S = 2


@dataclass(frozen=True)
class Sent:
    """A file that was sent lately."""

    id: str
    subject: str
    file: str
    sent_by: str
    sent_at: datetime
    state: str  # of the dry run, faulty where it has found faults; or of the commit where there is one
    is_committed: bool


def imports_page(
    *,
    lang: str,
    zone: ZoneInfo,
    subjects: Sequence[str],
    sent: Sequence[Sent] = (),
    shown: Mapping[str, Any] | None = None,
    synthetic: str | None = None,
) -> str:
    """Return the page for whoever may import some subjects; `shown` is the import to look at, as the API tells it."""
    runs = [run for name in ("dry_run", "commit") if shown and (run := shown[name])]
    return TEMPLATES.get_template("imports.html").render(
        lang=lang,
        languages=LANGUAGES,
        say=lambda key, **values: say(key, lang, **values),
        local=lambda at: f"{at.astimezone(zone):%Y-%m-%d %H:%M}",
        settings={"lang": lang, "unreachable": say("answer.unreachable", lang)},
        subjects=subjects,
        sent=sent,
        shown=shown,
        run=runs[-1] if runs else None,
        refresh_s=REFRESH_S if any(run["state"] in UNFINISHED for run in runs) else None,
        synthetic=synthetic,
    )
