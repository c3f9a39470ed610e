"""Whether the service is alive, and ready to answer."""

from fastapi import APIRouter
from pydantic import BaseModel

import migrations
from api.deps import Database, needs
from api.errors import problem_responses
from spatial.errors import Busy

router = APIRouter(tags=["operations"], dependencies=[needs("open")])


class HealthOut(BaseModel):
    """A sign of life."""

    status: str = "ok"


@router.get("/health", summary="Whether the process is alive")
async def health() -> HealthOut:
    """Return ok while the process answers at all."""
    return HealthOut()


@router.get("/ready", summary="Whether the database answers and has today's schema", responses=problem_responses())
def ready(database: Database) -> HealthOut:
    """Return ok, or 503 while the database is away or behind the code."""
    if migrations.pending(database.engine):
        raise Busy("schema-behind")
    return HealthOut()
