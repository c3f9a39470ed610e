"""Serving HTTP, with the demo and the worker beside it when asked for."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import fixtures
from api.app import create_app
from api.process import serve_together
from api.server import server_of
from api.tracing import tracing
from api.worker import queue_checks, work
from maps.texts import say
from spatial.db import Database
from spatial.errors import SetupError
from spatial.grids.about import example_place
from spatial.grids.listing import is_empty
from spatial.history import Moment
from spatial.local_postgis import Notice
from spatial.postgresql import API, WORKER
from spatial.settings import Settings
from spatial.time import now

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

WORKER_ENDS_WITHIN_S = 5.0
LINKS = (("home", "/"), ("map", "/maps/grids"), ("docs", "/docs"))


def unwind_on_signals() -> None:
    """Let SIGTERM and a closed terminal unwind like Ctrl-C, so that whatever was started is stopped.

    uvicorn raises a signal again after its own shutdown; by default that would end the process on the spot.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def prepare_demo(database: Database, settings: Settings, console: Console) -> None:
    """Load the demo into an empty database, and see that it reaches into the coming days."""
    if settings.size == "none":
        if settings.is_loopback:
            fixtures.admit(database)
        return
    with database.read() as session:
        empty = is_empty(session)
    if empty:
        load_demo(database, settings, console, size=settings.size)
        with database.write() as session:  # what is wrong with it comes on record as soon as there is a worker
            queue_checks(session)
    with _progress_bar(settings, console, at_once=False) as progress:
        fixtures.extend(database, now=now(), progress=progress)
    fixtures.report(database, now=now())


def load_demo(
    database: Database, settings: Settings, console: Console, *, size: str, anchor: date | None = None, scale: int = 1
) -> None:
    """Load the generated town or city, by default that of this week, with a progress bar."""
    with _progress_bar(settings, console, at_once=True) as progress:
        fixtures.load(
            database,
            size=size,
            seed=settings.seed,
            anchor=anchor or fixtures.this_monday(now(), settings.zone),
            scale=scale,
            truth_file=settings.data_dir / "demo" / "truth.json",
            progress=progress,
        )


@contextlib.contextmanager
def _progress_bar(settings: Settings, console: Console, *, at_once: bool) -> Iterator[fixtures.Progress]:
    """Show a bar, at once or as soon as it hears of anything, until the end; yield what moves it."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console)
    task = bar.add_task(say("cli.loading", settings.language), total=1.0)
    if at_once:
        bar.start()

    def move(share: float, what: str) -> None:
        bar.start()
        bar.update(task, completed=share, description=what)

    try:
        yield move
    finally:
        if bar.live.is_started:
            bar.stop()


def run(database: Database, settings: Settings, notice: Notice, *, worker: bool) -> None:
    """Serve until Ctrl-C or SIGTERM, with no more rights in the database than serving and working need."""
    listening = _listen(settings)
    with listening, tracing(settings) as traces:
        _serve(listening, database, settings, notice, traces, worker=worker)


def _serve(
    listening: socket.socket,
    database: Database,
    settings: Settings,
    notice: Notice,
    traces: "TracerProvider | None",
    *,
    worker: bool,
) -> None:
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    for name, path in (*LINKS, *_example(database)):
        notice(f"link-{name}", url=f"http://{host}:{port}{path}")
    stop = threading.Event()
    helper = threading.Thread(target=work, args=(database.as_login(WORKER), stop, traces), name="worker", daemon=True)
    with contextlib.suppress(KeyboardInterrupt):
        if worker:
            helper.start()
        try:
            if settings.processes == 1:
                app = create_app(database.as_login(API), settings, traces)
                server_of(app, settings).run(sockets=[listening])
            else:
                serve_together(settings, listening)
        finally:
            stop.set()
            if worker:
                helper.join(WORKER_ENDS_WITHIN_S)
            if helper.is_alive():  # its transaction ends with its connection; the job is tried again at the next start
                notice("job-left")


def _example(database: Database) -> list[tuple[str, str]]:
    """Return a look-up of a place that some grid holds, where there is one."""
    with database.read() as session:
        place = example_place(session, Moment(now()))
    return [("lookup", f"/lookup?lon={place[0]}&lat={place[1]}")] if place else []


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything is printed, so that a link that is printed works."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SetupError("port-in-use", host=settings.host, port=settings.port) from error
    return listening
