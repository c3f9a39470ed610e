"""Who is asking, and what they may see and do."""

from spatial.access.gate import Credential, Gate
from spatial.access.principals import (
    DEFAULT_DEMO_ROLE,
    actor_named,
    demo_principals,
    held_by_token,
    operator,
    record_refusal,
)
from spatial.access.rules import DUTY_PHONE, OPEN, PERMISSIONS, SIGNED_IN, WHOLE, Actor, Grant
from spatial.access.scopes import reach_of, whole_reach
from spatial.access.service import add_principal, issue_token

__all__ = [
    "DEFAULT_DEMO_ROLE",
    "DUTY_PHONE",
    "OPEN",
    "PERMISSIONS",
    "SIGNED_IN",
    "WHOLE",
    "Actor",
    "Credential",
    "Gate",
    "Grant",
    "actor_named",
    "add_principal",
    "demo_principals",
    "held_by_token",
    "issue_token",
    "operator",
    "reach_of",
    "record_refusal",
    "whole_reach",
]
