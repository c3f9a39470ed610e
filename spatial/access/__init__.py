"""Who is asking, and what they may see and do."""

from spatial.access.gate import Gate
from spatial.access.principals import (
    DEFAULT_DEMO_ROLE,
    actor_named,
    actor_of_token,
    demo_principals,
    operator,
    record_refusal,
)
from spatial.access.rules import DUTY_PHONE, OPEN, PERMISSIONS, SIGNED_IN, Actor, Grant
from spatial.access.scopes import reach_of
from spatial.access.service import add_principal, issue_token

__all__ = [
    "DEFAULT_DEMO_ROLE",
    "DUTY_PHONE",
    "OPEN",
    "PERMISSIONS",
    "SIGNED_IN",
    "Actor",
    "Gate",
    "Grant",
    "actor_named",
    "actor_of_token",
    "add_principal",
    "demo_principals",
    "issue_token",
    "operator",
    "reach_of",
    "record_refusal",
]
