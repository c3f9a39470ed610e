"""Local grids of cities, by name: a known system, turned and shifted by four parameters, as surveyors deliver them.

They are read from a TOML file, one table for each name:

    ["徐州城建坐标"]
    crs = "+proj=tmerc +lon_0=117 +x_0=500000 +ellps=GRS80 +towgs84=0,0,0 +type=crs"
    easting_m = 12.345
    northing_m = -67.891
    rotation_arcsec = 1.25
    scale = 1.0000021
    control = [{ x = 26183.1, y = 86526.1, lon = 117.2841, lat = 34.2058 }]

`crs` is an EPSG code, WKT or PROJ string. The four parameters lead from local coordinates, x to the east and y to the
north, to that system; without them they are its own. With r the rotation, counterclockwise:

    E = easting_m  + scale · (x cos r − y sin r)
    N = northing_m + scale · (x sin r + y cos r)

`control` are points known in both systems. A grid that misses one is refused: signs and axes are easily mixed up.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatial.errors import SetupError
from spatial.settings import settings

Floats = NDArray[np.float64]
ARCSECONDS = 3600.0
PARAMETERS = {"easting_m": 0.0, "northing_m": 0.0, "rotation_arcsec": 0.0, "scale": 1.0}
KEYS = frozenset({"crs", "control", *PARAMETERS})


@dataclass(frozen=True)
class LocalGrid:
    """A local grid: the system that it rests on, the four parameters to it, and points that are known in both."""

    name: str
    crs: str
    easting_m: float
    northing_m: float
    rotation_arcsec: float
    scale: float
    control: tuple[tuple[float, float, float, float], ...] = ()  # x, y, lon, lat

    @property
    def is_plain(self) -> bool:
        """Whether its coordinates are those of the system that it rests on."""
        return (self.easting_m, self.northing_m, self.rotation_arcsec, self.scale) == tuple(PARAMETERS.values())

    def to_system(self, xy: Floats) -> Floats:
        """Return local coordinates in the system that the grid rests on."""
        return self._turned(xy, 1.0) * self.scale + (self.easting_m, self.northing_m)

    def from_system(self, xy: Floats) -> Floats:
        """Return coordinates of that system as local ones."""
        return self._turned((xy - (self.easting_m, self.northing_m)) / self.scale, -1.0)

    def _turned(self, xy: Floats, sign: float) -> Floats:
        angle = sign * math.radians(self.rotation_arcsec / ARCSECONDS)
        cos, sin = math.cos(angle), math.sin(angle)
        turned: Floats = xy @ np.array([[cos, sin], [-sin, cos]])
        return turned


def local_grid(name: str) -> LocalGrid | None:
    """Return the local grid of a name; None where none is set down. A file that is wrong is a `SetupError`."""
    path = settings().local_grids
    return None if path is None else _read(path, path.stat().st_mtime_ns if path.is_file() else 0).get(name.strip())


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Mapping[str, LocalGrid]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise SetupError("local-grids-missing", file=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise SetupError("local-grids-malformed", file=str(path), grid="", reason=str(error)) from None
    return {name: _grid(path, name, said) for name, said in tables.items()}


def _grid(path: Path, name: str, said: object) -> LocalGrid:
    try:
        if not isinstance(said, dict) or not said.keys() <= KEYS or not isinstance(said.get("crs"), str):
            raise ValueError("crs, " + ", ".join(PARAMETERS) + ", control")
        numbers = {key: float(said.get(key, usual)) for key, usual in PARAMETERS.items()}
        if not all(map(math.isfinite, numbers.values())) or numbers["scale"] <= 0:
            raise ValueError("scale")
        control = tuple(
            (float(point["x"]), float(point["y"]), float(point["lon"]), float(point["lat"]))
            for point in said.get("control", ())
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError("local-grids-malformed", file=str(path), grid=name, reason=str(error)) from None
    return LocalGrid(name, said["crs"], **numbers, control=control)
