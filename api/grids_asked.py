"""What an import of grids is asked, at the command line or in a form, and the request that this makes."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.imports_asked import FileAsked
from maps.texts import LANGUAGES, known, say
from spatial.errors import Fault, InputError, invalid
from spatial.grids.schemes import is_layer_code
from spatial.imports.grids.model import FIELDS, Chain, Columns, Drawing, NewLayer, NewUnits, Request, UnitTree
from spatial.imports.mapping import Mapping
from spatial.time import now

USUAL_KINDS: dict[UnitTree, str] = {"police": "station", "governance": "community", "agency": "agency"}
SEEN_BY: dict[bool, Literal["public", "internal"]] = {True: "public", False: "internal"}


class GridsAsked(FileAsked):
    """Into which layer, from when, and which column says what; a layer and units may be made with it."""

    layer: str = Field(description="code of the layer")
    code: str | None = Field(None, description="column with the code of each grid; default: code")
    name: str | None = Field(None, description="column with its name; default: the code")
    unit: str | None = Field(None, description="column with the code of its unit")
    unit_name: str | None = Field(None, description="column with the unit's name, for `create_units`")
    grid_kind: str | None = Field(None, description="column with regular, dedicated or micro")
    keep: list[str] = Field([], description="further column to keep; others are left out")
    create_layer: bool = Field(False, description="make the layer")
    kind: Literal["tiling", "free"] = Field("tiling", description="of a layer that is made; free: grids may overlap")
    title: str | None = Field(None, description="title of a layer that is made")
    title_en: str | None = Field(None, description="its English title; default: the title")
    code_scheme: str = Field("free", description="free, unit15 or a regular expression")
    chain: Literal["police", "governance", "none"] | None = Field(
        None, description="whom to call, for a layer that is made; default: as the layer's code says"
    )
    within: str | None = Field(None, description="layer whose area a layer that is made should cover")
    public: bool = Field(False, description="a layer that is made may be shown to all")
    create_units: bool = Field(False, description="make units whose codes are not known")
    unit_kind: str | None = Field(None, description="kind of units that are made")
    plan: str | None = Field(None, description="make a plan of this name of what the file changes, and write nothing")
    plan_unit: str | None = Field(None, description="unit whose grids alone the plan redraws")
    unit_tree: UnitTree | None = Field(None, description="their tree; default: that of the layer")

    def request(self, effective: datetime, mapping: Mapping) -> Request:
        """Return what the domain is asked, from an instant on, with a mapping over which the fields go."""
        made = NewLayer(self._titles(), self.kind, SEEN_BY[self.public], self.code_scheme, self._chain())
        return Request(
            layer=self.layer,
            columns=self._columns(mapping),
            effective=effective,
            source_crs=mapping.source_crs,
            complete=self.complete,
            as_is=self.as_is,
            within=self.within,
            new_layer=made if self.create_layer else None,
            new_units=self._new_units() if self.create_units else None,
            drawing=self._drawing(),
        )

    def _drawing(self) -> Drawing | None:
        """Return the plan to make of the file, which makes neither a layer nor units."""
        if self.plan is None:
            return None
        if self.create_layer or self.create_units:
            raise invalid("plan", "plan-makes-no-layer")
        return Drawing(self.plan, self.plan_unit, now())

    def _columns(self, mapping: Mapping) -> Columns:
        """Return what says what of a grid: the columns that are asked for, else as a mapping says."""
        told = (*mapping.columns, *mapping.constants, *mapping.values)
        if unknown := [name for name in dict.fromkeys(told) if name not in FIELDS]:
            raise InputError([Fault(f"mapping {name}", "field-unknown", {"known": list(FIELDS)}) for name in unknown])
        asked = {name: getattr(self, name) or mapping.columns.get(name) for name in FIELDS}
        columns = {name: column for name, column in asked.items() if column is not None}
        constants = {name: value for name, value in mapping.constants.items() if name not in columns}
        if "code" not in constants:
            columns.setdefault("code", "code")
        return Columns(columns, tuple(self.keep), mapping.values, constants)

    def _titles(self) -> dict[str, str]:
        """Return the titles of a layer that is made: as asked, else as its code is known, else its code."""
        if not is_layer_code(self.layer):
            raise invalid("layer", "layer-code-malformed", layer=self.layer)
        if self.title is not None:
            titles = dict.fromkeys(LANGUAGES, self.title)
        elif known(f"import.layer.{self.layer}"):
            titles = {lang: say(f"import.layer.{self.layer}", lang) for lang in LANGUAGES}
        else:
            titles = dict.fromkeys(LANGUAGES, self.layer)
        return titles if self.title_en is None else {**titles, "en": self.title_en}

    def _chain(self) -> Chain | None:
        """Return the standard chain asked for, else the one that the layer's code names."""
        match self.chain or self.layer:
            case "police":
                return "police"
            case "governance":
                return "governance"
        return None

    def _new_units(self) -> NewUnits:
        """Return of which tree and kind units are made: stations for police grids, else communities."""
        of_tree = self.unit_tree or ("police" if self.layer == "police" else "governance")
        return NewUnits(of_tree, self.unit_kind or USUAL_KINDS[of_tree])
