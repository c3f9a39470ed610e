"""Several processes that serve one port: the first, which keeps them running, and what each of the others does."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

from prometheus_client.multiprocess import mark_process_dead

from api import logs
from api.app import create_app
from api.metrics import empty_counts
from api.runtime import embedded
from api.server import server_of
from api.tracing import tracing
from spatial.db import Database, make_engine
from spatial.postgresql import API
from spatial.settings import Settings, settings

LOOKS_EVERY_S = 0.5
ENDS_WITHIN_S = 10.0


def serve_together(config: Settings, listening: socket.socket) -> None:
    """Serve a port by several processes, each replaced when it dies, until interrupted."""
    counts = empty_counts(config.data_dir)
    running: list[subprocess.Popen[bytes]] = []
    try:
        while True:
            for one in [one for one in running if one.poll() is not None]:
                running.remove(one)
                mark_process_dead(one.pid, str(counts))  # type: ignore[no-untyped-call]  # the library's
            while len(running) < config.processes:
                running.append(_spawn(listening))
            time.sleep(LOOKS_EVERY_S)
    finally:
        for one in running:
            one.terminate()
        _await_end(running)


def _spawn(listening: socket.socket) -> subprocess.Popen[bytes]:
    number = listening.fileno()
    return subprocess.Popen([sys.executable, "-m", "api.process", str(number), str(os.getpid())], pass_fds=[number])


def _await_end(running: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + ENDS_WITHIN_S
    for one in running:
        try:
            one.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()


def main(number: int, first: int) -> None:
    """Serve a socket that was inherited, with a database that is ready, as long as the first process lives."""
    logs.install(settings())
    threading.Thread(target=_end_with, args=(first,), name="orphan", daemon=True).start()
    database = Database(make_engine(settings().database_url or embedded(settings()).url()))
    with socket.socket(fileno=number) as listening, tracing(settings()) as traces:
        app = create_app(database.as_login(API), settings(), traces)
        server_of(app, settings()).run(sockets=[listening])


def _end_with(first: int) -> None:
    """End this process when the first has ended, were it by kill -9."""
    while os.getppid() == first:
        time.sleep(LOOKS_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
