"""Embedded PostGIS: a private cluster of its own, so that one command is enough and no password exists.

    <home>/            <data_dir>/postgis, or /var/lib/twingrid/<hash> where the system user cannot reach that
        turn           lock: one process at a time creates, starts or stops
        users          lock: shared by every process that uses the cluster; the last one out stops it
        cluster/       PostgreSQL's data; put here in one rename, so that half of a cluster is never seen
        cluster-restored/        a recovered cluster that is complete: put in place if a killed recovery left no other
        cluster-before-<time>/   what the last recovery replaced
        run/           the Unix socket, for the cluster's user and root alone
        log/           one file per weekday, and that of the last start

PostgreSQL refuses to run as root, so root hands the cluster to a system user; anyone else runs it as oneself.
"""

import errno
import fcntl
import hashlib
import logging
import os
import pwd
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from spatial import wal_archive
from spatial.cluster_files import NOT_DURABLE, PORT, ROLE, configuration
from spatial.errors import Conflict, SetupError
from spatial.postgresql import Binaries, find_binaries, run_as, system_user

DATABASE = ROLE
ELSEWHERE = Path("/var/lib/twingrid")
LOG_LINES = 12
LONGEST_SOCKET_PATH = 107  # sockaddr_un.sun_path without its final zero
START_TIMEOUT_S = 120
LOOKS_EVERY_S = 2.0
DISK_FULL_BELOW = 32 << 20  # bytes: a segment of PostgreSQL's log of changes takes 16 MiB, and always a new one
FILE_COPY = " STRATEGY file_copy"  # PostgreSQL 14 knows no other; the default of 15 logs each page
MIB = 1 << 20


class Notice(Protocol):
    """Where a line for the operator goes: a text key and values, as those of an error."""

    def __call__(self, text: str, **values: object) -> None:
        """Show or log the line."""


def _log(text: str, **values: object) -> None:
    logging.getLogger(__name__).info("%s %s", text, values)


