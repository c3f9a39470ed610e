"""What an import is asked, at the command line as in a form: declared once, with what each option means."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from spatial.imports.mapping import Mapping
from spatial.imports.model import Options
from spatial.incidents.rules import oldest_kept
from spatial.settings import Settings
from spatial.time import now, parse_instant


class FileAsked(BaseModel):
    """How a file is to be read, and from when what it says holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    effective: str | None = Field(None, description="RFC 3339 instant from which it holds; default now")
    complete: bool = Field(False, description="what the file lacks ends")
    source_crs: str | None = Field(
        None, description="EPSG code, WKT, PROJ string, gcj02, bd09 or the name of a local grid"
    )
    as_is: bool = Field(False, description="the places are right, though they look displaced or far away")
    source_layer: str | None = Field(None, description="layer, sheet or member, where the file has several")
    geometry: str | None = Field(None, description="column with shapes as WKT or hexadecimal WKB")
    encoding: str | None = Field(None, description="of text where the file does not say it: utf-8, gb18030")
    drop: list[str] = Field([], description="column not to read at all, such as one about people")

    def since(self) -> datetime:
        """Return the instant from which the file holds."""
        return parse_instant(self.effective, "effective") if self.effective else now()

    def over(self, saved: Mapping) -> Mapping:
        """Return a mapping with what is asked put over what it says."""
        return replace(
            saved,
            source_crs=self.source_crs or saved.source_crs,
            encoding=self.encoding or saved.encoding,
            drop=(*saved.drop, *self.drop),
        )


class RowsAsked(FileAsked):
    """What an import of rows is asked besides."""

    end_most: bool = Field(False, description="even if that is most of all there is")
    dates: Literal["dmy", "mdy", "ymd"] | None = Field(None, description="order of 03/04/2025")
    timezone: str | None = Field(None, description="IANA zone of local times; default: the deployment's")
    drop_others: bool = Field(False, description="leave out all columns that are not known")

    def over(self, saved: Mapping) -> Mapping:
        """Return a mapping with what is asked put over what it says."""
        return replace(
            super().over(saved),
            dates=self.dates or saved.dates,
            timezone=self.timezone or saved.timezone,
            drop_others=self.drop_others or saved.drop_others,
        )

    def options(self, effective: datetime, settings: Settings, shown: int) -> Options:
        """Return what the domain is asked, from an instant on; the rest is in the mapping."""
        return Options(
            effective,
            settings.zone,
            complete=self.complete,
            may_end_most=self.end_most,
            as_is=self.as_is,
            repair_limit=settings.repair_limit,
            oldest=oldest_kept(now(), settings.incident_retention_days, settings.zone),
            shown=shown,
        )
