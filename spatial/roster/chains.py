"""Standard chains of response: whom to call first and next for a grid of a layer, as data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from spatial.tables import ResponseStep
from spatial.time import since

POLICE: tuple[dict[str, Any], ...] = (
    {
        "key": "own-officer", "title": {"zh-CN": "本警格民警", "en": "Own officer"}, "source": "grid_shift",
        "shift_kinds": ["grid", "patrol"], "officer_kinds": ["community_officer", "duty_police"], "is_cover": True,
    },
    {
        "key": "squad", "title": {"zh-CN": "片区巡逻组", "en": "Patrol squad"}, "source": "grid_shift",
        "shift_kinds": ["patrol"], "teams_only": True, "is_cover": True,
    },
    {
        "key": "duty-crew", "title": {"zh-CN": "派出所值班备勤", "en": "Station duty crew"}, "source": "unit_shift",
        "shift_kinds": ["duty", "standby"], "officer_kinds": ["community_officer", "duty_police"], "is_cover": True,
    },
    {
        "key": "command-room", "title": {"zh-CN": "综合指挥室", "en": "Station command room"}, "source": "unit_shift",
        "shift_kinds": ["desk"],
    },
    {
        "key": "command-room-desk", "title": {"zh-CN": "综合指挥室电话", "en": "Command room, by telephone"},
        "source": "unit_desk",
    },
    {
        "key": "duty-leader", "title": {"zh-CN": "带班领导", "en": "Duty leader"}, "source": "unit_shift",
        "shift_kinds": ["leader"],
    },
    {
        "key": "neighbouring-squad", "title": {"zh-CN": "邻近巡逻组", "en": "Neighbouring squad"},
        "source": "neighbour_shift", "shift_kinds": ["patrol"], "teams_only": True,
    },
    {"key": "branch", "title": {"zh-CN": "分局", "en": "Branch"}, "source": "unit_desk", "unit_path": ["command"]},
)  # fmt: skip

GOVERNANCE: tuple[dict[str, Any], ...] = (
    {
        "key": "own-worker", "title": {"zh-CN": "本网格专职网格员", "en": "Own grid worker"}, "source": "grid_shift",
        "shift_kinds": ["grid"], "officer_kinds": ["grid_worker"], "is_cover": True,
    },
    {
        "key": "squad", "title": {"zh-CN": "片区巡逻组", "en": "Patrol squad"}, "source": "grid_shift",
        "shift_kinds": ["patrol"], "teams_only": True, "is_cover": True,
    },
    {
        "key": "deputy", "title": {"zh-CN": "副网格长", "en": "Deputy grid leader"}, "source": "assignment",
        "roles": ["deputy"],
    },
    {
        "key": "grid-leader", "title": {"zh-CN": "网格长", "en": "Grid leader"}, "source": "assignment",
        "roles": ["lead"],
    },
    {
        "key": "community", "title": {"zh-CN": "社区值班", "en": "Community duty desk"}, "source": "unit_shift",
        "shift_kinds": ["desk"],
    },
    {
        "key": "community-desk", "title": {"zh-CN": "社区值班电话", "en": "Community, by telephone"},
        "source": "unit_desk",
    },
    {
        "key": "street-centre", "title": {"zh-CN": "街道综治中心", "en": "Street governance centre"},
        "source": "unit_shift", "unit_path": ["administers"], "shift_kinds": ["desk"],
    },
    {
        "key": "street-centre-desk", "title": {"zh-CN": "街道综治中心电话", "en": "Street centre, by telephone"},
        "source": "unit_desk", "unit_path": ["administers"],
    },
)  # fmt: skip

STANDARD: Mapping[str, tuple[dict[str, Any], ...]] = {"police": POLICE, "governance": GOVERNANCE}

PLAIN: dict[str, Any] = {
    "unit_path": [], "shift_kinds": [], "roles": [], "officer_kinds": [], "teams_only": False, "is_cover": False,
}  # fmt: skip


def steps_of(chain: str) -> list[dict[str, Any]]:
    """Return the steps of a standard chain as rows of `response_step`, but for the layer and the two times."""
    return [PLAIN | step | {"position": position} for position, step in enumerate(STANDARD[chain], start=1)]


def write_chain(session: Session, layer_id: int, chain: str, *, stamp: datetime) -> None:
    """Give a layer that has none a standard chain, whatever the time asked for; `stamp` is that of `areas`."""
    spans = {"valid": since(None), "recorded": since(stamp)}
    session.execute(insert(ResponseStep), [{**step, **spans, "layer_id": layer_id} for step in steps_of(chain)])
