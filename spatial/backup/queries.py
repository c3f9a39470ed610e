"""All SQL of backups: what a database holds and rests on, scratch databases, and the swap of two."""

from datetime import datetime

from sqlalchemy import Connection, text

from spatial.backup.manifest import AuditHead, Role, Standing, TableContent

# As text in one form, whatever the server's settings are; `row_security = off` fails rather than leave rows out.
ONE_FORM = """
    SET LOCAL statement_timeout = 0; SET LOCAL row_security = off; SET LOCAL timezone = 'UTC';
    SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1;
    SET LOCAL bytea_output = 'hex'
"""
TABLES = """
    SELECT CASE nspname WHEN 'public' THEN relname ELSE nspname || '.' || relname END AS name,
           format('%I.%I', nspname, relname) AS quoted,
           array_agg(attname || ' ' || format_type(atttypid, atttypmod) ORDER BY attname COLLATE "C") AS columns,
           string_agg(format('t.%I', attname), ', ' ORDER BY attname COLLATE "C") AS listed
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname !~ '^(pg_|information_schema$)'
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                                              AND deptype = 'e')
    GROUP BY nspname, relname ORDER BY 1
"""
ROWS = """
    SELECT count(*) AS rows, coalesce(sum(
        ('x' || left(encode(sha256(convert_to(ROW({listed})::text, 'UTF8')), 'hex'), 16))::bit(64)::bigint::numeric
    ), 0)::text AS hash
    FROM {quoted} t
"""
# The roles that this database depends on, and whoever is a member of one of those
ROLES = """
    WITH RECURSIVE here AS (SELECT oid FROM pg_database WHERE datname = current_database()),
    named AS (
        SELECT refobjid AS oid FROM pg_shdepend, here
        WHERE refclassid = 'pg_authid'::regclass
          AND (dbid = here.oid OR classid = 'pg_database'::regclass AND objid = here.oid)
        UNION
        SELECT member FROM pg_auth_members JOIN named ON roleid = named.oid
    )
    SELECT rolname AS name, rolcanlogin AS login, rolinherit AS inherit, rolbypassrls AS bypass_row_security,
           ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_roles.oid ORDER BY 1) AS member_of
    FROM pg_roles JOIN named USING (oid) WHERE NOT rolsuper AND rolname !~ '^pg_' ORDER BY 1
"""
OWNERS = """
    SELECT DISTINCT pg_get_userbyid(owner) FROM (
        SELECT relowner AS owner, relnamespace AS space FROM pg_class WHERE relkind IN ('r', 'p', 'v')
        UNION SELECT proowner, pronamespace FROM pg_proc
    ) owned WHERE space = 'public'::regnamespace ORDER BY 1
"""
GRANTS = """
    SELECT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END, privilege_type
    FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
    WHERE datname = current_database() AND grantee <> datdba ORDER BY 1, 2
"""
SETTINGS = """
    SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) END, unnest(setconfig)
    FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
    WHERE datname = current_database() ORDER BY 1, 2
"""


def table_contents(connection: Connection) -> dict[str, TableContent]:
    """Return what each table holds, by name, those of extensions left out."""
    connection.execute(text(ONE_FORM))
    found = {}
    for table in connection.execute(text(TABLES)).all():
        counting = ROWS.format(listed=table.listed, quoted=table.quoted).replace(":", r"\:")
        counted = connection.execute(text(counting)).one()
        found[table.name] = TableContent(rows=counted.rows, hash=counted.hash, columns=tuple(table.columns))
    return found


def standing(connection: Connection) -> Standing:
    """Return the roles that a database rests on, and what is granted and set on itself."""
    roles = tuple(
        Role.model_validate(dict(row) | {"member_of": tuple(row["member_of"])})
        for row in connection.execute(text(ROLES)).mappings()
    )
    return Standing(
        owners=tuple(connection.scalars(text(OWNERS))),
        roles=roles,
        grants=tuple((row[0], row[1]) for row in connection.execute(text(GRANTS))),
        settings=tuple((row[0], row[1]) for row in connection.execute(text(SETTINGS))),
    )


def export_snapshot(connection: Connection) -> tuple[str, datetime]:
    """Return the name by which another session sees what this transaction sees, and the transaction's start."""
    row = connection.execute(text("SELECT pg_export_snapshot(), now()")).one()
    return row[0], row[1]


def is_recovering(connection: Connection) -> bool:
    """Return whether the server still repeats its log of changes, and takes no writes."""
    return bool(connection.scalar(text("SELECT pg_is_in_recovery()")))


def timeline(connection: Connection) -> str:
    """Return the timeline a server writes in, as its files are named: 00000002."""
    return str(connection.scalar(text("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")))


def forget_settings(connection: Connection, names: tuple[str, ...]) -> None:
    """Take away settings that were made for the whole server."""
    for name in names:
        connection.execute(text(f"ALTER SYSTEM RESET {name}"))


def instant(connection: Connection) -> datetime:
    """Return the instant of the transaction, by the server's clock."""
    found: datetime = connection.execute(text("SELECT now()")).scalar_one()
    return found


def server_major(connection: Connection) -> int:
    """Return 15 for PostgreSQL 15.13."""
    return int(connection.scalar(text("SHOW server_version_num")) or 0) // 10000


def postgis_version(connection: Connection) -> str | None:
    """Return the version of PostGIS in the database; None when it has none."""
    found: str | None = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'postgis'"))
    return found


