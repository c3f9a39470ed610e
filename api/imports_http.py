"""Imports over HTTP: a file is sent, a job says what it would do, somebody looks, and a job does it."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from api.deps import Actor, AppSettings, AskedBy, Database, Language, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.import_jobs import GRIDS, Order, roles_for
from api.import_reports import FAULTS_FILE, annotated_suffix
from api.imports_form import BODY, FIELDS, order_of
from api.imports_out import AGAIN, OUTDATED, ImportOut, import_out, is_outdated, is_ready
from api.multipart import Form, read_form
from spatial import audit, jobs
from spatial.access import Actor as Actor_
from spatial.errors import Busy, Conflict, Denied, NotFound, invalid
from spatial.imports.subjects import SUBJECTS
from spatial.tables import Job
from spatial.time import now
from spatial.uploads import Incoming, Uploads

router = APIRouter(tags=["imports"], dependencies=[needs("imports")])
TRY, COMMIT = "import", "import-commit"
ImportId = Annotated[uuid.UUID, Path(description="name of an import, as its `Location` gave it")]
SubjectName = Annotated[
    str, Path(max_length=100, description=f"what the rows are: {', '.join((GRIDS, *SUBJECTS))}", examples=["officers"])
]


STARTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "A job has been started", "headers": {"Location": {"schema": {"type": "string"}}}}
}


class Received:
    """A file that is arriving, or has."""

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads
        self.id = uuid.uuid4()
        self.incoming: Incoming | None = None

    def open(self, name: str) -> Incoming:
        """Begin a file."""
        self.incoming = self.uploads.incoming(self.id, name)
        return self.incoming

    def drop(self) -> None:
        """Forget what has arrived."""
        if self.incoming is not None:
            self.incoming.drop()


def may_import(subject: SubjectName, actor: Actor) -> Actor_:
    """Return who is asking, before anything of the body is read."""
    if subject != GRIDS and subject not in SUBJECTS:
        raise NotFound("subject-unknown", known=[GRIDS, *SUBJECTS])
    actor.require(*roles_for(subject))
    return actor


Importer = Annotated[Actor_, Depends(may_import)]


async def receive(request: Request, config: AppSettings, _importer: Importer) -> tuple[Received, Form]:
    """Return the form of a request, with its file aside; a body that is cut short leaves nothing."""
    received = Received(Uploads(config.data_dir))
    try:
        form = await read_form(request, received.open)
    except BaseException:  # a caller that hangs up is no Exception
        received.drop()
        raise
    return received, form


@router.post(
    "/imports/{subject}",
    summary="Send a file, and find out what it would do",
    status_code=202,
    responses={**STARTED, **problem_responses(404, 500)},
    openapi_extra={"requestBody": BODY},
)
def send(
    subject: SubjectName,
    actor: Importer,
    asking: AskedBy,
    database: Database,
    lang: Language,
    response: Response,
    sent: Annotated[tuple[Received, Form], Depends(receive)],
) -> ImportOut:
    """Keep a file and queue its dry run; nothing of what it says is stored until the import is committed."""
    received, form = sent
    try:
        if received.incoming is None:
            raise invalid("file", "missing")
        received.incoming.close()
        order = order_of(received.id, subject, received.incoming.name, form.fields, actor, lang)
        received.uploads.keep(received.id)
    except BaseException:
        received.drop()
        raise
    try:
        with database.write(asking.reach) as session:  # only now: what is queued is there
            out = _queued(session, order, lang, bytes=received.incoming.bytes)
    except Busy:  # the database went away, and it may be queued all the same; what is not, is swept
        raise
    except BaseException:
        received.uploads.drop(received.id)
        raise
    response.headers["Location"] = f"/imports/{order.import_id}"
    return out


def may_ask_again(import_id: ImportId, database: Database, asking: AskedBy) -> Order:
    """Return what was asked of a file that the actor sent, before anything of the body is read."""
    with database.read(asking.reach) as session:  # given back at once: a body may take its time
        return Order.model_validate(_sent(session, import_id, asking.actor).params)


Before = Annotated[Order, Depends(may_ask_again)]


async def receive_fields(request: Request, _before: Before) -> Form:
    """Return the form of a request that has no file."""

    def refuse(_name: str) -> Incoming:
        raise invalid("file", "unknown-field")

    return await read_form(request, refuse)


@router.post(
    "/imports/{import_id}/again",
    summary="Find out what a file would do if it were read otherwise",
    status_code=202,
    responses={**STARTED, **problem_responses(404)},
    openapi_extra={
        "requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": FIELDS}}}}
    },
)
def again(
    import_id: ImportId,
    before: Before,
    session: WriteSession,
    actor: Actor,
    config: AppSettings,
    lang: Language,
    response: Response,
    form: Annotated[Form, Depends(receive_fields)],
) -> ImportOut:
    """Queue another dry run of a file that was sent, with other options: another encoding, another mapping."""
    new_id = uuid.uuid4()
    order = order_of(new_id, before.subject, before.file, form.fields, actor, lang)
    Uploads(config.data_dir).copy(import_id, new_id)
    response.headers["Location"] = f"/imports/{new_id}"
    return _queued(session, order, lang, again=str(import_id))


@router.get("/imports/{import_id}", summary="What an import would do, or did", responses=problem_responses(404))
def report(import_id: ImportId, session: ReadSession, actor: Actor, lang: Language) -> ImportOut:
    """Return how far an import is: counts, the first changes and faults, what is assumed, what is wrong afterwards."""
    found = _found(session, import_id, actor)
    return import_out(found, jobs.newest_with(session, COMMIT, "import_id", str(import_id)), lang)


@router.post(
    "/imports/{import_id}/commit",
    summary="Do what the dry run has shown",
    status_code=202,
    responses={**STARTED, **problem_responses(404, 409)},
)
def commit(import_id: ImportId, session: WriteSession, actor: Actor, lang: Language) -> ImportOut:
    """Queue an import; it is refused if what is stored has changed meanwhile so that it would do something else."""
    _found(session, import_id, actor)
    tried = jobs.hold(session, import_id)
    if not is_ready(tried):
        raise Conflict("import-not-ready")
    before = jobs.newest_with(session, COMMIT, "import_id", str(import_id))
    if before is not None and is_outdated(before):
        raise Conflict(OUTDATED)
    if before is not None and before.state not in AGAIN:
        raise Conflict("import-committed-already")
    order = Order.model_validate(tried.params).model_copy(
        update={"asked_by": actor.name, "lang": lang, "digest": (tried.result or {}).get("digest")}
    )
    job_id = jobs.enqueue(session, COMMIT, order.model_dump(mode="json"), actor=actor.name, now=now())
    audit.record(session, actor.name, "import.commit", f"import/{import_id}", {"subject": order.subject})
    return import_out(tried, jobs.find(session, job_id), lang)


@router.get(
    "/imports/{import_id}/faults.csv",
    summary="All faults of a file, as a table",
    response_class=FileResponse,
    responses={200: {"content": {"text/csv": {}}}, **problem_responses(404)},
)
def faults(import_id: ImportId, session: WriteSession, actor: Actor, config: AppSettings) -> FileResponse:
    """Return row, column and what is wrong, for each fault."""
    order = Order.model_validate(_sent(session, import_id, actor).params)
    path = Uploads(config.data_dir).report(import_id, FAULTS_FILE)
    audit.record(session, actor.name, "import.download", f"import/{import_id}", {"part": "faults"})
    return FileResponse(path, media_type="text/csv", filename=f"{order.file}.faults.csv")


@router.get(
    "/imports/{import_id}/annotated",
    summary="A copy of a file that says what becomes of each row",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}, **problem_responses(404)},
)
def annotated(import_id: ImportId, session: WriteSession, actor: Actor, config: AppSettings) -> FileResponse:
    """Return the file with two columns more; in Excel, cells with faults are coloured and say why.

    Of more than 50,000 rows without any fault there is no copy.
    """
    order = Order.model_validate(_sent(session, import_id, actor).params)
    stem, _dot, ending = order.file.rpartition(".")
    suffix = annotated_suffix(f".{ending}")
    path = Uploads(config.data_dir).report(import_id, f"annotated{suffix}")
    audit.record(session, actor.name, "import.download", f"import/{import_id}", {"part": "annotated"})
    return FileResponse(path, media_type="application/octet-stream", filename=f"{stem}.annotated{suffix}")


def _found(session: Session, import_id: uuid.UUID, actor: Actor_) -> Job:
    """Return the dry run of an import that the actor may do."""
    found = jobs.find(session, import_id)
    if found.kind != TRY:
        raise NotFound("no-such-job", id=str(import_id))
    actor.require(*roles_for(found.params["subject"]))
    return found


def _sent(session: Session, import_id: uuid.UUID, actor: Actor_) -> Job:
    """Return the dry run of a file that the actor sent."""
    found = _found(session, import_id, actor)
    if actor.name != found.created_by:
        raise Denied("file-of-another")
    return found


def _queued(session: Session, order: Order, lang: str, **detail: Any) -> ImportOut:
    told = {"subject": order.subject, "file": order.file, **detail}
    params = order.model_dump(mode="json")
    jobs.enqueue(session, TRY, params, actor=order.asked_by, now=now(), job_id=order.import_id)
    audit.record(session, order.asked_by, "import.send", f"import/{order.import_id}", told)
    return import_out(jobs.find(session, order.import_id), None, lang)
