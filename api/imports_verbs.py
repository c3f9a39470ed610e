"""Verbs of imports: their options are the fields of what is asked, the same as in a form, and those of a run here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from api.imports_asked import FileAsked
from api.options import DEFAULT_LANGUAGE, Lang
from spatial.errors import Fault, InputError
from spatial.imports.mapping import Mapping, read_mapping

Asked_ = TypeVar("Asked_", bound=FileAsked)
File = Annotated[
    Path, typer.Argument(help="CSV, Excel, Parquet, GeoJSON, GeoPackage, Shapefile, FlatGeobuf, dBase; zipped")
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the command line alone is asked: the mapping, what to write beside the file, how to answer."""

    mapped: Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN")] = None
    given: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE for all rows")] = None
    mapping: Annotated[Path | None, typer.Option(help="saved mapping (TOML); options go over what it says")] = None
    save_mapping: Annotated[Path | None, typer.Option(help="save the mapping of this run")] = None
    faults: Annotated[Path | None, typer.Option(help="write all faults to this CSV")] = None
    annotated: Annotated[Path | None, typer.Option(help="write a copy that says what becomes of each row")] = None
    commit: Annotated[bool, typer.Option("--commit", help="write; without it this is a dry run")] = False
    lang: Lang = DEFAULT_LANGUAGE
    as_json: Annotated[bool, typer.Option("--json", help="the whole outcome, for programs")] = False

    def saved(self) -> Mapping:
        """Return the saved mapping, with what `--map` and `--set` say over it."""
        found = read_mapping(self.mapping) if self.mapping else Mapping()
        faults: list[Fault] = []
        columns, constants = _pairs("map", self.mapped or (), faults), _pairs("set", self.given or (), faults)
        if faults:
            raise InputError(faults)
        kept = {name: column for name, column in found.columns.items() if name not in constants}
        return replace(found, columns=kept | columns, constants={**found.constants, **constants})


def verb(
    app: typer.Typer, name: str, asked: type[Asked_], about: str
) -> Callable[[Callable[[Path, Asked_, Run], None]], None]:
    """Return what adds a verb that takes a file, what is asked of it, and how to run."""

    def add(take: Callable[[Path, Asked_, Run], None]) -> None:
        def command(file: Path, **given: Any) -> None:
            take(file, asked(**{field: given.pop(field) for field in asked.model_fields}), Run(**given))

        here = signature(Run).parameters.values()
        # typer reads the options of a verb from its signature
        command.__signature__ = Signature([FILE, *_options(asked), *here])  # type: ignore[attr-defined]
        app.command(name, help=about)(command)

    return add


FILE = Parameter("file", Parameter.POSITIONAL_OR_KEYWORD, annotation=File)


def _options(asked: type[FileAsked]) -> Iterator[Parameter]:
    """Yield the fields of what is asked as parameters, those that must be given first."""
    fields = sorted(asked.model_fields.items(), key=lambda one: not one[1].is_required())
    for name, field in fields:
        flag = (f"--{name.replace('_', '-')}",) if field.annotation is bool else ()  # without a `--no-` of it
        told = typer.Option(*flag, help=field.description)
        default = Parameter.empty if field.is_required() else field.default
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[field.annotation, told])


def _pairs(option: str, told: Sequence[str], faults: list[Fault]) -> dict[str, str]:
    found = {}
    for one in told:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            faults.append(Fault(option, "option-malformed", {"value": one}))
        found[name] = value
    return found
