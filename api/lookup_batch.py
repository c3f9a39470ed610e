"""`POST /lookup/batch` and `/lookup/diff`: many places in; the same rows with whose each is, in their order, out."""

import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import HTTPException
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from api.asked_place import Layers
from api.deps import AskedInstants, InstantText, needs
from api.errors import problem_responses
from api.instants import read_instants
from api.room import Apart
from api.telling import TOLD, Teller, TheTeller
from spatial.errors import Fault, InputError, invalid
from spatial.geotag.batch import Handing, Tagging, tag_text
from spatial.geotag.model import COLUMNS, MOST_TOLD, Asked
from spatial.geotag.tagging import Tagger
from spatial.history import Moment
from spatial.lookup.bulk_answers import BulkFacts, Indexes
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Areas
from spatial.lookup.stored import StoredFacts
from spatial.time import EARLIEST, now

router = APIRouter(tags=["look-up"], dependencies=[needs("look-up")])
CHUNK_BYTES = 1 << 16
CSV, LINES, JSON = "text/csv", "application/x-ndjson", "application/json"
KINDS = {
    CSV: CSV, LINES: LINES, "application/ndjson": LINES, "application/jsonl": LINES, JSON: JSON
}  # fmt: skip
ROW = {"type": "object", "properties": {"lon": {"type": "number"}, "lat": {"type": "number"}}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"type": "array", "items": ROW}, "example": [{"id": 1, "lon": 120.27, "lat": 30.3}]},
            LINES: {"schema": {"type": "string"}, "example": '{"id": 1, "lon": 120.27, "lat": 30.3}\n'},
            CSV: {"schema": {"type": "string"}, "example": "id,lon,lat\n1,120.27,30.3\n"},
        },
    }
}
ANSWER: dict[str, Any] = {
    "description": "the same rows in their order and format, with columns added",
    "headers": TOLD,
    "content": {
        JSON: {"schema": {"type": "array", "items": {"type": "object"}}},
        LINES: {"schema": {"type": "string"}},
        CSV: {"schema": {"type": "string"}},
    },
}
Make = Callable[[BulkFacts], Tagging]


async def get_batch(
    layer: Layers = None,
    column: Annotated[
        list[str] | None, Query(description=f"what to add of each layer: {', '.join(COLUMNS)}; default grid, status")
    ] = None,
    x: Annotated[str | None, Query(max_length=100, description="column of longitude or x; default by its name")] = None,
    y: Annotated[str | None, Query(max_length=100, description="column of latitude or y; default by its name")] = None,
    crs: Annotated[str | None, Query(max_length=4000, description="EPSG code, WKT, PROJ string, gcj02 or bd09")] = None,
    accuracy_m: Annotated[float, Query(ge=0, le=10_000, allow_inf_nan=False, description="how well it is known")] = 1.0,
    on_invalid: Annotated[
        Literal["raise", "skip", "flag"],
        Query(description="rows without a usable place: refuse all, leave them out, or say so in the column `invalid`"),
    ] = "raise",
    prefix: Annotated[str, Query(max_length=50, description="what the names of added columns begin with")] = "",
) -> Asked:
    """Return what is asked of a batch, but for the instants."""
    return Asked(
        layers=tuple(layer) if layer else None,
        columns=tuple(dict.fromkeys(column)) if column else Asked.columns,
        x=x,
        y=y,
        crs=crs,
        accuracy_m=accuracy_m,
        on_invalid=on_invalid,
        prefix=prefix,
    )


Batch = Annotated[Asked, Depends(get_batch)]


@router.post(
    "/lookup/batch",
    summary="Whose is each of many places",
    response_class=Response,
    responses={200: ANSWER, **problem_responses(404)},
    openapi_extra=BODY,
)
async def lookup_batch(
    request: Request,
    teller: TheTeller,
    moment: AskedInstants,
    asked: Batch,
    at_column: Annotated[str | None, Query(max_length=100, description="column with the instant of each row")] = None,
) -> Response:
    """Return every row with the columns asked for, in the order and in the format in which rows came."""
    if at_column is not None and "at" in request.query_params:
        raise invalid("at", "geotag-two-times")
    asked = replace(asked, at=moment.at, at_column=at_column, known_at=moment.known_at)
    first = Moment(EARLIEST if at_column else moment.at, moment.known_at)
    return await _answer(request, teller, asked, first, lambda facts: Tagger(facts, asked, moment.at))


