"""Incidents and the sources that send them."""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from spatial.access import PERMISSIONS
from spatial.imports.model import Check, Field, Subject, Thing
from spatial.imports.subjects.areas import ADMIN, CODE, TITLE, TITLE_EN, TITLES
from spatial.incidents.rules import (
    CLOCKS_DIFFER,
    EARLIEST_REPORT,
    LEAST_PRECISE_M,
    LONGEST_ID,
    LONGEST_TEXT,
)
from spatial.incidents.sources import hear, our_code
from spatial.incidents.written import writes

STEPS = ("at", "dispatched_at", "arrived_at", "closed_at")
PAIRS = ", ".join(
    f"('{after}', '{before}', d.{after} < d.{before})" for n, before in enumerate(STEPS) for after in STEPS[n + 1 :]
)

sources = Subject(
    "sources", "incidents", ADMIN,
    (CODE, TITLE, TITLE_EN, Field("expected_interval", "duration", ("预期间隔",))),
    ("code",), "plain", "source", "source v", more={"title": TITLES},
)  # fmt: skip

WRITTEN = """(
    SELECT change, new_id AS id, old_id, thing_id AS key_id, is_known AS has_key, source AS source_id, external_id,
        category AS category_id, at,
        CASE WHEN "from" IS NOT NULL OR until IS NOT NULL THEN tstzrange("from", until) END AS span, geom AS point,
        precision_m, masked_text, dispatched_at, arrived_at, closed_at
    FROM {changes})"""

incidents = Subject(
    "incidents", "incidents", PERMISSIONS["incidents.tell"].roles,
    (
        Field("source", "code", ("来源", "数据来源"), required=True, refers="source", column=None, read="t.source_id"),
        Field("external_id", "text", ("警情编号", "事件编号", "接警编号", "编号", "id"), required=True, column=None,
              read="t.external_id", most=LONGEST_ID),
        Field("category", "code", ("类别", "警情类别", "事件类别", "类型"), required=True, refers="category",
              lookup=our_code("s.source", "s.category")),
        Field("at", "instant", ("时间", "报警时间", "接警时间", "发生时间", "reported_at"), required=True),
        Field("from", "instant", ("最早时间", "span_from"), column=None, read="lower(v.span)"),
        Field("until", "instant", ("最晚时间", "span_until"), column=None, read="upper(v.span)"),
        Field("precision_m", "number", ("精度", "定位精度"), least=0, most=LEAST_PRECISE_M),
        Field("masked_text", "prose", ("摘要", "简要", "脱敏摘要", "text"), most=LONGEST_TEXT),
        Field("dispatched_at", "instant", ("派警时间",)),
        Field("arrived_at", "instant", ("到达时间", "到场时间")),
        Field("closed_at", "instant", ("办结时间", "处置完毕时间")),
    ),
    ("source", "external_id"), "records", "incident",
    "incident v JOIN incident_key t ON t.id = v.incident_key_id",
    thing=Thing("incident_key", "incident_key_id", "SELECT id, source_id AS source, external_id FROM incident_key"),
    span="span", shape="point", shape_column="point", can_end=False,
    checks=(
        Check("reported-in-future", f"""
            SELECT d.row, 'at' AS field, '{{{{}}}}'::jsonb AS values FROM {{changes}} d
            WHERE d.at > now() + interval '{CLOCKS_DIFFER.total_seconds()} s'"""),
        Check("reported-too-early", f"""
            SELECT d.row, 'at' AS field, jsonb_build_object('earliest', '{EARLIEST_REPORT.date()}') AS values
            FROM {{changes}} d WHERE d.at < '{EARLIEST_REPORT.isoformat()}'"""),
        Check("older-than-retention", """
            SELECT d.row, 'at' AS field, jsonb_build_object('oldest', CAST(:oldest AS timestamptz)) AS values
            FROM {changes} d WHERE d.at < CAST(:oldest AS timestamptz)"""),
        Check("ends-before-start", """
            SELECT d.row, 'until' AS field, '{{}}'::jsonb AS values FROM {changes} d WHERE d.until <= d."from" """),
        Check("steps-out-of-order", f"""
            SELECT d.row, f.field, jsonb_build_object('before', f.before) AS values
            FROM {{changes}} d CROSS JOIN LATERAL (VALUES {PAIRS}) f (field, before, broken)
            WHERE (d.dispatched_at < d.at OR d.arrived_at < greatest(d.at, d.dispatched_at)
                   OR d.closed_at < greatest(d.at, d.dispatched_at, d.arrived_at)) AND f.broken"""),
    ),
    apply=writes(WRITTEN),
    hears=(hear("SELECT source FROM {changes}", "now()"),),
)  # fmt: skip

SUBJECTS = (sources, incidents)
