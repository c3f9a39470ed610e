"""How people, crews and desks are named on maps: never with a phone of their own, since maps are printed and saved."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from maps.texts import known, say
from spatial.grids.units import UnitRef
from spatial.roster.model import Assigned, OfficerRef, Responder, StepOutcome, TeamRef, Texts

NO_BREAK = "\N{NO-BREAK SPACE}"
MOST_NAMES = 3  # of one step in a list; the others are counted


@dataclass(frozen=True)
class Line:
    """What is read first, and what stands beside it in small type."""

    main: str
    detail: str


@dataclass(frozen=True)
class Reader:
    """For whom, and at which instant, something is put into words: language, local clock."""

    lang: str
    zone: ZoneInfo
    at: datetime

    def say(self, key: str, **values: object) -> str:
        """Return a sentence of the map in the reader's language."""
        return say(key, self.lang, **values)

    def say_or(self, key: str, otherwise: str) -> str:
        """Return a sentence of the map, or something else where there is none of this key."""
        return say(key, self.lang) if known(key) else otherwise

    def titled(self, texts: Texts) -> str:
        """Return a title of the data in the reader's language, or in any."""
        return texts.get(self.lang) or next(iter(texts.values()), "")

    def clock(self, at: datetime | None) -> str:
        """Return the local time, with the date where it is another day's."""
        if at is None:
            return ""
        local = at.astimezone(self.zone)
        today = local.date() == self.at.astimezone(self.zone).date()
        return f"{local:%H:%M}" if today else f"{local:%m-%d %H:%M}"

    @lru_cache  # noqa: B019  a reader is small and lives for one page; shifts of thousands end at the same few times
    def until(self, at: datetime | None) -> str:
        """Return `until 20:00`, or nothing where no end is known."""
        return self.say("map.until", time=self.clock(at)).replace(" ", NO_BREAK) if at else ""

    def responder(self, one: Responder) -> Line:
        """Name who answers, and say all that helps to reach them."""
        match one.who:
            case TeamRef() as team:
                detail = self._team(team)
            case OfficerRef() as officer:
                detail = self._officer(officer)
            case UnitRef() as unit:
                detail = self._desk(unit)
        ends = self.until(one.until) if one.on_duty else ""
        return Line(_called(one.who), self._list(detail, ends))

    def assigned(self, one: Assigned) -> Line:
        """Name who is responsible, in which role, and whether they are away."""
        role = self.say(f"map.role.{one.role}")
        away = self.say("map.away", reason=self.say(f"map.leave.{one.away}")) if one.away else ""
        return Line(one.officer.name, self._list(role, self._officer(one.officer), away))

    def outcome(self, one: StepOutcome) -> str:
        """Say what a step of the chain yields: who, or why nobody."""
        names = [_called(responder.who) for responder in one.responders]
        shown = self._list(*names[:MOST_NAMES])
        if len(names) > MOST_NAMES:
            shown = self.say("map.and-more", shown=shown, n=len(names))
        unit = one.unit.name if one.unit else "—"
        return shown or self.say(f"lookup.outcome.{one.reason}", unit=unit)

    def _team(self, team: TeamRef) -> str:
        name = team.name if team.name != team.call_sign else ""
        radio = self.say("map.radio", group=team.radio_group) if team.radio_group else ""
        crew = self.say("map.people", n=len(team.members)) if team.members else ""
        return self._list(name, radio, team.vehicle or "", crew)

    def _officer(self, officer: OfficerRef) -> str:
        kind = self.say(f"map.officer.{officer.kind}")
        return self._list(kind, officer.number)

    def _desk(self, unit: UnitRef) -> str:
        desk, phone, radio = (unit.contacts.get(key) or "" for key in ("desk", "phone", "radio"))
        return self._list(unit.name if desk else "", phone, self.say("map.radio", group=radio) if radio else "")

    def _list(self, *parts: str) -> str:
        return f"{NO_BREAK}· ".join(part for part in parts if part)


def _called(who: OfficerRef | TeamRef | UnitRef) -> str:
    """Return what one is called by: call sign, name, or desk."""
    match who:
        case TeamRef() as team:
            return team.call_sign
        case OfficerRef() as officer:
            return officer.name
        case UnitRef() as unit:
            return unit.contacts.get("desk") or unit.name
