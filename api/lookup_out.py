"""The shape of a look-up's answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from api.places_out import ToldOut, told_out
from api.receipts import receipt_url
from maps.texts import say
from maps.warnings import warnings
from spatial.grids.units import UnitRef
from spatial.lookup.model import Agency, Answer, Beyond, GridRef, LayerAnswer, Matter, OverrideRef, Party
from spatial.places import Told
from spatial.roster.model import Assigned, OfficerRef, Responder, Response, StepOutcome, TeamRef

Chain = Callable[[Response, str, bool], Any]  # how a chain of response is written, in a language, with phones or not


@dataclass(slots=True, kw_only=True)
class UnitOut:
    """A unit; `desk`, `phone` and `radio` are those of its desk."""

    code: str
    name: str
    kind: Annotated[str, Field(examples=["station"])]
    desk: str | None = None
    phone: str | None = None
    radio: str | None = None


@dataclass(slots=True, kw_only=True)
class GridOut:
    """A grid as of the instant asked for."""

    code: str
    name: str
    kind: str
    in_force_from: datetime | None
    in_force_until: datetime | None


@dataclass(slots=True, kw_only=True)
class BeyondOut:
    """Another grid of the layer near the place."""

    code: str
    name: str
    distance_m: float
    overlaps: bool


@dataclass(slots=True, kw_only=True)
class OfficerOut:
    """An officer; the duty phone is shown to dispatchers, and each showing is recorded."""

    number: str
    name: str
    kind: str
    unit: str | None
    duty_phone: str | None


@dataclass(slots=True, kw_only=True)
class ResponsibleOut:
    """Who is responsible for the grid, on duty or not."""

    role: Annotated[str, Field(description="lead, deputy or assist")]
    officer: OfficerOut
    away: Annotated[str | None, Field(description="the kind of leave the officer is on")]
    until: datetime | None


@dataclass(slots=True, kw_only=True)
class ResponderOut:
    """Who answers: an officer, a team or a desk."""

    kind: Annotated[str, Field(description="officer, team or desk")]
    name: str
    number: Annotated[str | None, Field(description="officer number or team code")]
    call_sign: str | None
    radio: str | None
    vehicle: str | None
    phone: str | None
    unit: str | None
    shift: str | None
    on_duty: bool
    until: datetime | None
    members: list[OfficerOut]


@dataclass(slots=True, kw_only=True)
class StepOut:
    """One step of the chain of response, with its outcome and the reason for it."""

    step: str
    title: str
    is_cover: bool
    unit: str | None
    outcome: str
    reason: Annotated[str, Field(description="the outcome as a sentence")]
    responders: list[ResponderOut]


@dataclass(slots=True, kw_only=True)
class OverrideOut:
    """The decision by which the place is the grid's, whatever the borders of the grids are."""

    code: str
    name: str
    priority: Annotated[int, Field(description="of several the smallest decides")]
    authority: str
    document_number: str
    in_force_from: datetime | None
    in_force_until: datetime | None


@dataclass(slots=True, kw_only=True)
class PeopleOut:
    """Whose a grid is, who is responsible, and who responds now."""

    units: Annotated[list[UnitOut], Field(description="the grid's unit, then those above it")]
    responsible: list[ResponsibleOut]
    on_duty: Annotated[
        bool | None, Field(description="whether anybody covers the grid now; null: not shown to whoever asks")
    ]
    responds_now: Annotated[str | None, Field(description="the step of the chain to call first")]
    chain: list[StepOut]


@dataclass(slots=True, kw_only=True)
class PartyOut(PeopleOut):
    """One of those that a place so near a border may belong to."""

    grid: GridOut
    distance_m: float


@dataclass(slots=True, kw_only=True)
class AgencyOut:
    """A kind of unit that answers for the matter, and which units of it there are at the place."""

    unit_kind: str
    units: list[UnitOut]
    deadline_minutes: Annotated[int | None, Field(description="after the matter is told")]
    due_at: Annotated[datetime | None, Field(description="for a matter told at the instant asked for")]


@dataclass(slots=True, kw_only=True)
class MatterOut:
    """The category asked for, and who answers for it by the table of responsibilities."""

    category: str
    title: str
    police_matter: bool
    priority: Annotated[int, Field(description="1 is the most urgent")]
    handling_minutes: int
    lead: list[AgencyOut]
    joint: list[AgencyOut]


