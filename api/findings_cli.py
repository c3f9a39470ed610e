"""`twingrid check`: what is wrong with layers at any moment, what would mend it, and who knows of it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from api.acting import calling
from api.audit_cli import AsJson, app_check
from api.console import print_json
from api.faults import refuse_unprintable
from api.findings_asked import Narrowed, checks_seen, limits_of, read_until, record_export, writing
from api.findings_out import finding_out, repair_out
from api.findings_text import show_findings, show_repair
from api.instants import read_moment
from api.options import DEFAULT_LANGUAGE, Lang
from maps.texts import say
from spatial.errors import NotFound
from spatial.findings import acknowledging
from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Check
from spatial.history import Moment
from spatial.imports.write import format_of
from spatial.settings import settings
from spatial.time import now

OfLayer = Annotated[list[str] | None, typer.Option("--layer", help="code of a layer; default all")]
OfUnit = Annotated[str | None, typer.Option("--unit", help="a unit's grids, and those of units below it")]
At = Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")]
KnownAt = Annotated[str | None, typer.Option(help="answer as the system knew it then")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="write them all: .csv .xlsx .geojson .gpkg .parquet")
]
Key = Annotated[str, typer.Argument(help="key of a finding")]
Commit = Annotated[bool, typer.Option("--commit", help="do it; without this, only say what would be done")]


def _verb(check: Check, permission: str, about: str) -> None:
    """Add a verb that looks for what one check finds."""

    @app_check.command(check, help=f"Look for {about}; with faults that nobody acknowledged the exit code is 1.")
    def look(
        layer: OfLayer = None,
        unit: OfUnit = None,
        at: At = None,
        known_at: KnownAt = None,
        output: Output = None,
        lang: Lang = DEFAULT_LANGUAGE,
        as_json: AsJson = False,
    ) -> None:
        refuse_unprintable(layer=layer or [], unit=[unit] if unit else [])
        moment = read_moment(at, known_at)
        fmt = None if output is None else format_of(output, None)
        with (
            calling(permission if output is None else "exports") as caller,
            caller.read(moment.known_at) as session,
        ):
            there = Findings(session, moment, limits_of(settings()), afresh=True)
            found = there.placed(there.found(Wanted((check,), tuple(layer or ()), unit)))
            if output is not None and fmt is not None:
                narrowed = Narrowed(" ".join(layer) if layer else None, unit, check=check)
                with writing(found, output, fmt), caller.database.write() as writer:
                    record_export(writer, caller.actor.name, moment, fmt, len(found), narrowed.told)
        told = [finding_out(one) for one in found]
        if as_json:
            body = [one.model_dump(mode="json") for one in told]
            print_json(body)
        else:
            show_findings(told, lang, settings().zone)
        if any(one.severity == "fault" and one.acknowledged is None for one in told):
            sys.exit(1)


_verb("tiling", "areas.read", "gaps, overlaps, slivers and all else that is wrong with shapes")
_verb("codes", "areas.read", "codes outside their scheme or of other units, and names given twice")
_verb("roster", "duty.read", "grids that nobody holds or leads, and officers without a grid")
_verb("parent", "areas.read", "grids beyond the layer above theirs, or across its borders")
_verb("alignment", "areas.read", "grids that other layers cut or do not meet, and cells not whole in their grid")
_verb("dwellings", "areas.read", "grids with more dwellings than TWINGRID_MOST_DWELLINGS allows their layer")


@app_check.command("repair")
def repair(
    key: Key, at: At = None, known_at: KnownAt = None, lang: Lang = DEFAULT_LANGUAGE, as_json: AsJson = False
) -> None:
    """Show what would mend a fault of a tiling without making anything else worse; nothing is changed."""
    refuse_unprintable(key=[key])
    moment = read_moment(at, known_at)
    with calling("areas.read") as caller, caller.read(moment.known_at) as session:
        there = Findings(session, moment, limits_of(settings()), afresh=True)
        found = there.repair(there.named(key, checks_seen(caller.actor, None, "areas.read")))
    told = None if found is None else repair_out(found)
    if as_json:
        body = None if told is None else told.model_dump(mode="json")
        print_json(body)
    else:
        show_repair(told, lang)


@app_check.command("acknowledge")
def acknowledge(
    key: Key,
    reason: Annotated[str, typer.Option(help="why it may stay as it is")],
    until: Annotated[str, typer.Option(help="RFC 3339 instant in the future, a year ahead at most")],
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Say why a finding may stay as it is for a while; it is listed all the same, and marked."""
    refuse_unprintable(key=[key], reason=[reason])
    instant = now()
    end = read_until(reason, until, instant)
    with calling("findings.acknowledge") as caller, caller.database.write(caller.reach) as session:
        found = Findings(session, Moment(instant), limits_of(settings()), afresh=True).named(key)
        acknowledging.require_may(caller.actor, found.flaw.kind)
        if commit:
            acknowledging.acknowledge(session, caller.actor, found, reason, end, now=instant)
    day = f"{end.astimezone(settings().zone):%Y-%m-%d %H:%M}"
    what = say(f"finding.kind.{found.flaw.kind}", lang)
    typer.echo(
        say(
            "finding.acknowledged" if commit else "finding.would-acknowledge",
            lang,
            what=what,
            whom=" ".join((*found.flaw.grids, *found.flaw.officers, *found.flaw.others)),
            day=day,
        )
    )


@app_check.command("withdraw")
def withdraw(key: Key, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Take back what was said of a finding, from now on."""
    refuse_unprintable(key=[key])
    instant = now()
    with calling("findings.acknowledge") as caller, caller.database.write(caller.reach) as session:
        known = acknowledging.standing(session, key, instant)
        if known is None:
            raise NotFound("not-acknowledged", finding=key)
        if commit:
            acknowledging.withdraw(session, caller.actor, key, now=instant)
    typer.echo(say("finding.withdrawn" if commit else "finding.would-withdraw", lang, reason=known.reason))
