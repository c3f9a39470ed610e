"""What the embedded cluster is told at each start: its settings, and who may come in."""

import os
from collections.abc import Iterable
from pathlib import Path

from spatial.postgresql import API, WORKER

ROLE = "twingrid"
LOGINS = (ROLE, API, WORKER)
PORT = 5432  # only a part of the socket's name: nothing listens on the network
MIB = 1 << 20

SETTINGS = """\
# Written by Twingrid at each start. Settings of one's own: ALTER SYSTEM SET ... (they win, and stay).
# The log is kept terse and without statements, so that no row's content gets there.
listen_addresses = ''
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = {shared_mb}MB
effective_cache_size = {cache_mb}MB
work_mem = 16MB
maintenance_work_mem = 128MB
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C.UTF-8'
logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_error_verbosity = terse
log_min_error_statement = panic
"""
NOT_DURABLE = """\
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
"""
HBA = """\
local all {logins} peer map={role}
local replication {role} peer map={role}
"""


def configuration(sockets: Path, names: Iterable[str], more: str) -> dict[str, str]:
    """Return a cluster's files: with its socket in a folder, for system users by name, more settings at the end."""
    ram_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
    shared_mb = min(max(ram_mb // 8, 64), 1024)
    folder = str(sockets).replace("\\", "\\\\").replace("'", "''")
    settings = SETTINGS.format(port=PORT, sockets=folder, shared_mb=shared_mb, cache_mb=ram_mb // 2)
    return {
        "postgresql.conf": settings + more,
        "pg_hba.conf": HBA.format(logins=",".join(LOGINS), role=ROLE),
        "pg_ident.conf": "".join(f'{ROLE} "{name}" {login}\n' for name in sorted(names) for login in LOGINS),
    }