def schema_revision(connection: Connection) -> str | None:
    """Return the revision of the schema; None for a database without one."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def versions(connection: Connection) -> dict[str, int]:
    """Return the newest version of each domain; {} for a database without a schema."""
    if connection.scalar(text("SELECT to_regclass('dataset_version')")) is None:
        return {}
    rows = connection.execute(text("SELECT domain, max(n) FROM dataset_version GROUP BY 1 ORDER BY 1"))
    return {row[0]: row[1] for row in rows}


def audit_head(connection: Connection) -> AuditHead | None:
    """Return the newest row of the audit; None when there is none."""
    if connection.scalar(text("SELECT to_regclass('audit')")) is None:
        return None
    row = connection.execute(text("SELECT id, encode(hash, 'hex') AS hash FROM audit ORDER BY id DESC LIMIT 1")).first()
    return AuditHead(id=row.id, hash=row.hash) if row else None


def other_sessions(connection: Connection, database: str) -> list[str]:
    """Return what is connected to a database, this session apart: each by its name, or its address."""
    asked = """SELECT coalesce(nullif(application_name, ''), client_addr::text, 'local') FROM pg_stat_activity
               WHERE datname = :name AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1"""
    return list(connection.scalars(text(asked), {"name": database}))


def take_turn(connection: Connection, database: str) -> bool:
    """Take the right to replace a database, however long that takes; False when another process has it."""
    connection.execute(text("SET statement_timeout = 0"))
    asked = text("SELECT pg_try_advisory_lock(hashtextextended('twingrid restore ' || :name, 0))")
    return bool(connection.scalar(asked, {"name": database}))


def databases_like(connection: Connection, prefix: str) -> list[str]:
    """Return the databases whose names begin with a prefix."""
    asked = text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix) ORDER BY 1")
    return list(connection.scalars(asked, {"prefix": prefix}))


def create_database(connection: Connection, name: str, like: str) -> None:
    """Create an empty database with the encoding and locale of another."""
    asked = """SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
                             CAST(:name AS text), pg_encoding_to_char(encoding), datcollate, datctype)
               FROM pg_database WHERE datname = :like"""
    _run_told(connection, asked, name=name, like=like)


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database if it is there, ending whatever is connected to it."""
    _run_told(connection, "SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', CAST(:name AS text))", name=name)


def rename_database(connection: Connection, old: str, new: str) -> None:
    """Give a database another name; two renames of one transaction are one step."""
    renaming = "SELECT format('ALTER DATABASE %I RENAME TO %I', CAST(:old AS text), CAST(:new AS text))"
    _run_told(connection, renaming, old=old, new=new)


def ensure_roles(connection: Connection, roles: tuple[Role, ...]) -> None:
    """Create the roles that are missing, without a password, and their memberships; others stay as they are.

    Whoever creates them becomes a member, as whoever makes the schema does: the service takes them on.
    """
    there = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
    for role in roles:
        if role.name not in there:
            login, inherit = "LOGIN" if role.login else "NOLOGIN", "INHERIT" if role.inherit else "NOINHERIT"
            bypass = "BYPASSRLS" if role.bypass_row_security else ""
            told = f"SELECT format('CREATE ROLE %I {login} {inherit} {bypass}', CAST(:role AS text))"
            _run_told(connection, told, role=role.name)
    granting = "SELECT format('GRANT %I TO %I', CAST(:whole AS text), CAST(:role AS text))"
    for role in roles:
        for whole in role.member_of if role.name not in there else ():
            _run_told(connection, granting, whole=whole, role=role.name)
    joining = "SELECT format('GRANT %I TO CURRENT_USER', CAST(:whole AS text))"
    taken_on = text("SELECT pg_has_role(:whole, 'MEMBER')")
    for role in roles:
        if role.name not in there and not connection.scalar(taken_on, {"whole": role.name}):
            _run_told(connection, joining, whole=role.name)


def stand(connection: Connection, database: str, found: Standing) -> None:
    """Grant and set on a database what was granted and set on the one it is a copy of."""
    _run_told(connection, "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', CAST(:name AS text))", name=database)
    whom = "CASE :role WHEN '' THEN 'PUBLIC' ELSE quote_ident(:role) END"
    granting = f"SELECT format('GRANT %s ON DATABASE %I TO %s', CAST(:what AS text), CAST(:name AS text), {whom})"
    for role, privilege in found.grants:
        _run_told(connection, granting, what=privilege, name=database, role=role)
    setting = """SELECT format('ALTER %s DATABASE %I SET %I = %s',
                               CASE :role WHEN '' THEN '' ELSE 'ROLE ' || quote_ident(:role) || ' IN' END,
                               CAST(:name AS text), CAST(:setting AS text),
                               CASE :setting WHEN 'search_path' THEN :value ELSE quote_literal(:value) END)"""
    for role, assigned in found.settings:
        name, _, value = assigned.partition("=")
        _run_told(connection, setting, role=role, name=database, setting=name, value=value)


def analyse(connection: Connection) -> None:
    """Gather the statistics by which queries are planned: a dump has none."""
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("ANALYZE"))


def _run_told(connection: Connection, asked: str, **values: str) -> None:
    """Run the statement that a query returns, its names and values quoted by the server itself."""
    told: str = connection.execute(text(asked), values).scalar_one()
    connection.execute(text(told.replace(":", r"\:")))
