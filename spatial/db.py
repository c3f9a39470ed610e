"""The database: engines, sessions, versions, and the only `commit()` of the product."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from spatial.errors import Busy, Conflict, Denied, NotFound, SetupError, invalid
from spatial.settings import settings
from spatial.tables import DOMAINS, DatasetVersion

OLDEST_POSTGRESQL = 14
BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)  # as of which a domain without a version is known
KEPT_CONNECTIONS = 20
MOST_CONNECTIONS = 100  # the web framework runs 40 threads, and a dispatcher's request may need two


@dataclass(frozen=True)
class Reach:
    """As which role of the database a transaction runs, and the rows of whose units and layers it sees there.

    None of `units` or `layers` stands for all. The rules are in the migrations (0001_roles.sql).
    """

    role: str
    actor: str = ""
    units: tuple[int, ...] | None = None
    named: tuple[int, ...] = ()  # units that may be named: these, the ones above and beside them
    rim: tuple[int, ...] = ()  # grids that touch or overlap theirs
    lent: tuple[int, ...] = ()  # officers of other units who serve with theirs
    layers: tuple[int, ...] | None = None

    def sees_people_of(self, unit_id: int | None) -> bool:
        """Whether the people of a unit are seen: of neighbours only the grids are."""
        return self.units is None or unit_id in self.units

    @cached_property
    def said(self) -> dict[str, str]:
        """What the database is told for a transaction, by the name of the setting."""
        return {
            "role": self.role,
            "twingrid.actor": self.actor,
            "twingrid.units": _listed(self.units or ()),
            "twingrid.named": _listed(self.named),
            "twingrid.rim": _listed(self.rim),
            "twingrid.lent": _listed(self.lent),
            "twingrid.layers": "*" if self.layers is None else _listed(self.layers),
        }


def _listed(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))


def driver_url(url: str) -> str:
    """Return a database URL with the psycopg2 driver named."""
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg2")
    return parsed.render_as_string(hide_password=False)


def make_engine(url: str, *, role: str | None = None) -> Engine:
    """Return an engine whose sessions speak UTC and whose statements are bounded in time.

    With a `role` its sessions have the rights of that role from the start, and whoever logs in must be a member of it.
    """
    options = f"-c timezone=UTC -c statement_timeout={settings().statement_timeout_s}s -c jit=off"
    engine = create_engine(
        driver_url(url),
        pool_size=KEPT_CONNECTIONS,
        max_overflow=MOST_CONNECTIONS - KEPT_CONNECTIONS,
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,  # what is asked and stored is nothing for a log
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "application_name": "twingrid",
            "connect_timeout": 10,
            "keepalives_idle": 10,  # a server that went without a word is given up on after a while
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "options": f"{options} -c role={role}" if role else options,
        },
    )
    event.listen(engine, "handle_error", _translate)
    return engine


def _translate(context: object) -> None:
    """Turn what the database refuses on purpose into our own errors; its text never leaves this module."""
    if getattr(context, "is_pre_ping", False):  # a connection that broke while nobody used it is replaced
        return
    error = getattr(context, "original_exception", None)
    code = getattr(error, "pgcode", None)
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
    if code in {"23P01", "23505"}:  # exclusion, uniqueness
        raise Conflict("stored-state-forbids", rule=constraint) from error
    if code == "23514":  # a check
        raise Conflict("stored-rule-forbids", rule=constraint) from error
    if code == "42501":  # no right to the table, or a row beyond somebody's reach: the code above forgot to ask
        raise Denied("beyond-reach") from error
    if code in {"22021", "22P05"}:  # a text that cannot be stored, such as one with NUL
        raise invalid("text", "text-cannot-be-stored") from error
    if code is not None and code.startswith("22"):  # out of range, malformed: a value that no check of ours looked at
        raise invalid("value", "value-cannot-be-stored") from error
    if code in {"40001", "40P01", "55P03", "57014"}:  # serialisation, deadlock, lock, time-out
        raise Busy("database-busy") from error
    if code in {"57P01", "57P02", "57P03", "53300"} or (code is None and isinstance(error, _driver_gone())):
        raise Busy("database-away") from error


@contextmanager
def _patience() -> Iterator[None]:
    """Turn an exhausted pool of connections into `Busy`."""
    try:
        yield
    except PoolTimeoutError:
        raise Busy("database-busy") from None


@lru_cache(maxsize=1)
def _driver_gone() -> tuple[type[Exception], ...]:
    import psycopg2

    return (psycopg2.OperationalError, psycopg2.InterfaceError)


@dataclass
class Database:
    """One PostGIS: writes through `engine`, reads through a read-only, REPEATABLE READ view of it."""

    engine: Engine
    reader: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def as_login(self, role: str) -> "Database":
        """Return the same database as another role sees it, with connections of its own.

        Where we come in without a password, over the socket of an embedded cluster, we log in as that role; else we log
        in as before and take the role on, unless it is the one already.
        """
        url = self.engine.url
        if url.username == role:
            return Database(make_engine(url.render_as_string(hide_password=False)))
        if url.password is None and str(url.query.get("host", "")).startswith("/"):
            return Database(make_engine(url.set(username=role).render_as_string(hide_password=False)))
        return Database(make_engine(url.render_as_string(hide_password=False), role=role))

    @contextmanager
    def read(self, reach: Reach | None = None) -> Iterator[Session]:
        """Yield a session that sees one state of the database, as far as somebody reaches, and cannot change it."""
        with _patience(), Session(self.reader, info={"reach": reach}) as session:
            yield session

    @contextmanager
    def write(self, reach: Reach | None = None) -> Iterator[Session]:
        """Yield a session whose work, as far as somebody reaches, is committed at the end, or not at all."""
        with _patience(), Session(self.engine, info={"reach": reach}) as session:
            yield session
            self.finish(session)

    @contextmanager
    def trial(self, reach: Reach | None = None) -> Iterator[Session]:
        """Yield a session that may write, and whose work is taken back at the end: what would have happened."""
        with _patience(), Session(self.engine, info={"reach": reach}) as session:
            yield session
            session.rollback()

    def finish(self, session: Session) -> None:
        """Commit: the only place that does."""
        session.commit()

    def settle(self, known_at: datetime) -> None:
        """Wait until no writer is left that could still commit rows recorded before `known_at`.

        Without this, a `known_at` younger than a running transaction would answer the old state now and the new
        state later. Versions stamped after this returns are younger than any `known_at` in the past.
        """
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if known_at > (connection.scalar(select(func.clock_timestamp())) or known_at):  # the stamping clock
                raise invalid("known_at", "known-at-in-future")
            newest = select(DatasetVersion.domain, func.max(DatasetVersion.recorded_at).label("at"))
            stamped = {row.domain: row.at for row in connection.execute(newest.group_by(DatasetVersion.domain))}
            for domain in DOMAINS:
                # stamps increase within a domain only, so each is to be waited for by itself
                if domain not in stamped or stamped[domain] < known_at:
                    connection.execute(text("SELECT pg_advisory_lock_shared(domain_lock(:domain))"), {"domain": domain})
                    connection.execute(
                        text("SELECT pg_advisory_unlock_shared(domain_lock(:domain))"), {"domain": domain}
                    )


def reach_in(session: Session) -> Reach | None:
    """Return how far the transactions of a session reach; none: as far as whoever logged in."""
    found: Reach | None = session.info.get("reach")
    return found


@event.listens_for(Session, "after_begin")
def _say_reach(session: Session, _transaction: object, connection: Connection) -> None:
    """Tell the database at the beginning of each transaction how far it may reach; until its end, and no longer."""
    reach = reach_in(session)
    if reach is not None:
        settings_ = ", ".join(f"set_config('{name}', :v{n}, true)" for n, name in enumerate(reach.said))
        told = {f"v{n}": value for n, value in enumerate(reach.said.values())}
        connection.execute(text(f"SELECT {settings_}"), told)


def hold_domain(session: Session, domain: str) -> None:
    """Take a domain's lock until the transaction ends, so that what is read cannot change before it is written."""
    session.execute(select(func.pg_advisory_xact_lock(func.domain_lock(domain))))


