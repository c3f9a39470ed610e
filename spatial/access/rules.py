"""Who may do what: permissions, and the grants of whoever is asking. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from spatial.errors import Conflict, Denied

Role = Literal[
    "viewer", "dispatcher", "planner", "approver", "duty_officer", "analyst",
    "system_admin", "security_admin", "audit_admin",
]  # fmt: skip
DUTY_PHONE = "duty_phone"
FIELDS = (DUTY_PHONE,)  # what is hidden from those whose grants do not name it
OPEN, SIGNED_IN = "open", "signed-in"

RESPONDING: tuple[Role, ...] = ("dispatcher", "duty_officer", "planner", "approver", "viewer")
OPERATING: tuple[Role, ...] = (*RESPONDING, "analyst")


@dataclass(frozen=True)
class Permission:
    """The roles that hold it; `whole`: only where they are granted over the whole deployment.

    What is written or taken away as a file concerns all units and layers; who sees some of them only, looks on.
    """

    roles: tuple[Role, ...]
    whole: bool = False


# What a route asks for. `open` asks for nothing, `signed-in` for any principal at all.
PERMISSIONS: Mapping[str, Permission] = {
    "look-up": Permission(RESPONDING),
    "areas.read": Permission(OPERATING),
    "duty.read": Permission(RESPONDING),
    "incidents.read": Permission(OPERATING),
    "incidents.tell": Permission(("dispatcher", "duty_officer"), whole=True),
    "sources.read": Permission((*OPERATING, "system_admin")),
    "sources.map": Permission(("planner", "system_admin"), whole=True),
    "plans.read": Permission(RESPONDING),
    "plans.comment": Permission(("planner", "approver", "duty_officer")),
    "plans.edit": Permission(("planner",)),
    "plans.decide": Permission(("approver",)),
    "findings.acknowledge": Permission(("planner", "approver", "duty_officer"), whole=True),
    "tilings.check": Permission(("planner",), whole=True),
    "imports": Permission(("planner", "duty_officer", "dispatcher", "system_admin"), whole=True),
    "exports": Permission(RESPONDING, whole=True),
    "jobs": Permission((*OPERATING, "system_admin")),
    "jobs.run": Permission(("system_admin",)),
    "service.watch": Permission(("system_admin",)),
    "access": Permission(("security_admin",)),
    "audit": Permission(("audit_admin",)),
}

# The administrators of three kinds, each apart from the others and from the operation: who holds one of these roles
# holds no other, and the database shows each only what is its part.
APART: Mapping[str, str] = {
    "system_admin": "twingrid_system",
    "security_admin": "twingrid_security",
    "audit_admin": "twingrid_audit",
}
WHOLE, LAYERED, SCOPED = "twingrid_whole", "twingrid_layered", "twingrid_scoped"


@dataclass(frozen=True)
class Grant:
    """A role, over the units below one (none: all), in some layers (none: all), with fields hidden from others."""

    role: str
    unit_id: int | None = None
    layers: tuple[str, ...] | None = None  # codes
    fields: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether it reaches over the whole deployment."""
        return self.unit_id is None and self.layers is None


@dataclass(frozen=True)
class Actor:
    """A principal with what is granted at the moment of asking."""

    name: str
    title: Mapping[str, str] = field(compare=False, hash=False)
    grants: tuple[Grant, ...] = ()

    @property
    def roles(self) -> frozenset[str]:
        """All roles held, wherever they reach."""
        return frozenset(grant.role for grant in self.grants)

    def require(self, *roles: str) -> None:
        """Raise `Denied` unless one of the roles is held over the whole deployment."""
        held = [grant for grant in self.grants if grant.role in roles]
        if not held:
            raise Denied("role-missing", needed=sorted(roles))
        if not any(grant.is_whole for grant in held):
            raise Denied("whole-deployment-needed", needed=sorted(roles))

    def may(self, permission: str) -> bool:
        """Whether any grant holds a permission, wherever it reaches."""
        return bool(self._holding(permission))

    def granted(self, permission: str) -> tuple[Grant, ...]:
        """Return the grants that hold a permission; `Denied` where there is none."""
        held, wanted = self._holding(permission), PERMISSIONS[permission]
        if not held:
            raise Denied("role-missing", needed=sorted(wanted.roles))
        if wanted.whole and not any(grant.is_whole for grant in held):
            raise Denied("whole-deployment-needed", needed=sorted(wanted.roles))
        return held

    def holds_with(self, permission: str, other: str) -> bool:
        """Whether a permission is held wherever another one is, so that a reach of the other may show its part, too."""
        held, wanted = self._holding(permission), self._holding(other)
        return any(grant.is_whole for grant in held) or (bool(wanted) and set(wanted) <= set(held))

    def _holding(self, permission: str) -> tuple[Grant, ...]:
        return tuple(grant for grant in self.grants if grant.role in PERMISSIONS[permission].roles)

    def sees_phones(self, permission: str) -> bool:
        """Whether duty phones may be shown with what a permission shows: all grants that reach there must allow it."""
        held = self._holding(permission)
        return bool(held) and all(DUTY_PHONE in grant.fields for grant in held)


def require_apart(role: str, held: Collection[str]) -> None:
    """Raise `Conflict` where a role may not join those that a principal holds."""
    others = sorted({*held} - {role})
    if others and (role in APART or not APART.keys().isdisjoint(others)):
        raise Conflict("administrators-apart", role=role, held=others)


def require_no_administrator(actor: Actor, roles: Collection[str]) -> None:
    """Raise `Denied` where somebody makes an administrator, or opens a way in for one, elsewhere than on the machine.

    Or whoever hands out tokens could do every administrator's part; and as another security administrator grant what
    they have handed out the token for. Whoever has a shell holds all roles, and is alone in that.
    """
    administrators = sorted(APART.keys() & {*roles})
    if administrators and not actor.roles >= APART.keys():
        raise Denied("administrators-on-the-machine", roles=administrators)


def usual_fields(role: str) -> tuple[str, ...]:
    """Return the fields that a role shows where nothing else is said: dispatchers telephone."""
    return (DUTY_PHONE,) if role == "dispatcher" else ()


def database_role(grants: Iterable[Grant]) -> str:
    """Return as which role of the database the holder of some grants of a permission asks."""
    held = list(grants)
    operating = [grant for grant in held if grant.role not in APART]
    if not operating:
        return APART[held[0].role]
    if any(grant.is_whole for grant in operating):
        return WHOLE
    return LAYERED if any(grant.unit_id is None for grant in operating) else SCOPED


def common_layers(grants: Iterable[Grant]) -> frozenset[str] | None:
    """Return the layers that all of some grants allow; none: all layers.

    Of grants that differ in their layers only what they share is seen: never a layer beyond the units it is for.
    """
    common: frozenset[str] | None = None
    for grant in grants:
        if grant.layers is not None:
            common = frozenset(grant.layers) if common is None else common & frozenset(grant.layers)
    return common
