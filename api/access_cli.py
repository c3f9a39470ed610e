"""`twingrid principal` and `twingrid token`: who may come in, as whoever has a shell on the machine decides."""

import getpass
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.console import notice, print_json
from api.options import DEFAULT_LANGUAGE, Lang, language
from api.principals_out import PrincipalOut, TokenOut, principal_out, token_out
from api.runtime import open_database
from maps.texts import LANGUAGES, say
from spatial import access
from spatial.access import listing, service
from spatial.access.service import LONGEST_DAYS
from spatial.paging import Page
from spatial.settings import settings
from spatial.time import now

app_principal = typer.Typer(no_args_is_help=True, help="Who may come in, and what they may do.")
app_token = typer.Typer(no_args_is_help=True, help="Bearer tokens of principals.")
Name = Annotated[str, typer.Argument(help="name of a principal")]
AsJson = Annotated[bool, typer.Option("--json", help="what the service sends")]
PAGE = 1000


def _operator() -> access.Actor:
    return access.operator(getpass.getuser())


@app_principal.command("list")
def list_principals(lang: Lang = DEFAULT_LANGUAGE, as_json: AsJson = False) -> None:
    """Say who may come in, and how far each reaches."""
    found: list[PrincipalOut] = []
    with open_database(settings(), notice) as database, database.read() as session:
        after: str | None = ""
        while after is not None:
            page = listing.principal_rows(session, Page(PAGE, after or None))
            found += [principal_out(row, lang) for row in page.rows]
            after = page.next_after
    if as_json:
        _print_json(found)
    else:
        _show_principals(found, lang)


@app_principal.command("add")
def add(
    name: Name,
    title: Annotated[str | None, typer.Option(help="what people read; default the name")] = None,
    role: Annotated[str | None, typer.Option(help="a role over the whole deployment, to begin with")] = None,
) -> None:
    """Add a person or a system."""
    with open_database(settings(), notice) as database, database.write() as session:
        service.add_principal(session, _operator(), name, dict.fromkeys(LANGUAGES, title or name), role, now=now())
    notice("principal-added", name=name)


@app_principal.command("disable")
def disable(name: Name) -> None:
    """Let a principal in no more, and revoke its tokens for good."""
    with open_database(settings(), notice) as database, database.write() as session:
        service.disable_principal(session, _operator(), name, now=now())
    notice("principal-disabled", name=name)


@app_principal.command("enable")
def enable(name: Name) -> None:
    """Let a disabled principal come in again; it needs a new token."""
    with open_database(settings(), notice) as database, database.write() as session:
        service.enable_principal(session, _operator(), name)
    notice("principal-enabled", name=name)


@app_principal.command("grant")
def grant(
    name: Name,
    role: Annotated[str, typer.Argument(help="viewer, dispatcher, planner …")],
    unit: Annotated[str | None, typer.Option(help="code of a unit, with all below it; default all")] = None,
    layer: Annotated[list[str] | None, typer.Option(help="code of a layer, may be repeated; default all")] = None,
    field: Annotated[list[str] | None, typer.Option(help="such as duty_phone; default what is usual")] = None,
) -> None:
    """Grant a role, over everything or less."""
    layers, fields = (tuple(one) if one else None for one in (layer, field))
    with open_database(settings(), notice) as database, database.write() as session:
        wanted = service.Wanted(role, unit, layers, fields)
        grant_id = service.give(session, _operator(), name, wanted, now=now())
    notice("granted", name=name, role=role, id=grant_id)


@app_principal.command("revoke")
def revoke_grant(name: Name, grant_id: Annotated[UUID, typer.Argument(help="id of the grant, from `list`")]) -> None:
    """Take a grant back."""
    with open_database(settings(), notice) as database, database.write() as session:
        service.revoke_grant(session, _operator(), name, grant_id, now=now())
    notice("grant-revoked", name=name, id=grant_id)


@app_principal.command("login")
def login(
    name: Name,
    account: Annotated[str | None, typer.Argument(help="as the provider calls them; none: nobody")] = None,
) -> None:
    """Let somebody sign in with the OpenID provider, under the name that it gives them."""
    with open_database(settings(), notice) as database, database.write() as session:
        service.set_login(session, _operator(), name, account)
    notice("login-set", name=name, login=account or "–")


@app_token.command("create")
def create(
    name: Annotated[str, typer.Argument(help="name of a principal; it is added when there is none")],
    role: Annotated[str, typer.Option(help="role of a principal that is added")] = "viewer",
    label: Annotated[str, typer.Option(help="what the token is for")] = "cli",
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="days until the token expires")] = 90,
) -> None:
    """Make a bearer token; it is shown this once."""
    with open_database(settings(), notice) as database, database.write() as session:
        actor, instant = _operator(), now()
        if not listing.principal_rows(session, Page(1, None), name=name).rows:
            service.add_principal(session, actor, name, dict.fromkeys(LANGUAGES, name), role, now=instant)
        expires = instant + timedelta(days=days)
        made = service.issue_token(session, actor, name, label, now=instant, expires=expires)
    notice("token-once")
    typer.echo(made)


@app_token.command("list")
def list_tokens(name: Name, lang: Lang = DEFAULT_LANGUAGE, as_json: AsJson = False) -> None:
    """Say which tokens a principal has, and until when; never the tokens themselves."""
    with open_database(settings(), notice) as database, database.read() as session:
        found = [token_out(one, now()) for one in listing.token_rows(session, name)]
    if as_json:
        _print_json(found)
    else:
        _show_tokens(found, lang)


@app_token.command("revoke")
def revoke_token(name: Name, token_id: Annotated[UUID, typer.Argument(help="id of the token, from `list`")]) -> None:
    """Revoke a token; it opens nothing two seconds later."""
    with open_database(settings(), notice) as database, database.write() as session:
        service.revoke_token(session, _operator(), name, token_id, now=now())
    notice("token-revoked", name=name, id=token_id)


def _print_json(found: Sequence[BaseModel]) -> None:
    body = {"items": [one.model_dump(mode="json") for one in found], "next": None}
    print_json(body)


def _show_principals(found: Sequence[PrincipalOut], lang: str) -> None:
    table = _table("name", "title", "roles", "id", "state")
    for one in found:
        state = say("access.state.disabled", lang) if one.disabled_at else ""
        roles = "\n".join(f"{say(f'access.role.{held.role}', lang)} · {held.reach}" for held in one.grants)
        ids = "\n".join(str(held.id) for held in one.grants)
        table.add_row(*map(Text, (one.name, one.title, roles, ids, state)))
    Console().print(table)


def _show_tokens(found: Sequence[TokenOut], lang: str) -> None:
    table, zone = _table("id", "label", "created", "expires", "state"), settings().zone
    for one in found:
        times = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (one.created_at, one.expires_at))
        table.add_row(*map(Text, (str(one.id), one.label, *times, say(f"access.state.{one.state}", lang))))
    Console().print(table)


def _table(*columns: str) -> Table:
    return Table(*(say(f"access.column.{column}", language()) for column in columns))
