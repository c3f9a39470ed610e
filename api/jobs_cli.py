"""Long work on the command line: `twingrid jobs`."""

import socket
from typing import Annotated
from uuid import UUID

import typer

from api.console import notice, operator_name, print_json
from api.jobs import job_out, schedule_out, worker_out
from api.jobs_text import show_job, show_jobs, show_schedules, show_workers
from api.options import DEFAULT_LANGUAGE, Lang
from api.runtime import open_database
from api.worker import schedules
from maps.texts import say
from spatial import audit, jobs
from spatial.jobs import State
from spatial.paging import Page
from spatial.settings import settings
from spatial.time import now

app_jobs = typer.Typer(no_args_is_help=True, help="Long work: how far it is, stopping it, trying it again.")
JobId = Annotated[UUID, typer.Argument(help="name of a job")]
AsJson = Annotated[bool, typer.Option("--json", help="the body that the service sends")]
Commit = Annotated[bool, typer.Option("--commit", help="do it; without, only say what would be done")]
MOST = 1000


@app_jobs.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="such as check-tiling")] = None,
    state: Annotated[State | None, typer.Option(help="how it stands with them")] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """List the oldest thousand jobs; `--state dead` are those that were given up."""
    with open_database(settings(), notice) as database, database.read() as session:
        found = jobs.job_rows(session, Page(MOST, None), kind=kind, state=state)
        out = [job_out(row.Job) for row in found.rows]
    if as_json:
        print_json({"items": [one.model_dump(mode="json") for one in out], "next": None})
    else:
        show_jobs(out, lang, settings().zone)


@app_jobs.command()
def show(job_id: JobId, lang: Lang = DEFAULT_LANGUAGE, as_json: AsJson = False) -> None:
    """Say how far a job is, and what became of it."""
    with open_database(settings(), notice) as database, database.read() as session:
        out = job_out(jobs.find(session, job_id))
    if as_json:
        print_json(out.model_dump(mode="json"))
    else:
        show_job(out, lang, settings().zone)


@app_jobs.command()
def retry(job_id: JobId, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Queue a job again that failed, was given up or was cancelled."""
    _change("retry", job_id, commit=commit, lang=lang)


@app_jobs.command()
def cancel(job_id: JobId, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Stop a job; what it has done so far is undone."""
    _change("cancel", job_id, commit=commit, lang=lang)


@app_jobs.command()
def schedule(lang: Lang = DEFAULT_LANGUAGE, as_json: AsJson = False) -> None:
    """Say what workers do by themselves, when next, and what became of it last."""
    config = settings()
    with open_database(config, notice) as database, database.read() as session:
        found = jobs.standings(session, schedules(config), config.zone, now())
    out = [schedule_out(one) for one in found]
    if as_json:
        print_json([one.model_dump(mode="json") for one in out])
    else:
        show_schedules(out, lang, config.zone)


@app_jobs.command()
def workers(
    here: Annotated[bool, typer.Option("--here", help="only those of this machine, or of this container")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """Say who works, and at which job; exit code 1 where nobody does."""
    with open_database(settings(), notice, migrate=False) as database, database.read() as session:
        out = [worker_out(one) for one in jobs.alive(session, now(), socket.gethostname() if here else None)]
    if as_json:
        print_json([one.model_dump(mode="json") for one in out])
    else:
        show_workers(out, lang, settings().zone)
    if not out:
        raise typer.Exit(1)


def _change(verb: str, job_id: UUID, *, commit: bool, lang: str) -> None:
    change = {"retry": jobs.retry, "cancel": jobs.cancel}[verb]
    with open_database(settings(), notice) as database, database.write() if commit else database.trial() as session:
        change(session, job_id, now())
        audit.record(session, operator_name(), f"job.{verb}", f"job/{job_id}", {})
        out = job_out(jobs.find(session, job_id))
    show_job(out, lang, settings().zone)
    if not commit:
        typer.echo(say(f"job.would.{verb}", lang))
