"""The other side of `peers`: runs in an environment without Twingrid, does as it is told, and says when it is done."""

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
import geopandas
import numpy as np
import pandas as pd
import shapely

FOLDER = Path(sys.argv[1])
EXTENSION = next(Path(duckdb_extension_spatial.__file__).parent.rglob("spatial.duckdb_extension"))


class Held:
    """The grids and the places, as each library likes them best, and what was found last."""

    def __init__(self) -> None:
        self.duck = duckdb.connect()
        self.duck.execute(f"LOAD '{EXTENSION}'")
        self.layers: list[Any] = []
        self.found: list[Any] = []

    def hold(self, layers: int) -> None:
        """Take in grids and places."""
        for number in range(layers):
            codes, wkb = json.loads((FOLDER / f"layer{number}.json").read_text())
            shapes = shapely.from_wkb([bytes.fromhex(one) for one in wkb])
            self.layers.append(geopandas.GeoDataFrame({"code": codes}, geometry=shapes, crs=4490))
            frame = pd.DataFrame({"code": codes, "wkb": [bytes.fromhex(one) for one in wkb]})
            self.duck.register("frame", frame)
            made = f"CREATE OR REPLACE TABLE layer{number} AS SELECT code, ST_GeomFromWKB(wkb) AS geom FROM frame"
            self.duck.execute(made)
        places = np.load(FOLDER / "places.npz")
        points = geopandas.points_from_xy(places["lon"], places["lat"], crs=4490)
        self.places = geopandas.GeoDataFrame(geometry=points)
        self.duck.register("given", pd.DataFrame({"lon": places["lon"], "lat": places["lat"]}))
        self.duck.execute("CREATE OR REPLACE TABLE places AS SELECT row_number() OVER () - 1 AS n, "
                          "ST_Point(lon, lat) AS geom FROM given")  # fmt: skip

    def geopandas(self) -> None:
        """Join by `sjoin`: of several grids the smallest code."""
        self.found = []
        for layer in self.layers:
            joined = self.places.sjoin(layer, predicate="intersects", how="left")["code"]
            if joined.index.has_duplicates:
                joined = joined.groupby(level=0).min()
            self.found.append(joined.to_numpy())

    def duckdb(self) -> None:
        """Join by DuckDB's own operator, on all threads it takes: of several grids the smallest code."""
        self.found = []
        for number in range(len(self.layers)):
            found = self.duck.execute(
                f"SELECT p.n, min(a.code) AS code FROM places p "
                f"LEFT JOIN layer{number} a ON ST_Intersects(a.geom, p.geom) GROUP BY p.n ORDER BY p.n"
            ).fetchnumpy()
            self.found.append(found["code"])

    def geotag(self, source: str, target: str) -> None:
        """Add the codes of both layers to a CSV, every other column as it is."""
        self.duck.execute(
            f"COPY (WITH rows AS (SELECT *, ST_Point(CAST(lon AS DOUBLE), CAST(lat AS DOUBLE)) AS geom "
            f"FROM read_csv('{source}', all_varchar = true, header = true)) "
            "SELECT r.* EXCLUDE (geom), a.code AS police_grid, b.code AS governance_grid FROM rows r "
            "LEFT JOIN layer0 a ON ST_Intersects(a.geom, r.geom) LEFT JOIN layer1 b ON ST_Intersects(b.geom, r.geom)) "
            f"TO '{target}' (HEADER, DELIMITER ',')"
        )

    def tell(self) -> None:
        """Write what was found last."""
        told = [[None if pd.isna(one) else one for one in of_layer.tolist()] for of_layer in self.found]
        (FOLDER / "codes.json").write_text(json.dumps(told))


def main() -> None:
    """Do what is said, line by line."""
    held = Held()
    for line in sys.stdin:
        said = json.loads(line)
        getattr(held, said.pop("verb"))(**said)
        print("done", flush=True)


if __name__ == "__main__":
    main()
