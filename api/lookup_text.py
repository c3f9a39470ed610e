"""A look-up's answer on a terminal, for a dispatcher's glance."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from api.lookup_out import AgencyOut, AnswerOut, LayerOut, MatterOut, PartyOut, ResponderOut, StepOut
from api.places_out import ToldOut
from maps.texts import say

SHOWN = 3  # responders of one step; --json has them all


@dataclass(frozen=True)
class Voice:
    """The language, the deployment's zone, and the instant of the answer: times of the same day need no date."""

    lang: str
    zone: ZoneInfo
    at: datetime

    def tell(self, key: str, **values: object) -> str:
        """Return a sentence."""
        return say(f"lookup.{key}", self.lang, **values)

    def time(self, instant: datetime) -> str:
        """Return a local time, with its date when it is another day."""
        local = instant.astimezone(self.zone)
        same_day = local.date() == self.at.astimezone(self.zone).date()
        return local.strftime("%H:%M" if same_day else "%m-%d %H:%M")


def show(answer: AnswerOut, lang: str, zone: ZoneInfo) -> None:
    """Print an answer, one panel a layer, in the deployment's local time."""
    out, voice = Console(), Voice(lang, zone, answer.at)
    local = answer.at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    head = voice.tell("head", lon=f"{answer.place.lon:.6f}", lat=f"{answer.place.lat:.6f}", at=local)
    out.print(Text(head, style="bold"))
    for line in _told(answer.told, voice) if answer.told else ():
        out.print(line, soft_wrap=True)
    for layer in answer.layers:
        out.print(Panel(_body(layer, voice), title=escape(layer.title), title_align="left"))
    if answer.matter:
        out.print(Panel(_matter(answer.matter, voice), title=escape(answer.matter.title), title_align="left"))
    change = answer.next_change_at
    told = voice.tell("next-change", at=voice.time(change)) if change else voice.tell("no-change-planned")
    out.print(Text(told, style="dim"))


def _told(told: ToldOut, voice: Voice) -> Iterator[Text]:
    """Tell what the words were read as, and what else they may mean."""
    if told.written:
        yield from (Text(caution, style="yellow") for caution in told.written.cautions)
    for n, one in enumerate(told.items):
        kind = say(f"places.kind.{one.kind}", voice.lang)
        line = f"{'▶' if n == 0 else ' '} {one.text}  {kind}  {one.confidence:.2f}"
        yield Text(line, style="" if n == 0 else "dim")


def _body(layer: LayerOut, voice: Voice) -> Group:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    if layer.grid:
        chain = " → ".join(unit.name for unit in layer.units)
        table.add_row(voice.tell("grid"), f"[bold]{escape(layer.grid.code)}[/] {escape(layer.grid.name)}")
        table.add_row(voice.tell("unit"), escape(chain))
    for held in layer.responsible:
        away = f" [yellow]({say(f'map.leave.{held.away}', voice.lang)})[/]" if held.away else ""
        who = f"{escape(held.officer.name)} {escape(held.officer.number)}{away}"
        table.add_row(say(f"map.role.{held.role}", voice.lang), who)
    for step in layer.chain:
        table.add_row(*_step(step, layer, voice))
    for party in layer.joint[1:]:
        table.add_row(voice.tell("joint"), _party(party, voice))
    warnings = [Text(f"⚠ {warning}", style="bold red") for warning in layer.warnings]
    return Group(*warnings, table)


def _party(party: PartyOut, voice: Voice) -> Text:
    """Tell of one who shares a border case: grid, unit, and who responds there first."""
    unit = party.units[0].name if party.units else ""
    told = [f"{party.grid.code} {party.grid.name}  {unit}  {voice.tell('away', distance_m=round(party.distance_m, 1))}"]
    first = next((step for step in party.chain if step.step == party.responds_now), None)
    told += [_who(one, voice) for one in first.responders[:SHOWN]] if first else []
    return Text("\n".join(told))


def _matter(matter: MatterOut, voice: Voice) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    kind = voice.tell("matter.police" if matter.police_matter else "matter.other")
    table.add_row(voice.tell("matter.kind"), voice.tell("matter.of", kind=kind, priority=matter.priority))
    for role, agencies in (("lead", matter.lead), ("joint", matter.joint)):
        for agency in agencies:
            table.add_row(voice.tell(f"matter.{role}"), Text(_agency(agency, voice)))
    return table


def _agency(agency: AgencyOut, voice: Voice) -> str:
    names = [unit.name for unit in agency.units]
    told = voice.tell("matter.units", units=names) if names else voice.tell("matter.nobody", kind=agency.unit_kind)
    return told if agency.due_at is None else f"{told}  {voice.tell('matter.due', at=voice.time(agency.due_at))}"


def _step(step: StepOut, layer: LayerOut, voice: Voice) -> tuple[Text, Text]:
    first = step.step == layer.responds_now
    who = [_who(one, voice) for one in step.responders[:SHOWN]] or [step.reason]
    if len(step.responders) > SHOWN:
        who.append(voice.tell("and-more", n=len(step.responders) - SHOWN))
    style = "bold green" if first and layer.on_duty else "bold yellow" if first else ""
    return Text(("▶ " if first else "  ") + step.title, style=style), Text("\n".join(who), style=style)


def _who(one: ResponderOut, voice: Voice) -> str:
    own = one.number if one.kind == "officer" else one.name if one.call_sign else None
    parts = [one.call_sign or one.name, own, one.radio, one.phone]
    if one.until and one.on_duty:
        parts.append(voice.tell("until-at", at=voice.time(one.until)))
    return "  ".join(part for part in parts if part)