@dataclass(slots=True, kw_only=True)
class LayerOut(PeopleOut):
    """What one layer says of the place."""

    layer: str
    title: str
    status: Annotated[str, Field(description="owned, overlap, gap, outside, empty or hidden")]
    grid: GridOut | None
    serving: Annotated[list[UnitOut], Field(description="units of other trees that serve one of them")]
    on_boundary: bool
    near_border: bool
    edge_m: float | None
    beyond: list[BeyondOut]
    override: Annotated[OverrideOut | None, Field(description="what decided that it is this grid's, if not its border")]
    plain_grid: Annotated[GridOut | None, Field(description="under an override: the grid in which the place lies")]
    joint: Annotated[
        list[PartyOut],
        Field(description="of a border case, those the place may belong to, the owner first; else empty"),
    ]
    warnings: Annotated[list[str], Field(description="what must not be overlooked, as sentences")]


@dataclass(slots=True, kw_only=True)
class PlaceOut:
    """The place that was answered for, in CGCS2000 degrees."""

    lon: float
    lat: float
    accuracy_m: float


@dataclass(slots=True, kw_only=True)
class AnswerOut:
    """What all layers say of the place."""

    place: PlaceOut
    at: datetime
    known_at: datetime | None
    next_change_at: Annotated[datetime | None, Field(description="first instant at which any of this may change")]
    versions: Annotated[dict[str, int], Field(description="newest version of each domain the answer stands on")]
    receipt: Annotated[str, Field(description="an address that gives this body again later, but for `told`")]
    layers: list[LayerOut]
    matter: MatterOut | None
    told: Annotated[ToldOut | None, Field(description="of a place told in words: how these were read, and candidates")]


def answer_out(
    answer: Answer, lang: str, *, phones: bool, chain: Chain | None = None, told: Told | None = None
) -> AnswerOut:
    """Return the answer as it is sent; duty phones only where `phones`; `chain` writes chains in another way."""
    asked = answer.question
    return AnswerOut(
        place=PlaceOut(lon=asked.lon, lat=asked.lat, accuracy_m=asked.accuracy_m),
        at=asked.at,
        known_at=asked.known_at,
        next_change_at=answer.next_change_at,
        versions=dict(answer.receipt.versions),
        receipt=receipt_url(answer, lang),
        layers=[layer_out(one, lang, phones=phones, chain=chain) for one in answer.layers],
        matter=_matter(answer.matter, asked.at, lang) if answer.matter else None,
        told=told_out(told, lang) if told else None,
    )


def layer_out(one: LayerAnswer, lang: str, *, phones: bool, chain: Chain | None = None) -> LayerOut:
    """Return what one layer says as it is sent; duty phones only where `phones`."""
    chain = chain or chain_out
    return LayerOut(
        layer=one.layer,
        title=one.title[lang],
        status=one.status,
        grid=grid_out(one.grid) if one.grid else None,
        serving=[unit_out(unit) for unit in one.serving],
        on_boundary=one.on_boundary,
        near_border=one.near_border,
        edge_m=None if one.edge_m is None else round(one.edge_m, 3),
        beyond=[beyond_out(other) for other in one.beyond],
        override=_override(one.override) if one.override else None,
        plain_grid=grid_out(one.plain) if one.plain else None,
        joint=[_party(party, lang, phones, chain) for party in one.joint],
        warnings=warnings(one, lang),
        **people_out(one.units, one.responsible, one.response, lang, phones, chain) | {"on_duty": one.on_duty},
    )


def chain_out(response: Response, lang: str, phones: bool) -> list[StepOut]:
    """Return the chain of response of a grid."""
    return [_step(outcome, lang, phones) for outcome in response.steps]


def people_out(
    units: Iterable[UnitRef],
    responsible: Iterable[Assigned],
    response: Response | None,
    lang: str,
    phones: bool,
    chain: Chain = chain_out,
) -> dict[str, Any]:
    """Return the fields of `PeopleOut`; without a response its people are not shown to whoever asks."""
    return {
        "units": [unit_out(unit) for unit in units],
        "responsible": [_responsible(held, phones) for held in responsible],
        "on_duty": None if response is None else response.covering is not None,
        "responds_now": response.first.step.key if response and response.first else None,
        "chain": chain(response, lang, phones) if response else [],
    }


