"""Logins of the database for a GIS: each stands for a principal, and reads the views `gis_*` as far as that reaches."""

import re
import secrets
from typing import cast

from psycopg2 import sql
from psycopg2.extensions import connection, encrypt_password
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access.rules import Actor
from spatial.db import open_version
from spatial.errors import Conflict, NotFound, invalid
from spatial.tables import GisLogin, Principal

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
GROUP = "twingrid_gis"


def add_gis_login(session: Session, actor: Actor, name: str, principal: str) -> str:
    """Make a login for a principal and return its password, which is kept nowhere; the database's owner may do it."""
    actor.granted("access")
    if not NAME.fullmatch(name):
        raise invalid("name", "gis-login-malformed", value=name)
    principal_id = session.scalar(select(Principal.id).where(Principal.name == principal))
    if principal_id is None:
        raise NotFound("no-such-principal", name=principal)
    open_version(session, "access")
    login = f"gis_{name}"
    if session.scalar(select(GisLogin.name).where(GisLogin.name == login)):
        raise Conflict("gis-login-exists", name=login)
    session.execute(insert(GisLogin).values(name=login, principal_id=principal_id))
    password = secrets.token_urlsafe(24)
    database = _driver(session)
    hidden = encrypt_password(password, login, database, "scram-sha-256")  # the server never sees the password itself
    making = sql.SQL("CREATE ROLE {} LOGIN INHERIT PASSWORD {} IN ROLE {}")
    _run(database, making.format(sql.Identifier(login), sql.Literal(hidden), sql.Identifier(GROUP)))
    audit.record(session, actor.name, "gis-login.add", f"principal/{principal}", {"login": login})
    return password


def drop_gis_login(session: Session, actor: Actor, name: str) -> None:
    """Take a login away; whoever uses it meanwhile sees nothing more."""
    actor.granted("access")
    login = f"gis_{name}"
    gone = delete(GisLogin).where(GisLogin.name == login).returning(GisLogin.principal_id)
    principal_id = session.scalar(gone)
    if principal_id is None:
        raise NotFound("no-such-gis-login", name=login)
    principal = session.scalars(select(Principal.name).where(Principal.id == principal_id)).one()
    open_version(session, "access")
    _run(_driver(session), sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(login)))
    audit.record(session, actor.name, "gis-login.drop", f"principal/{principal}", {"login": login})


def _driver(session: Session) -> connection:
    return cast("connection", session.connection().connection.driver_connection)


def _run(database: connection, statement: sql.Composed) -> None:
    with database.cursor() as cursor:
        cursor.execute(statement)
