"""What the database itself refuses, whoever writes to it; and that its schema can be taken back."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import migrations
from spatial.db import Database, make_engine, open_version, require_fit, versions
from spatial.errors import Conflict, InputError, SetupError
from spatial.local_postgis import LocalPostgis
from spatial.tables import Base
from spatial.time import now, since
from tests.build import HOUR, T0, World, build, cell

REFUSED = (DBAPIError, Conflict, InputError)


def test_the_schema_goes_up_down_and_up_again(empty_database: Database) -> None:
    """The migrations are reversible, and end in exactly the tables that the code declares."""
    engine = empty_database.engine
    migrations.downgrade(engine)
    with engine.connect() as connection:
        left = connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
    assert left == 2, "only PostGIS's and alembic's own tables stay"
    migrations.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_server_default": True, "include_name": lambda name, *_: name != "spatial_ref_sys"},
        )
        assert compare_metadata(context, Base.metadata) == []


def refuse(database: Database, step: Callable[[World], Any], match: str) -> None:
    """Expect the database to refuse a step, by the name of a rule."""
    with pytest.raises(REFUSED) as refused:
        build(database, step)
    assert match in str(refused.value), str(refused.value)[:300]


@pytest.fixture
def small(empty_database: Database) -> tuple[Database, dict[str, int]]:
    """Return a database with one layer, two grids, one station, two officers, and their ids."""
    ids: dict[str, int] = {}

    def fill(world: World) -> None:
        world.deployment()
        ids["layer"] = world.layer("police")
        ids["unit"] = world.unit("S1")
        ids["a"] = world.grid(ids["layer"], "A", cell(0, 0), ids["unit"])
        ids["b"] = world.grid(ids["layer"], "B", cell(1, 0), ids["unit"])
        ids["ann"] = world.officer("001", ids["unit"])
        ids["bob"] = world.officer("002", ids["unit"])

    build(empty_database, fill)
    return empty_database, ids


Small = tuple[Database, dict[str, int]]


def test_a_grid_has_one_version_at_an_instant(small: Small) -> None:
    """Two versions of one grid may not be in force at one instant."""
    database, ids = small
    refuse(database, lambda w: w.version(ids["a"], ids["layer"], "A", cell(0, 1)), "one_version_of_a_grid")


def test_a_code_names_one_grid_for_ever(small: Small) -> None:
    """A code may not be given to another grid, not even later."""
    database, ids = small
    later = since(T0 + timedelta(days=900))
    refuse(database, lambda w: w.grid(ids["layer"], "A", cell(5, 5), valid=later), "one_grid_of_a_code")


def test_an_officer_has_one_shift_at_a_time(small: Small) -> None:
    """Two shifts of an officer may not overlap, unless one is a part of the other."""
    database, ids = small
    whole: dict[str, int] = {}

    def first(world: World) -> None:
        whole["id"] = world.shift(ids["unit"], T0, T0 + 24 * HOUR, officer=ids["ann"], kind="duty")

    def patrol(start: float, end: float, who: str = "ann") -> Callable[[World], int]:
        span = (T0 + start * HOUR, T0 + end * HOUR)
        return lambda w: w.shift(ids["unit"], *span, officer=ids[who], kind="patrol", parent=whole["id"])

    build(database, first)
    refuse(database, lambda w: w.shift(ids["unit"], T0 + HOUR, T0 + 2 * HOUR, officer=ids["ann"]), "one_shift_of")
    build(database, patrol(2, 4), patrol(4, 6))
    refuse(database, patrol(5, 7), "one_part_of_a_shift")
    refuse(database, patrol(23, 25), "part_within_shift")
    refuse(database, patrol(8, 9, who="bob"), "part_within_shift")
    build(database, lambda w: w.shift(ids["unit"], T0 + 24 * HOUR, T0 + 30 * HOUR, officer=ids["ann"]))
    build(database, lambda w: w.shift(ids["unit"], T0, T0 + HOUR, officer=ids["ann"], state="cancelled"))


def test_a_grid_has_one_lead(small: Small) -> None:
    """Two leads of one grid at one instant are refused; a lead after a lead is not."""
    database, ids = small
    build(database, lambda w: w.assign(ids["ann"], ids["a"], valid=since(T0, T0 + 24 * HOUR)))
    refuse(database, lambda w: w.assign(ids["bob"], ids["a"], valid=since(T0 + HOUR)), "one_lead_of_a_grid")
    build(database, lambda w: w.assign(ids["bob"], ids["a"], valid=since(T0 + 24 * HOUR)))


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ("SRID=4490;MULTIPOLYGON(((0 0,1 1,1 0,0 1,0 0)))", "geom_valid"),
        ("SRID=4490;MULTIPOLYGON EMPTY", "geom_valid"),
        ("SRID=4326;MULTIPOLYGON(((0 0,1 0,1 1,0 0)))", "SRID"),
        ("SRID=4490;POLYGON((0 0,1 0,1 1,0 0))", "Polygon"),
    ],
)
def test_a_shape_is_valid_and_in_the_stored_system(small: Small, shape: str, why: str) -> None:
    """An invalid or empty shape, another SRID and another type are refused."""
    database, ids = small
    sql = text(
        "INSERT INTO grid_version (grid_id, layer_id, code, name, geom, valid, recorded) VALUES "
        "(:grid, :layer, 'X', 'x', ST_GeomFromEWKT(:shape), '[1999-01-01,2000-01-01)', '[2020-01-01,)')"
    )
    with pytest.raises(REFUSED) as refused, database.write() as session:
        session.execute(sql, {"grid": ids["a"], "layer": ids["layer"], "shape": shape})
    assert why in f"{refused.value} {refused.value.__cause__}"


@pytest.mark.parametrize(
    "span", ["[2025-01-01,infinity)", "[-infinity,2025-01-01)", "empty", "(2025-01-01,2025-02-01]"]
)
def test_a_span_is_honest(small: Small, span: str) -> None:
    """A span that is empty, ends in infinity or is not `[)` is refused."""
    database, ids = small
    sql = text(
        "INSERT INTO assignment (officer_id, grid_id, role, valid, recorded) "
        "VALUES (:officer, :grid, 'assist', CAST(:span AS tstzrange), '[2020-01-01,)')"
    )
    with pytest.raises(REFUSED, match="honest"), database.write() as session:
        session.execute(sql, {"officer": ids["ann"], "grid": ids["a"], "span": span})


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE grid_version SET name = 'other'",
        "UPDATE grid_version SET recorded = '[2000-01-01,)'",
        "UPDATE officer_version SET duty_phone = NULL",
        "DELETE FROM grid_version",
        "TRUNCATE grid_version CASCADE",
    ],
)
def test_history_stays(small: Small, sql: str) -> None:
    """What was recorded can be neither changed nor deleted."""
    database, _ids = small
    with pytest.raises(REFUSED), database.write() as session:
        session.execute(text(sql))


def test_history_is_closed_once(small: Small) -> None:
    """A row may be closed by ending its recorded span, and then not touched again."""
    database, _ids = small
    close = text("UPDATE grid_version SET recorded = tstzrange(lower(recorded), clock_timestamp()) WHERE code = 'A'")
    with database.write() as session:
        session.execute(close)
    with pytest.raises(REFUSED), database.write() as session:
        session.execute(close)


def test_versions_of_a_domain_strictly_increase(empty_database: Database) -> None:
    """Each transaction makes one version of a domain, later than the one before, whatever it writes."""
    stamps = []
    for _ in range(5):
        with empty_database.write() as session:
            stamps += [open_version(session, "areas"), open_version(session, "areas")]
    assert stamps[::2] == stamps[1::2]
    assert stamps[::2] == sorted(set(stamps))
    with empty_database.read() as session:
        assert versions(session) == {"areas": 5, "duty": 0, "incidents": 0, "roads": 0, "access": 0}


def test_reading_sessions_cannot_write(empty_database: Database) -> None:
    """A session for reading refuses to change anything."""
    with pytest.raises(REFUSED, match="read-only"), empty_database.read() as session:
        session.execute(text("INSERT INTO unit (tree) VALUES ('police')"))


VIEWS = ("gis_grids", "gis_units", "gis_places", "gis_incidents", "gis_findings", "gis_roads", "gis_barriers")


@pytest.mark.parametrize("view", VIEWS)
def test_views_for_qgis_have_one_integer_key_and_one_shape(town: Database, view: str) -> None:
    """Each view has an integer `fid` that is never twice, and one column of shapes in the stored system."""
    with town.read() as session:
        rows, keys = session.execute(text(f"SELECT count(*), count(DISTINCT fid) FROM {view}")).one()
        shapes = session.execute(
            text("SELECT srid FROM geometry_columns WHERE f_table_name = :view"), {"view": view}
        ).scalars()
        assert rows == keys
        assert list(shapes) == [4490]


def test_a_database_that_cannot_index_chinese_is_refused(cluster: LocalPostgis) -> None:
    """An external database with LC_CTYPE C is refused, for trigrams would drop every Chinese letter."""
    name = "ctype_c"
    cluster.drop_database(name)
    admin = make_engine(cluster.url("postgres")).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 LC_CTYPE 'C' LC_COLLATE 'C'"))
    engine = make_engine(cluster.url(name))
    with pytest.raises(SetupError, match="ctype"):
        require_fit(engine)
    engine.dispose()
    cluster.drop_database(name)


def test_known_at_waits_for_every_domain_by_itself(empty_database: Database) -> None:
    """A `known_at` between a running writer's stamp and now is answered only after that writer has ended.

    Stamps of another domain prove nothing: here a later version of `areas` is already committed.
    """
    stamped, go_on, answered = threading.Event(), threading.Event(), threading.Event()

    def write_slowly() -> None:
        with empty_database.write() as session:
            open_version(session, "duty")
            stamped.set()
            go_on.wait(30)

    def read() -> None:
        empty_database.settle(known_at)
        answered.set()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert stamped.wait(30)
    known_at = now()
    with empty_database.write() as session:
        open_version(session, "areas")
    reader = threading.Thread(target=read)
    reader.start()
    assert not answered.wait(0.5), "the writer of duty is still at work"
    go_on.set()
    writer.join()
    assert answered.wait(30)
    reader.join()


def test_versions_known_at_an_instant_stay(empty_database: Database) -> None:
    """The version numbers that belong to a `known_at` are not moved by later writes."""
    with empty_database.write() as session:
        open_version(session, "areas")
    then = now()
    with empty_database.write() as session:
        open_version(session, "areas")
    with empty_database.read() as session:
        assert (versions(session, then)["areas"], versions(session)["areas"]) == (1, 2)


def test_a_whole_shift_outlives_its_parts(small: Small) -> None:
    """A shift cannot be closed while parts stand on it, and no part can be put on a closed or cancelled shift."""
    database, ids = small
    whole: dict[str, int] = {}

    def first(world: World) -> None:
        whole["id"] = world.shift(ids["unit"], T0, T0 + 24 * HOUR, officer=ids["ann"], kind="duty")
        whole["off"] = world.shift(ids["unit"], T0, T0 + 24 * HOUR, officer=ids["bob"], kind="duty", state="cancelled")
        world.shift(ids["unit"], T0, T0 + HOUR, officer=ids["ann"], kind="patrol", parent=whole["id"])

    build(database, first)
    close = text("UPDATE shift SET recorded = tstzrange(lower(recorded), clock_timestamp()) WHERE id = :id")
    with pytest.raises(REFUSED, match="whole_outlives_parts"), database.write() as session:
        session.execute(close, {"id": whole["id"]})
    span = (T0 + HOUR, T0 + 2 * HOUR)
    refuse(
        database, lambda w: w.shift(ids["unit"], *span, officer=ids["bob"], parent=whole["off"]), "part_within_shift"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE layer SET kind = 'free'",
        "UPDATE unit SET tree = 'agency'",
        "INSERT INTO barrier (code, kind, geom) VALUES ('B1', 'river', 'SRID=4490;MULTILINESTRING EMPTY')",
        "INSERT INTO address (code, text, point, dwellings) VALUES ('A1', 'x', 'SRID=4490;POINT(200 10)', 1)",
        "INSERT INTO address (code, text, point, dwellings) VALUES ('A1', 'x', 'SRID=4490;POINT(nan 10)', 1)",
    ],
)
def test_what_answers_rest_on_is_never_changed_nor_off_earth(small: Small, sql: str) -> None:
    """A layer's kind and a unit's tree stay; shapes that are empty or not on Earth are refused everywhere."""
    database, _ids = small
    with pytest.raises(REFUSED), database.write() as session:
        session.execute(text(sql))


def test_an_incident_has_one_current_version(empty_database: Database) -> None:
    """A second current version of an incident is refused in whatever month it lies, until the first is closed."""
    insert = text(
        "INSERT INTO incident (at, incident_key_id, category_id, point, recorded) "
        "VALUES (:at, 1, 1, ST_SetSRID(ST_MakePoint(120, 30), 4490), tstzrange(:recorded, NULL))"
    )
    close = text("UPDATE incident SET recorded = tstzrange(lower(recorded), :until) WHERE upper_inf(recorded)")
    march, april = {"at": T0, "recorded": T0}, {"at": T0 + timedelta(days=35), "recorded": T0 + HOUR}
    with empty_database.write() as session:
        title = """'{"zh-CN": "x", "en": "x"}'"""
        session.execute(text(f"INSERT INTO source (code, title) VALUES ('s', {title})"))
        columns = "(code, title, police_matter, priority, handling_minutes)"
        session.execute(text(f"INSERT INTO category {columns} VALUES ('c', {title}, true, 1, 10)"))
        session.execute(text("INSERT INTO incident_key (source_id, external_id) VALUES (1, 'x')"))
        session.execute(text("SELECT ensure_incident_months('2025-03-01', '2025-04-30')"))
        session.execute(insert, march)
    with pytest.raises(Conflict, match="one_current_incident"), empty_database.write() as session:
        session.execute(insert, april)
    with empty_database.write() as session:
        session.execute(close, {"until": april["recorded"]})
        session.execute(insert, april)
    with pytest.raises(REFUSED), empty_database.write() as session:
        session.execute(text("UPDATE incident SET masked_text = 'other'"))
    with empty_database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM incident WHERE upper_inf(recorded)")) == 1


def test_a_connection_that_broke_while_idle_is_replaced(empty_database: Database) -> None:
    """After the database was started again, the next request does not notice."""
    with empty_database.read() as session:
        session.scalar(text("SELECT 1"))
    others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ending = Database(make_engine(empty_database.engine.url.render_as_string(hide_password=False)))
    with ending.write() as session:
        session.execute(text(f"SELECT count(pg_terminate_backend(pid, 5000)) FROM {others}"))
    ending.engine.dispose()
    with empty_database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