def _override(one: OverrideRef) -> OverrideOut:
    return OverrideOut(
        code=one.code,
        name=one.name,
        priority=one.priority,
        authority=one.authority,
        document_number=one.document_number,
        in_force_from=one.since,
        in_force_until=one.until,
    )


def _party(one: Party, lang: str, phones: bool, chain: Chain) -> PartyOut:
    return PartyOut(
        grid=grid_out(one.grid),
        distance_m=round(one.distance_m, 3),
        **people_out(one.units, one.responsible, one.response, lang, phones, chain),
    )


def _matter(one: Matter, at: datetime, lang: str) -> MatterOut:
    return MatterOut(
        category=one.category,
        title=one.title[lang],
        police_matter=one.police_matter,
        priority=one.priority,
        handling_minutes=one.handling_minutes,
        lead=[_agency(agency, at) for agency in one.agencies if agency.role == "lead"],
        joint=[_agency(agency, at) for agency in one.agencies if agency.role == "joint"],
    )


def _agency(one: Agency, at: datetime) -> AgencyOut:
    return AgencyOut(
        unit_kind=one.unit_kind,
        units=[unit_out(unit) for unit in one.units],
        deadline_minutes=None if one.deadline is None else round(one.deadline.total_seconds() / 60),
        due_at=None if one.deadline is None else at + one.deadline,
    )


def grid_out(grid: GridRef) -> GridOut:
    """Return a grid as of the instant asked for."""
    span = {"in_force_from": grid.since, "in_force_until": grid.until}
    return GridOut(code=grid.code, name=grid.name, kind=grid.kind, **span)


def unit_out(unit: UnitRef) -> UnitOut:
    """Return a unit with the contacts of its desk."""
    contacts = {key: unit.contacts.get(key) for key in ("desk", "phone", "radio")}
    return UnitOut(code=unit.code, name=unit.name, kind=unit.kind, **contacts)


def beyond_out(one: Beyond) -> BeyondOut:
    """Return another grid near the place."""
    return BeyondOut(code=one.grid.code, name=one.grid.name, distance_m=round(one.distance_m, 3), overlaps=one.overlaps)


def _name(unit: UnitRef | None) -> str | None:
    return unit.name if unit else None


def _officer(one: OfficerRef, phones: bool) -> OfficerOut:
    phone = one.duty_phone if phones else None
    return OfficerOut(number=one.number, name=one.name, kind=one.kind, unit=_name(one.unit), duty_phone=phone)


def _responsible(held: Assigned, phones: bool) -> ResponsibleOut:
    return ResponsibleOut(role=held.role, officer=_officer(held.officer, phones), away=held.away, until=held.until)


def _step(outcome: StepOutcome, lang: str, phones: bool) -> StepOut:
    unit = outcome.unit.name if outcome.unit else None
    return StepOut(
        step=outcome.step.key,
        title=outcome.step.title[lang],
        is_cover=outcome.step.is_cover,
        unit=unit,
        outcome=outcome.reason,
        reason=say(f"lookup.outcome.{outcome.reason}", lang, n=len(outcome.responders), unit=unit or "—"),
        responders=[_responder(one, phones) for one in outcome.responders],
    )


def _responder(one: Responder, phones: bool) -> ResponderOut:
    who = one.who
    found = ResponderOut(
        kind="desk",
        name=who.name,
        number=None,
        call_sign=None,
        radio=None,
        vehicle=None,
        phone=None,
        unit=who.name if isinstance(who, UnitRef) else _name(who.unit),
        shift=one.shift_kind,
        on_duty=one.on_duty,
        until=one.until,
        members=[],
    )
    match who:
        case OfficerRef():
            found.kind, found.number, found.phone = "officer", who.number, who.duty_phone if phones else None
        case TeamRef():
            found.kind, found.number, found.call_sign = "team", who.code, who.call_sign
            found.radio, found.vehicle = who.radio_group, who.vehicle
            found.members = [_officer(member, phones) for member in who.members]
        case UnitRef():
            found.name = who.contacts.get("desk", who.name)
            found.radio, found.phone = who.contacts.get("radio"), who.contacts.get("phone")
    return found