@router.post(
    "/lookup/diff",
    summary="Which of many places change hands between two instants",
    response_class=Response,
    responses={200: ANSWER, **problem_responses(404)},
    openapi_extra=BODY,
)
async def lookup_diff(
    request: Request,
    teller: TheTeller,
    asked: Batch,
    at: Annotated[list[InstantText], Query(min_length=2, max_length=2, description="two RFC 3339 instants")],
    only_changed: Annotated[bool, Query(description="leave out rows in which nothing changes")] = False,
) -> Response:
    """Return every row with whose it is at both instants, and for each layer whether that changes."""
    before, after = _instants(at)
    first = Moment(min(before, after))

    def make(facts: BulkFacts) -> Tagging:
        return Handing(facts, asked, (before, after), only=only_changed)

    return await _answer(request, teller, asked, first, make)


def _instants(told: list[str]) -> tuple[datetime, datetime]:
    (before, after), faults = read_instants([("at", text) for text in told])
    if before is None or after is None:
        raise InputError(faults)
    return before, after


async def _answer(request: Request, teller: Teller, asked: Asked, first: Moment, make: Make) -> Response:
    kind = KINDS.get(request.headers.get("content-type", JSON).partition(";")[0].strip().lower())
    if kind is None:
        raise HTTPException(415, headers={"Accept": ", ".join(KINDS)})
    body = await request.body()
    view = teller.view(first.at) if first.known_at is None else None
    if view is None:
        facts = await teller.stored(first, partial(_stored, teller, first), everything=True)
    else:
        indexes: Indexes = request.app.state.indexes
        facts = BulkFacts(view.snapshot.areas, indexes, view.sight, now())
    batches: Apart = request.app.state.batches
    made = await batches.run(partial(_Rows(kind, body).tagged, make(facts), asked))
    return StreamingResponse(_sent(made), media_type=kind, headers=teller.age(is_memory=view is not None))


def _stored(teller: Teller, first: Moment, session: Session) -> BulkFacts:
    """Read everything, of which whoever asks is then shown what they see."""
    areas = Areas.read(StoredFacts(session, first))
    return BulkFacts(areas, Indexes(), Sight.of(teller.asking.reach), now())


async def _sent(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield what was made as fast as it is taken; the file is gone when it is closed."""
    try:
        while chunk := await run_in_threadpool(file.read, CHUNK_BYTES):
            yield chunk
    finally:
        file.close()


@dataclass(frozen=True)
class _Rows:
    """Rows as they came."""

    kind: str
    body: bytes

    def tagged(self, tagging: Tagging, asked: Asked) -> BinaryIO:
        """Return a file with the rows and what was added; files have no names, so that nothing is left of them."""
        if self.kind == JSON:
            items = self._items()
            if not items:
                return _file(b"[]")
            lines = b"\n".join(orjson.dumps(item) for item in items)
            with _tagged(lines, ".ndjson", tagging, asked) as made:
                return _file(b"[" + b",".join(made.read().splitlines()) + b"]")
        if not self.body.strip():
            raise invalid("body", "missing")
        return _tagged(self.body, ".csv" if self.kind == CSV else ".ndjson", tagging, asked)

    def _items(self) -> list[Any]:
        try:
            items = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise invalid("body", "not-json") from None
        if not isinstance(items, list):
            raise invalid("body", "not-a-list")
        if wrong := [n for n, item in enumerate(items, 1) if not isinstance(item, dict)]:
            raise InputError([Fault(f"row {n}", "not-json") for n in wrong[:MOST_TOLD]])
        return items


def _tagged(text: bytes, suffix: str, tagging: Tagging, asked: Asked) -> BinaryIO:
    made = _file(b"")
    try:
        with _file(text) as source:
            tag_text(_path(source), suffix, made, tagging, asked)
    except BaseException:
        made.close()
        raise
    made.seek(0)
    return made


def _file(content: bytes) -> BinaryIO:
    file = tempfile.TemporaryFile()  # noqa: SIM115  whoever gets it closes it
    file.write(content)
    file.seek(0)
    return file


def _path(file: BinaryIO) -> Path:
    """Return a path by which a file without a name is read."""
    return Path(f"/proc/self/fd/{file.fileno()}")
