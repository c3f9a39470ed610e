"""Officers, teams, assignments, shifts, leave, staffing rules."""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from spatial.imports.model import Check, Exclusion, Field, Subject, Thing
from spatial.tables import OFFICER_KINDS

DUTY = ("duty_officer",)
OFFICER_LABELS = dict(
    zip(
        ("社区民警", "值班民警", "辅警", "网格长", "网格员", "执法人员", "调解员", "志愿者"), OFFICER_KINDS, strict=True
    )
)
UNIT = Field("unit", "code", ("单位", "单位编号", "unit_code"), required=True, refers="unit")

officers = Subject(
    "officers", "duty", DUTY,
    (
        Field("number", "code", ("警号", "工号", "编号", "officer"), required=True, column=None, read="t.number"),
        Field("name", "text", ("姓名",), required=True, is_duty=True),
        Field("kind", "choice", ("类别", "人员类别", "身份"), required=True, choices=OFFICER_KINDS,
              labels=OFFICER_LABELS),
        UNIT,
        Field("duty_phone", "text", ("值班电话", "工作电话", "电话", "phone"), is_duty=True, is_phone=True),
    ),
    ("number",), "versions", "officer_version", "officer_version v JOIN officer t ON t.id = v.officer_id",
    thing=Thing("officer", "officer_id", "SELECT id, number FROM officer", {"number": "d.number"}),
)  # fmt: skip

# members come and go with histories of their own, so that a team's version says nothing of them
MEMBERS = """(SELECT array_agg(m.officer_id ORDER BY m.officer_id) FROM team_member m
              WHERE m.team_id = v.team_id AND m.valid @> :at AND {known:m})"""
TOUCHED = "d.change IN ('new', 'changed', 'ended')"

teams = Subject(
    "teams", "duty", DUTY,
    (
        Field("code", "code", ("编号", "队伍编号"), required=True, column=None, read="t.code"),
        Field("name", "text", ("名称",), required=True),
        Field("kind", "choice", ("类别",), required=True, choices=("squad", "crew"),
              labels={"巡逻队": "squad", "班组": "crew"}),
        Field("call_sign", "text", ("呼号",), required=True, is_duty=True),
        Field("radio_group", "text", ("通话组",), is_duty=True),
        Field("vehicle", "text", ("车辆", "警车"), is_duty=True),
        UNIT,
        Field("members", "list", ("成员", "队员"), refers="officer", column=None, read=MEMBERS),
    ),
    ("code",), "versions", "team_version", "team_version v JOIN team t ON t.id = v.team_id",
    thing=Thing("team", "team_id", "SELECT id, code FROM team", {"code": "d.code"}), ends_with=("team_member",),
    dated_by_row=False,  # members are compared as they are at one instant
    after=(
        f"""CREATE TEMP TABLE leaving ON COMMIT DROP AS
            SELECT m.*, d.effective FROM team_member m JOIN {{changes}} d ON d.thing_id = m.team_id
            WHERE {TOUCHED} AND upper_inf(m.recorded) AND m.valid && tstzrange(d.effective, d.ending)
              AND (d.change = 'ended' OR m.officer_id <> ALL (coalesce(d.members, '{{{{}}}}')))""",
        """UPDATE team_member m SET recorded = tstzrange(lower(m.recorded), :stamp) FROM leaving l WHERE l.id = m.id""",
        """INSERT INTO team_member (team_id, officer_id, valid, recorded)
           SELECT team_id, officer_id, tstzrange(lower(valid), effective), tstzrange(:stamp, NULL) FROM leaving
           WHERE lower_inf(valid) OR lower(valid) < effective""",
        "DROP TABLE leaving",
        """INSERT INTO team_member (team_id, officer_id, valid, recorded)
           SELECT d.thing_id, member, tstzrange(d.effective, least(d.ending, lower(later.valid))),
                  tstzrange(:stamp, NULL)
           FROM {changes} d CROSS JOIN unnest(d.members) AS member
           LEFT JOIN LATERAL (
               SELECT m.valid FROM team_member m
               WHERE m.team_id = d.thing_id AND m.officer_id = member AND upper_inf(m.recorded)
                 AND m.valid && tstzrange(d.effective, NULL) ORDER BY lower(m.valid) LIMIT 1) later ON true
           WHERE d.change IN ('new', 'changed') AND later.valid @> d.effective IS NOT TRUE""",
    ),
)  # fmt: skip

