"""Options that several verbs of the command line share."""

from typing import Annotated, Literal

import typer

LangName = Literal["zh-CN", "en"]
Lang = Annotated[LangName, typer.Option("--lang", envvar="TWINGRID_LANGUAGE", help="language of the answer")]
