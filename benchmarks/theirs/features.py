"""Servers of features, as a user would put them before a table of grids: `features.py tipg|pygeoapi FOLDER PORT`.

Runs in an environment without Twingrid. Each is one process: tipg by uvicorn on uvloop, pygeoapi by gunicorn.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

TABLE, USER, PORT = "bench_grids", "twingrid", 5432


def tipg_app() -> object:
    """Return tipg over the table, as its documentation composes an app."""
    from contextlib import asynccontextmanager

    from fastapi import FastAPI
    from tipg.collections import register_collection_catalog
    from tipg.database import close_db_connection, connect_to_db
    from tipg.errors import DEFAULT_STATUS_CODES, add_exception_handlers
    from tipg.factory import OGCFeaturesFactory
    from tipg.settings import DatabaseSettings, PostgresSettings

    sockets, name = os.environ["BENCH_SOCKETS"], os.environ["BENCH_DATABASE"]

    @asynccontextmanager
    async def connected(app: Any) -> AsyncIterator[None]:
        url = f"postgresql://{USER}@localhost:{PORT}/{name}"
        await connect_to_db(app, schemas=["public"], settings=PostgresSettings(database_url=url), host=sockets)
        tables = DatabaseSettings(schemas=["public"], tables=[f"public.{TABLE}"])
        await register_collection_catalog(app, db_settings=tables)
        yield
        await close_db_connection(app)

    app = FastAPI(lifespan=connected, openapi_url=None)
    app.include_router(OGCFeaturesFactory().router)
    add_exception_handlers(app, DEFAULT_STATUS_CODES)
    return app


def pygeoapi_settings(folder: Path, port: int) -> None:
    """Write the configuration of pygeoapi, and the OpenAPI document that it wants beside it."""
    config = {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port}, "url": f"http://127.0.0.1:{port}",
            "mimetype": "application/json", "encoding": "utf-8", "language": "en-US", "cors": False,
            "pretty_print": False, "gzip": False,
            "limits": {"default_items": 10, "max_items": 50},
            "map": {"url": "http://127.0.0.1", "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "grids", "description": "grids", "keywords": ["grids"], "keywords_type": "theme",
                "terms_of_service": "none", "url": "http://127.0.0.1",
            },
            "license": {"name": "none", "url": "http://127.0.0.1"},
            "provider": {"name": "none", "url": "http://127.0.0.1"},
            "contact": {"name": "none"},
        },
        "resources": {
            TABLE: {
                "type": "collection", "title": "grids", "description": "grids", "keywords": ["grids"], "links": [],
                "extents": {"spatial": {"bbox": [-180, -90, 180, 90], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},
                "providers": [{
                    "type": "feature", "name": "PostgreSQL", "id_field": "id", "table": TABLE, "geom_field": "geom",
                    "data": {
                        "host": os.environ["BENCH_SOCKETS"], "port": PORT,
                        "dbname": os.environ["BENCH_DATABASE"], "user": USER, "password": "",
                        "search_path": ["public"],
                    },
                }],
            },
        },
    }  # fmt: skip
    (folder / "pygeoapi.yml").write_text(json.dumps(config))  # JSON is YAML
    environment = {**os.environ, "PYGEOAPI_CONFIG": str(folder / "pygeoapi.yml")}
    command = [str(Path(sys.executable).with_name("pygeoapi")), "openapi", "generate", str(folder / "pygeoapi.yml")]
    command += ["--output-file", str(folder / "openapi.yml")]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def main(server: str, folder: str, port: str) -> None:
    """Serve, in place of this process."""
    here = Path(sys.executable)
    if server == "tipg":
        command = ["uvicorn", "features:tipg_app", "--factory", "--port", port]
        command += ["--app-dir", str(Path(__file__).parent), "--no-access-log", "--log-level", "error"]
    else:
        pygeoapi_settings(Path(folder), int(port))
        os.environ["PYGEOAPI_CONFIG"] = f"{folder}/pygeoapi.yml"
        os.environ["PYGEOAPI_OPENAPI"] = f"{folder}/openapi.yml"
        command = ["gunicorn", "pygeoapi.flask_app:APP", "--bind", f"127.0.0.1:{port}"]
        command += ["--worker-class", "gthread", "--threads", "8", "--log-level", "error"]
    os.execv(here.with_name(command[0]), command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
