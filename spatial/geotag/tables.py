"""Tables that come as Arrow's batches: Parquet, GeoParquet and GeoPackage, whose columns stay as they are."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pyogrio
import shapely

from spatial import crs as systems
from spatial.errors import Fault, InputError, invalid
from spatial.geometry import Floats
from spatial.geotag.model import Asked, Column, Kind, Outcome, Places, Progress
from spatial.geotag.naming import place_columns, require_new
from spatial.geotag.tagging import Tagger
from spatial.geotag.times import micros_of
from spatial.geotag.unfinished import told_writing
from spatial.imports.read.gdal import declared_crs, geopackage_layer, quiet, require_magic, told_errors
from spatial.imports.read.parquet import MAGIC, MOST_GROUP_BYTES, geometry_of
from spatial.lookup.bulk import Bools
from spatial.lookup.bulk_kernel import Longs

ROWS_AT_ONCE = 65_536
TYPES: Mapping[Kind, pa.DataType] = {"text": pa.string(), "number": pa.float64(), "truth": pa.bool_()}
Write = Callable[[pa.Schema, Iterator[pa.RecordBatch]], None]


def tag_table(source: Path, target: Path, tagger: Tagger, suffix: str, progress: Progress) -> Outcome:
    """Write a table again with columns added; it is there whole, or not at all."""
    work = target.with_name(target.name + suffix)
    with told_errors(source.name, source), told_writing(target):
        _clear(work)
        try:
            outcome = TABLES[suffix](source, work, tagger, progress)
            work.replace(target)
        finally:
            _clear(work)
    return outcome


class _Table:
    """Batches on their way, and what was counted."""

    def __init__(self, names: list[str], geometry: str | None, crs: str | None, tagger: Tagger, rows: int) -> None:
        self._asked: Asked = tagger.asked
        by_name = self._asked.x is not None or self._asked.y is not None or geometry is None
        self._geometry = None if by_name else geometry
        self._columns = place_columns(names, self._asked) if by_name else ("geometry", "geometry")
        self._crs = self._asked.crs or (None if by_name else crs) or systems.STORED
        if not by_name and crs is None and self._asked.crs is None:
            raise invalid("crs", "crs-undeclared")
        require_new(tagger.names, names)
        self._tagger = tagger
        self._total = max(rows, 1)
        self.rows, self.invalid = 0, 0
        self.error: InputError | None = None

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """Return the schema with the columns that are added."""
        for name, kind in self._tagger.names.items():
            schema = schema.append(pa.field(name, TYPES[kind]))
        return schema

    def tagged(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, progress: Progress) -> Iterator[Any]:
        """Yield batches with columns added."""
        try:
            for batch in batches:
                places = self._places(batch)
                columns, kept = self._tagger.tag(places, self._crs)
                self.rows += batch.num_rows
                self.invalid += len(places.wrong)
                more = [_array(column) for column in columns]
                made = pa.RecordBatch.from_arrays([*batch.columns, *more], schema=schema)
                yield made if kept.all() else made.filter(pa.array(kept))
                progress(min(self.rows / self._total, 1.0))
        except InputError as error:  # which would not come through the reader of another library as it is
            self.error = error
            raise

    def _places(self, batch: pa.RecordBatch) -> Places:
        wrong: dict[int, Fault] = {}
        if self._geometry is not None:
            x, y = _points(batch.column(self._geometry), wrong)
        else:
            x, y = (_numbers(batch.column(name), name, wrong) for name in self._columns)
        return Places(self.rows + 1, x, y, self._times(batch, wrong), wrong)

    def _times(self, batch: pa.RecordBatch, wrong: dict[int, Fault]) -> Longs | None:
        name = self._asked.at_column
        if name is None:
            return None
        column = batch.column(name)
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            micros = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
            for row in np.flatnonzero(_is_null(column)).tolist():
                wrong.setdefault(row, Fault(name, "cell-empty"))
            return np.asarray(pc.fill_null(pc.cast(micros, pa.int64()), 0))
        cells = ["" if one is None else str(one).strip() for one in column.to_pylist()]
        return micros_of(cells, name, wrong, np.ones(len(cells), bool))


def _parquet(source: Path, work: Path, tagger: Tagger, progress: Progress) -> Outcome:
    require_magic(source, MAGIC, source.name)
    with pyarrow.parquet.ParquetFile(source) as file:
        schema, metadata = file.schema_arrow, file.metadata
        groups = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
        if max(groups, default=0) > MOST_GROUP_BYTES:
            raise invalid("file", "file-inflates", file=source.name, limit_mb=MOST_GROUP_BYTES // 1_000_000)
        table = _Table(schema.names, *geometry_of(schema, source.name), tagger, metadata.num_rows)
        whole = table.schema(schema)
        with pyarrow.parquet.ParquetWriter(work, whole, compression="zstd") as writer:
            for batch in table.tagged(file.iter_batches(ROWS_AT_ONCE), whole, progress):
                writer.write_batch(batch)
    return Outcome(table.rows, table.invalid)


def _geopackage(source: Path, work: Path, tagger: Tagger, progress: Progress) -> Outcome:
    layer = geopackage_layer(source, source.name, tagger.asked.source_layer)
    with quiet():
        info = pyogrio.read_info(source, layer=layer, force_feature_count=True)
        opened = pyogrio.raw.open_arrow(source, layer=layer, batch_size=ROWS_AT_ONCE, use_pyarrow=True)
    with opened as (meta, reader), quiet():
        has_shapes = info["geometry_type"] is not None
        geometry = (meta["geometry_name"] or "wkb_geometry") if has_shapes else None
        names = [name for name in reader.schema.names if name != geometry]
        table = _Table(names, geometry, declared_crs(info["crs"]), tagger, int(info["features"]))
        whole = table.schema(reader.schema)
        batches = pa.RecordBatchReader.from_batches(whole, table.tagged(iter(reader), whole, progress))
        about = {"geometry_name": geometry, "geometry_type": info["geometry_type"], "crs": info["crs"]}
        try:
            pyogrio.raw.write_arrow(batches, work, layer=layer, driver="GPKG", **(about if has_shapes else {}))
        except Exception:
            if table.error is not None:
                raise table.error from None
            raise
    return Outcome(table.rows, table.invalid)


TABLES: Mapping[str, Callable[[Path, Path, Tagger, Progress], Outcome]] = {
    ".parquet": _parquet, ".geoparquet": _parquet, ".gpkg": _geopackage,
}  # fmt: skip


def _array(column: Column) -> pa.Array:
    index = pa.array(column.index, mask=column.index < 0)
    return pa.array(column.values, TYPES[column.kind]).take(index)


def _is_null(column: pa.Array) -> Bools:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), bool)


def _numbers(column: pa.Array, name: str, wrong: dict[int, Fault]) -> Floats:
    """Return a column as numbers, NaN where a row has none, which is told."""
    for row in np.flatnonzero(_is_null(column)).tolist():
        wrong.setdefault(row, Fault(name, "cell-empty"))
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        found = np.full(len(column), np.nan)
        for row, value in enumerate(column.to_pylist()):
            try:
                found[row] = np.nan if value is None else float(str(value).strip().replace("_", "x"))
            except ValueError:
                wrong.setdefault(row, Fault(name, "cell-not-a-number", {"value": str(value)[:60]}))
    else:
        found = np.array(pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan))
    for row in np.flatnonzero(~np.isfinite(found)).tolist():
        wrong.setdefault(row, Fault(name, "not-finite"))
    return np.where(np.isfinite(found), found, np.nan)


def _points(column: pa.Array, wrong: dict[int, Fault]) -> tuple[Floats, Floats]:
    """Return where points are; what is none is told."""
    shapes = shapely.from_wkb(column.to_pylist(), on_invalid="ignore")
    single = shapely.get_type_id(shapes) == shapely.GeometryType.MULTIPOINT
    shapes = np.where(single & (shapely.get_num_geometries(shapes) == 1), shapely.get_geometry(shapes, 0), shapes)
    is_point = (shapely.get_type_id(shapes) == shapely.GeometryType.POINT) & ~shapely.is_empty(shapes)
    for row in np.flatnonzero(~is_point).tolist():
        shape = shapes[row]
        found = {"found": shape.geom_type.lower(), "wanted": "point"} if shape is not None else {}
        wrong[row] = Fault("geometry", "shape-of-another-kind" if found else "shape-missing", found)
    xy = np.full((len(shapes), 2), np.nan)
    xy[is_point] = shapely.get_coordinates(shapes[is_point])
    return xy[:, 0].copy(), xy[:, 1].copy()


def _clear(work: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(OSError):
            work.with_name(work.name + suffix).unlink(missing_ok=True)
