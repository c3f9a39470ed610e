"""`twingrid gis`: logins of the database for QGIS and the like."""

import getpass
from typing import Annotated

import typer
from rich.console import Console

from api.options import DEFAULT_LANGUAGE, Lang
from api.runtime import open_database
from maps.texts import say
from spatial import access
from spatial.access.gis import add_gis_login, drop_gis_login
from spatial.settings import settings

app_gis = typer.Typer(no_args_is_help=True, help="Logins of the database for a GIS, which reads the views gis_*.")
Name = Annotated[str, typer.Argument(help="small letters, digits and _; the login is called gis_NAME")]


@app_gis.command()
def add(
    name: Name,
    principal: Annotated[str, typer.Option(help="name of the principal whose grants it shows")],
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Make a login; its password is shown this once."""
    with open_database(settings()) as database, database.write() as session:
        password = add_gis_login(session, access.operator(getpass.getuser()), name, principal)
    Console(stderr=True).print(say("cli.gis-added", lang, login=f"gis_{name}", principal=principal), highlight=False)
    if settings().database_url is None:
        Console(stderr=True).print(say("cli.gis-embedded", lang), highlight=False)
    typer.echo(password)


@app_gis.command()
def drop(name: Name, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Take a login away."""
    with open_database(settings()) as database, database.write() as session:
        drop_gis_login(session, access.operator(getpass.getuser()), name)
    Console(stderr=True).print(say("cli.gis-dropped", lang, login=f"gis_{name}"), highlight=False)