def open_version(session: Session, domain: str) -> datetime:
    """Take the domain's lock and return the instant to stamp on every row this transaction writes in it.

    One version per domain and transaction. Instants of a domain strictly increase, whatever the clock does.
    Domains are to be opened in alphabetical order, so that two writers cannot wait for each other.
    """
    stamps: dict[str, datetime] = session.info.setdefault("versions", {})
    if domain not in stamps:
        stamps[domain] = session.execute(text("SELECT open_version(:domain)"), {"domain": domain}).scalar_one()
    return stamps[domain]


def versions(session: Session, known_at: datetime | None = None) -> dict[str, int]:
    """Return the newest version number of each domain, or the newest that was recorded by `known_at`."""
    newest = select(DatasetVersion.domain, func.max(DatasetVersion.n)).group_by(DatasetVersion.domain)
    if known_at is not None:
        newest = newest.where(DatasetVersion.recorded_at <= known_at)
    rows = session.execute(newest)
    return dict.fromkeys(DOMAINS, 0) | {row.domain: row[1] for row in rows}


def stamps(session: Session, numbers: Mapping[str, int]) -> dict[str, datetime]:
    """Return when the versions of some domains were stamped; `NotFound` where there was none of that number."""
    table = DatasetVersion
    found: dict[str, datetime] = dict.fromkeys((domain for domain, n in numbers.items() if n == 0), BEFORE_ALL)
    for domain, n in numbers.items():
        if domain not in found:
            stamp = session.scalar(select(table.recorded_at).where(table.domain == domain, table.n == n))
            if stamp is None:
                raise NotFound("no-such-version", domain=domain, n=n)
            found[domain] = stamp
    return found


def require_fit(engine: Engine) -> None:
    """Refuse a database that is too old, lacks PostGIS, or cannot index Chinese text."""
    with engine.connect() as connection:
        number = int(connection.scalar(text("SHOW server_version_num")) or 0)
        if number < OLDEST_POSTGRESQL * 10000:
            raise SetupError("postgresql-too-old", found=number // 10000, needed=OLDEST_POSTGRESQL)
        ctype = connection.scalar(text("SELECT datctype FROM pg_database WHERE datname = current_database()"))
        if ctype in {"C", "POSIX"}:
            raise SetupError("database-ctype-c", found=ctype)
        postgis = connection.scalar(text("SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'"))
        if postgis is None:
            raise SetupError("postgis-missing")
        if tuple(int(part) for part in postgis.split(".")[:2]) < (3, 3):
            raise SetupError("postgis-too-old", found=postgis, needed="3.3")


def wait_for(engine: Engine, seconds: float = 30) -> None:
    """Wait until the database answers, or raise `SetupError`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with engine.connect() as connection:
                connection.scalar(text("SELECT 1"))
        except (Busy, OperationalError):
            if time.monotonic() > deadline:
                raise SetupError("database-unreachable", seconds=seconds) from None
            time.sleep(0.2)
        else:
            return
