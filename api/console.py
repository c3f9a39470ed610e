"""What the verbs of the command line share: where lines for the operator go, and who the operator is."""

import getpass
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from api.options import language
from maps.texts import say

console = Console(stderr=True)


def notice(text: str, **values: object) -> None:
    """Show a line about what is going on."""
    console.print(Text(f"» {say(f'cli.{text}', language(), **values)}", style="dim"), soft_wrap=True)


def print_json(body: Any) -> None:
    """Print a body as programs read it."""
    typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())


def operator_name() -> str:
    """Return the name under which the audit knows whoever sits at the command line."""
    from spatial import access

    return access.operator(getpass.getuser()).name
