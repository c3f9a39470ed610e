"""The service over a database, with a route beside its own that does all of a look-up but look up."""

import os
import socket
import sys
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import room
from api.app import create_app
from api.asked_place import ThePlace
from api.deps import AskedInstants, needs
from api.server import server_of
from api.telling import TheTeller
from spatial.db import Database, make_engine
from spatial.postgresql import API
from spatial.settings import settings

CONTROL = "/control"
router = APIRouter(dependencies=[needs("look-up")])
BODY = b"x" * int(os.environ.get("BENCH_BODY_BYTES", "0"))


@router.get(CONTROL)
async def control(
    _teller: TheTeller,
    _moment: AskedInstants,
    _place: ThePlace,
    layer: Annotated[list[str] | None, Query()] = None,
    receipt: Annotated[str | None, Query(max_length=80)] = None,
    category: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Return a body of the size of a look-up's, to whoever may look up, asked in the same way."""
    assert (layer, receipt, category) == (None, None, None)
    return Response(BODY, media_type="application/json")


def main(url: str, number: int) -> None:
    """Serve a socket that was inherited."""
    database = Database(make_engine(url))
    app = create_app(database.as_login(API), settings())
    app.include_router(router)
    app.state.parameters[CONTROL, "get"] = {
        "lon": False,
        "lat": False,
        "accuracy_m": False,
    }  # not in the contract
    room.ALWAYS_LET_IN = (*room.ALWAYS_LET_IN, CONTROL)  # as look-ups are
    with socket.socket(fileno=number) as listening:
        server_of(app, settings()).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