assignments = Subject(
    "assignments", "duty", DUTY,
    (
        Field("officer", "code", ("警号", "工号", "人员", "number"), required=True, refers="officer"),
        Field("layer", "code", ("图层",), required=True, refers="layer", column=None, read="t.layer_id"),
        Field("grid", "code", ("网格", "警格", "网格编号", "警格编号"), required=True, refers="grid",
              lookup="s.layer || '/' || s.grid"),
        Field("role", "choice", ("职责", "角色"), choices=("lead", "deputy", "assist"), default="'lead'",
              labels={"责任人": "lead", "主责": "lead", "副": "deputy", "协助": "assist"}),
    ),
    ("officer", "grid"), "versions", "assignment", "assignment v JOIN grid t ON t.id = v.grid_id",
    scope="o.layer IN (SELECT layer FROM {changes})",
    exclusions=(Exclusion(("grid",), "two-leads", where="x.role = 'lead'"),),
)  # fmt: skip

leave = Subject(
    "leave", "duty", DUTY,
    (
        Field("officer", "code", ("警号", "工号", "人员", "number"), required=True, refers="officer"),
        Field("kind", "choice", ("类别", "请假类别"), required=True,
              choices=("annual", "sick", "training", "secondment", "other"),
              labels={"年休假": "annual", "病假": "sick", "培训": "training", "借调": "secondment", "其他": "other"}),
        Field("start", "instant", ("开始", "开始时间", "from"), required=True, column=None, read="lower(v.valid)"),
        Field("end", "instant", ("结束", "结束时间", "until"), column=None, read="upper(v.valid)"),
    ),
    ("officer", "start"), "records", "leave", "leave v", moment="lower(v.valid)", begins="start", ends="end",
    more={"valid": "tstzrange(d.start, d.end)"},
    exclusions=(Exclusion(("officer",), "leave-overlaps"),),
    checks=(
        Check("ends-before-start", """
            SELECT d.row, 'end' AS field, '{{}}'::jsonb AS values FROM {changes} d WHERE d."end" <= d.start"""),
    ),
)  # fmt: skip

rules = Subject(
    "rules", "duty", DUTY,
    (
        Field("code", "code", ("编号",), required=True),
        Field("of", "code", ("适用对象", "对象"), required=True, refers="staffed", column=None,
              read="CASE WHEN v.grid_id IS NOT NULL THEN 'grid:' || v.grid_id WHEN v.unit_id IS NOT NULL "
                   "THEN 'unit:' || v.unit_id WHEN v.place_id IS NOT NULL THEN 'place:' || v.place_id "
                   "ELSE 'layer:' || v.layer_id END"),
        Field("officer_kind", "choice", ("人员类别",), choices=OFFICER_KINDS, labels=OFFICER_LABELS),
        Field("required", "int", ("人数", "所需人数"), required=True, least=0, most=10_000),
        Field("weekdays", "text", ("星期",), column=None, default="'1234567'",
              read="(SELECT string_agg(n::text, '' ORDER BY n) FROM generate_series(1, 7) n "
                   "WHERE v.weekdays >> (n - 1) & 1 = 1)"),
        Field("from_time", "clock", ("开始时刻",), default="0", column="minute_from"),
        Field("to_time", "clock", ("结束时刻",), default="1440", column="minute_to"),
        Field("auxiliaries_suffice", "bool", ("辅警可单独上岗",), default="false"),
    ),
    ("code",), "versions", "staffing_rule", "staffing_rule v",
    more={
        **{f"{kind}_id": f"CASE WHEN d.of LIKE '{kind}:%' THEN split_part(d.of, ':', 2)::bigint END"
           for kind in ("grid", "unit", "place", "layer")},
        "weekdays": "(SELECT sum(1 << (n - 1))::smallint FROM generate_series(1, 7) n "
                    "WHERE position(n::text IN d.weekdays) > 0)",
    },
    checks=(
        Check("weekdays-malformed", """
            SELECT d.row, 'weekdays' AS field, '{{}}'::jsonb AS values FROM {changes} d
            WHERE d.weekdays !~ '^1?2?3?4?5?6?7?$' OR d.weekdays = '' """),
        Check("minutes-out-of-range", """
            SELECT d.row, 'to_time' AS field, '{{}}'::jsonb AS values FROM {changes} d
            WHERE d.from_time > 1439 OR d.to_time < 1"""),
    ),
)  # fmt: skip

SUBJECTS = (officers, teams, assignments, leave, rules)
