"""Sources of incidents, and what each calls our categories."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.db import open_version
from spatial.errors import Fault, InputError, NotFound
from spatial.tables import Category, CategoryAlias, Source


def our_code(source: str, category: str) -> str:
    """Return SQL of our code for what a source calls a category; both are SQL of codes.

    A source's own code goes before ours: where both use one word, the source means what it always meant by it. All
    aliases are read once a statement, whatever the number of its rows.
    """
    return f"""coalesce((
        SELECT jsonb_object_agg(called.source, called.codes) FROM (
            SELECT source.code AS source, jsonb_object_agg(alias.code, category.code) AS codes
            FROM category_alias AS alias JOIN source ON source.id = alias.source_id
            JOIN category ON category.id = alias.category_id GROUP BY source.code) AS called
        ) #>> ARRAY[{source}, {category}], {category})"""  # noqa: S608  # SQL of ours


def hear(sources: str, at: str) -> str:
    """Return SQL of putting on record that sources were heard at an instant; `sources` is SQL of their ids."""
    return f"UPDATE source SET last_received = greatest(last_received, {at}) WHERE id IN ({sources})"  # noqa: S608  # SQL of ours


def source_rows(session: Session) -> Sequence[Source]:
    """Return all sources, by code."""
    return session.scalars(select(Source).order_by(Source.code)).all()


def aliases_of(session: Session, source: str) -> dict[str, str]:
    """Return our category by each code of a source that is mapped to one, or raise `NotFound`."""
    wanted = (
        select(CategoryAlias.code, Category.code.label("category"))
        .join(Category, Category.id == CategoryAlias.category_id)
        .where(CategoryAlias.source_id == _id_of(session, source))
        .order_by(CategoryAlias.code)
    )
    return {row.code: row.category for row in session.execute(wanted)}


def replace_aliases(session: Session, actor: Actor, source: str, mapping: Mapping[str, str]) -> None:
    """Map a source's codes to our categories, instead of what was mapped before; all must be of ours."""
    actor.granted("sources.map")
    source_id = _id_of(session, source)
    ids = {row.code: row.id for row in session.execute(select(Category.code, Category.id))}
    faults = [
        Fault(f"body.{code}", "category-not-known", {"value": category})
        for code, category in mapping.items()
        if category not in ids
    ]
    if faults:
        raise InputError(faults)
    open_version(session, "incidents")
    session.execute(delete(CategoryAlias).where(CategoryAlias.source_id == source_id))
    rows = [{"source_id": source_id, "code": code, "category_id": ids[category]} for code, category in mapping.items()]
    if rows:
        session.execute(insert(CategoryAlias), rows)
    audit.record(session, actor.name, "source.map", f"source/{source}", {"categories": dict(mapping)})


def _id_of(session: Session, source: str) -> int:
    found = session.scalar(select(Source.id).where(Source.code == source))
    if found is None:
        raise NotFound("unknown-source", source=source)
    return found
