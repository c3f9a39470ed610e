"""Where copies of databases lie: in memory, since files by the thousand, made and removed, are slow on a disk.

A copy is some seven hundred files. The templates stay with the cluster; in memory nothing outlives a copy.
"""

import fcntl
import hashlib
import os
import shutil
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from spatial.local_postgis import LocalPostgis

MEMORY = Path("/dev/shm")  # noqa: S108
ROOM = 4 << 30  # bytes: several cities at once
NAME = "memory"
COPIES = "t_"  # how the names of copies begin


@lru_cache
def tablespace(cluster: LocalPostgis) -> str:
    """Return the tablespace of copies: one in memory if there is room, else the one of the cluster."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        return "pg_default"
    engine = create_engine(cluster.url("postgres"), isolation_level="AUTOCOMMIT")
    made_for = cluster.home / "memory"
    with engine.connect() as connection, (cluster.home / "memory.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = str(connection.scalar(text("SELECT pg_postmaster_start_time()")))
        if not made_for.exists() or made_for.read_text() != started:
            _make(cluster, connection)
            made_for.write_text(started)
    engine.dispose()
    return NAME


def _make(cluster: LocalPostgis, connection: Connection) -> None:
    """Make the tablespace anew: nobody uses a cluster that has just started, and a folder in memory may be gone."""
    left = text("SELECT datname FROM pg_database WHERE starts_with(datname, :copies)")
    for name in connection.scalars(left, {"copies": COPIES}).all():
        cluster.drop_database(name)
    connection.execute(text(f"DROP TABLESPACE IF EXISTS {NAME}"))
    folder = MEMORY / f"twingrid-test-{hashlib.sha256(bytes(cluster.home)).hexdigest()[:12]}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.chown(folder, cluster.user.pw_uid, cluster.user.pw_gid)
    connection.execute(text(f"CREATE TABLESPACE {NAME} LOCATION '{folder}'"))
