"""The command line as a process of its own, quick to begin: forked from one that has loaded the libraries.

Twingrid's own code, but for its tables, is loaded by each run anew. What a start from nothing is like, those tests tell
that run `tests.service.TWINGRID`.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

LOADED = [
    *("alembic.command", "fastapi", "folium", "geoalchemy2.shape", "geopandas", "openpyxl", "opentelemetry.trace"),
    *("orjson", "pandas", "psycopg2", "pyarrow", "pydantic_settings", "pyogrio", "pypinyin", "pyproj", "rich.console"),
    *("scipy.sparse.csgraph", "scipy.spatial", "shapely", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm"),
    *("typer.rich_utils", "uvicorn", "spatial.tables"),
]
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(LOADED)


def run_verb(*arguments: object, env: Mapping[str, str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a verb with an environment, and return its exit code and what it said."""
    verb = [str(one) for one in arguments]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        process = processes.Process(target=_main, args=(verb, dict(env), str(Path.cwd()), outputs))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(verb, timeout)
        told = (output.read_text("utf-8") for output in outputs)
        return subprocess.CompletedProcess(verb, process.exitcode, *told)


def _main(verb: list[str], env: dict[str, str], folder: str, outputs: list[Path]) -> None:
    """Do what the installed command does, with what it says in two files."""
    for number, output in enumerate(outputs, 1):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = ["twingrid", *verb]
    from api.cli import main

    sys.exit(main())
