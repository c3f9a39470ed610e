"""What a backup says of itself."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from spatial.backup.folder import damage
from spatial.errors import SetupError, invalid

FILE = "manifest.json"
FORMAT = 1
Kind = Literal["dump", "base"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableContent(_Part):
    """The rows of a table: how many, and the sum of their hashes, which no order changes."""

    rows: int
    hash: str
    columns: tuple[str, ...]  # each with its type, by name


class AuditHead(_Part):
    """The newest row of the audit's chain."""

    id: int
    hash: str


class Role(_Part):
    """A role of the server that the database names in a grant, a policy or as an owner; passwords stay behind."""

    name: str
    login: bool
    inherit: bool
    bypass_row_security: bool
    member_of: tuple[str, ...]


class Standing(_Part):
    """What belongs to a database but lies outside it, and so in no dump."""

    owners: tuple[str, ...]  # of tables and functions
    roles: tuple[Role, ...]
    grants: tuple[tuple[str, str], ...]  # on the database: role ("" for all) and privilege
    settings: tuple[tuple[str, str], ...]  # of the database: role ("" for all) and `name=value`


class Manifest(_Part):
    """What a backup holds, all of it of one instant."""

    format: int = FORMAT
    kind: Kind
    product: str
    taken_at: datetime
    postgresql: int  # major version
    postgis: str | None
    schema_revision: str | None
    versions: dict[str, int]
    audit_head: AuditHead | None
    tables: dict[str, TableContent] = {}
    standing: Standing | None = None  # none: of a base backup, which holds the whole server

    @property
    def content(self) -> str:
        """One hash of all tables."""
        return content_hash(self.tables)


def content_hash(tables: dict[str, TableContent]) -> str:
    """Return one hash of what some tables hold, the same in whatever order rows are stored."""
    told = "".join(f"{name} {table.rows} {table.hash} {table.columns}\n" for name, table in sorted(tables.items()))
    return hashlib.sha256(told.encode()).hexdigest()


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a backup that is being made."""
    (folder / FILE).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")


def read(folder: Path, kind: Kind | None = None) -> Manifest:
    """Return the manifest of a backup that is whole.

    Errors: `not-a-backup`, `backup-damaged`, `backup-of-other-format`, `backup-of-other-kind`.
    """
    if not (folder / FILE).is_file():
        raise invalid("backup", "not-a-backup", path=str(folder))
    if files := damage(folder):
        raise SetupError("backup-damaged", path=str(folder), files=files)
    try:
        manifest = Manifest.model_validate_json((folder / FILE).read_bytes())
    except ValidationError:
        raise invalid("backup", "backup-of-other-format", path=str(folder)) from None
    if manifest.format != FORMAT:
        raise invalid("backup", "backup-of-other-format", path=str(folder))
    if kind not in {None, manifest.kind}:
        raise invalid("backup", f"backup-is-{manifest.kind}", path=str(folder))
    return manifest