class LocalPostgis:
    """One private cluster: made when first started, used through `url()`, stopped when its last user leaves.

    `durable=False` trades safety against a crash of the machine for speed, and is for tests. `wal_archive` names the
    folder where its log of changes is kept from the next start on; the cluster remembers it.
    """

    def __init__(
        self, data_dir: Path, *, durable: bool = True, wal_archive: Path | None = None, notice: Notice = _log
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.durable = durable
        self.wal_archive = wal_archive.absolute() if wal_archive else None
        self.started_here = False
        self._notice = notice
        self._use: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @cached_property
    def user(self) -> pwd.struct_passwd:
        """The system user the cluster belongs to: oneself, but never root."""
        for home in (self._beside_data, self._elsewhere):
            if os.geteuid() == 0 and (home / "cluster").exists() and (owner := home.stat().st_uid) != 0:
                return pwd.getpwuid(owner)
        return system_user()

    @cached_property
    def home(self) -> Path:
        """The folder of the cluster, its socket, logs and locks: in the data folder if the user can get there."""
        with self._file_faults():
            self.data_dir.mkdir(parents=True, exist_ok=True)
        if run_as(self.user, ["test", "-x", str(self.data_dir)], Path("/")).returncode == 0:
            return self._beside_data
        self._notice("postgis-elsewhere", folder=str(self._elsewhere), user=self.user.pw_name)
        return self._elsewhere

    @property
    def _beside_data(self) -> Path:
        return self.data_dir / "postgis"

    @property
    def _elsewhere(self) -> Path:
        return ELSEWHERE / hashlib.sha256(str(self.data_dir.resolve()).encode()).hexdigest()[:12]

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data folder."""
        return self.home / "cluster"

    @property
    def archive(self) -> Path | None:
        """The folder where the log of changes is kept; None where it is not."""
        link = self.home / "wal"
        return self.wal_archive or (link.readlink() if link.is_symlink() else None)

    @property
    def restored(self) -> Path:
        """Where a recovered cluster waits to become the cluster."""
        return self.home / "cluster-restored"

    @property
    def sockets(self) -> Path:
        """The folder of the Unix socket."""
        return self.home / "run"

    def url(self, database: str = DATABASE) -> str:
        """Return the address of a database of the cluster, as SQLAlchemy reads it."""
        return f"postgresql+psycopg2://{ROLE}@/{quote(database)}?host={quote(str(self.sockets))}&port={PORT}"

    def is_running(self) -> bool:
        """Whether the cluster answers."""
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def start(self) -> str:
        """Start the cluster, creating it when there is none, and return its URL; cheap when it is running."""
        self._make_folders()
        with self._turn():
            if self._use is None:
                self._use = (self.home / "users").open("wb")
                fcntl.flock(self._use, fcntl.LOCK_SH)
            if not self.is_running():
                self._start()
        return self.url()

    def stop(self) -> None:
        """Leave the cluster, and stop it if no other process is using it."""
        if not (self.home / "turn").exists():
            return
        with self._turn(), self._use or (self.home / "users").open("wb") as users:
            self._use = None
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._halt()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the cluster stopped, so that its folder can be replaced; `Conflict` while another process uses it."""
        self.stop()
        self._make_folders()
        with self._turn(), (self.home / "users").open("wb") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict("cluster-in-use") from None
            self._halt()
            yield

    def _halt(self) -> None:
        if not self._postmaster():
            return
        try:
            self._run("pg_ctl", "stop", "-s", "-w", "-m", "fast", "-D", ".", folder=self.cluster)
        except SetupError:
            if self._postmaster():  # else it went by itself meanwhile
                raise

    def keep_running(self, stop: threading.Event) -> None:
        """Start the cluster again whenever it has died, until `stop` is set; a start that fails is tried again."""
        while not stop.wait(LOOKS_EVERY_S):
            if not self.is_running():
                self._notice("postgis-restarting")
                with suppress(SetupError):
                    self.start()

    def create_database(self, name: str, *, template: str = "template0", tablespace: str = "pg_default") -> str:
        """Create a database, as a copy of `template`'s files, and return its URL."""
        how = sql.SQL("CREATE DATABASE {} TEMPLATE {} TABLESPACE {}" + FILE_COPY * (self.binaries.major >= 15))
        self._execute(how.format(*map(sql.Identifier, (name, template, tablespace))))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, ending whatever is connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        connection = self._connect()
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(host=str(self.sockets), port=PORT, user=ROLE, dbname="postgres", connect_timeout=10)

    def _start(self) -> None:
        socket = self.sockets / f".s.PGSQL.{PORT}"
        if (length := len(os.fsencode(socket))) > LONGEST_SOCKET_PATH:
            raise SetupError("socket-path-too-long", path=str(socket), bytes=length, longest=LONGEST_SOCKET_PATH)
        if "," in str(socket):  # the client library would read it as a list of two
            raise SetupError("socket-path-with-comma", path=str(socket))
        if not self.cluster.exists() and self.restored.exists():
            self.restored.rename(self.cluster)
        if not self.cluster.exists():
            self._create()
        if self._postmaster():  # it is still coming up, or going down, for somebody who did not wait for it
            self._await("recovery", lambda: self.is_running() or not self._postmaster())
        if not self._postmaster():
            self._clear_leftovers()
            self._configure()
            self._launch()
        self.started_here = True

    @cached_property
    def binaries(self) -> Binaries:
        """The programs that fit the cluster, or the newest when there is no cluster yet."""
        with suppress(FileNotFoundError):
            major = int((self.cluster / "PG_VERSION").read_text())
            return find_binaries(major)
        return find_binaries()

    def _create(self) -> None:
        """Make the cluster and its database in a folder of its own, then put it in place by one rename."""
        self._clear_halves()
        self._notice("postgis-creating", folder=str(self.cluster), major=self.binaries.major)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self.home))
        self._give(new)
        try:
            speed = ["--data-checksums"] if self.durable else ["--no-sync"]
            how = ["--encoding=UTF8", "--locale=C.UTF-8", f"--username={ROLE}", "--auth=reject", "--no-clean"]
            self._run("initdb", "-D", str(new), *how, *speed)
            single_user = ["--single", "-D", str(new), "-c", "exit_on_error=on", "template1"]
            self._run("postgres", *single_user, stdin=f"CREATE DATABASE {DATABASE} TEMPLATE template0;\n")
            new.rename(self.cluster)
        finally:
            self._clear_halves()

    def _clear_halves(self) -> None:
        """Remove what was made half: also after making our own, since a killed maker's `initdb` may have gone on."""
        for half in self.home.glob("new-*"):
            shutil.rmtree(half, ignore_errors=True)

    def _postmaster(self) -> int | None:
        """Return the process of the running server; the number in its file alone may by now be anybody's."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if pid in self._processes() else None

    def _processes(self) -> list[int]:
        """Return the processes of the cluster: those of PostgreSQL that run in its folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                in_folder = (process / "cwd").readlink() == self.cluster.resolve()
                if in_folder and (process / "comm").read_text() == "postgres\n":
                    found.append(int(process.name))
        return found

    def _clear_leftovers(self) -> None:
        """End what outlived a killed server, and remove the files that name it: PostgreSQL would refuse to start."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._await("end what a killed server left", lambda: not self._processes())
        for stale in (self.cluster / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)

    def _configure(self) -> None:
        """Write the settings, and who may come in: the cluster's user, root, and whoever starts it."""
        names = {self.user.pw_name, pwd.getpwuid(0).pw_name, pwd.getpwuid(os.geteuid()).pw_name}
        files = configuration(self.sockets, names, self._archiving() if self.durable else NOT_DURABLE)
        with self._file_faults():
            for name, text in files.items():
                new = self.cluster / f"{name}.new"
                new.write_text(text)
                self._give(new)
                new.replace(self.cluster / name)

    def _archiving(self) -> str:
        """Return the settings by which the log of changes is archived, its folder and script made; "" without one."""
        link = self.home / "wal"
        if self.wal_archive is not None:
            with self._file_faults():
                if not self.wal_archive.exists():
                    self.wal_archive.mkdir(parents=True, mode=0o700)
                    self._give(self.wal_archive)
                link.unlink(missing_ok=True)
                link.symlink_to(self.wal_archive)
        if not link.is_symlink():
            return ""
        if run_as(self.user, ["test", "-w", str(link)], Path("/")).returncode:
            raise SetupError("wal-archive-not-writable", folder=str(link.readlink()), user=self.user.pw_name)
        (self.home / "archive").write_text(wal_archive.ARCHIVE)
        self._give(self.home / "archive")
        return wal_archive.SETTINGS

    def _launch(self) -> None:
        log = self.home / "log" / "start.log"
        log.unlink(missing_ok=True)
        here = ["-D", ".", "-l", "../log/start.log"]  # not absolute: pg_ctl hands them to a shell, half quoted
        self._run("pg_ctl", "start", "-s", "-w", "-t", str(START_TIMEOUT_S), *here, folder=self.cluster)

    def _run(self, program: str, *arguments: str, folder: Path = Path("/"), stdin: str = "") -> None:
        done = run_as(self.user, [str(self.binaries.folder / program), *arguments], folder, stdin)
        if done.returncode:
            raise self.fault(program, done.stdout + done.stderr)

    def _await(self, step: str, is_done: Callable[[], bool]) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while not is_done():
            if time.monotonic() > end:
                raise self.fault(step, f"{START_TIMEOUT_S} s")
            time.sleep(0.05)

    def fault(self, step: str, output: str) -> SetupError:
        """Say what went wrong: the disk is full, or else the last lines that PostgreSQL wrote."""
        if shutil.disk_usage(self.home).free < DISK_FULL_BELOW:
            return SetupError("disk-full", folder=str(self.home), needed_mib=DISK_FULL_BELOW // MIB)
        logs = sorted((self.home / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
        lines = [line for log in logs[-2:] for line in log.read_text(errors="replace").splitlines()]
        return SetupError("postgis-failed", step=step, log="\n".join([*lines, *output.splitlines()][-LOG_LINES:]))

    def _make_folders(self) -> None:
        with self._file_faults():
            if self.home.parent == ELSEWHERE:
                ELSEWHERE.mkdir(parents=True, exist_ok=True)
                ELSEWHERE.chmod(0o755)
            for folder in (self.home, self.sockets, self.home / "log"):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o700)
                self._give(folder)

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other process creates, starts or stops the cluster."""
        with self._file_faults():
            lock = (self.home / "turn").open("wb")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _file_faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise SetupError("data-dir-not-writable", folder=str(error.filename)) from error
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise SetupError("disk-full", folder=str(self.data_dir), needed_mib=DISK_FULL_BELOW // MIB) from error
            raise
