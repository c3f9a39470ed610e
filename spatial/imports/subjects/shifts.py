"""Shifts with what they cover. A shift that is corrected is a new row, and so are its parts and its cover."""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from spatial.imports.model import Check, Exclusion, Field, Subject
from spatial.imports.subjects.duty import DUTY, UNIT

COVERS = """(SELECT array_agg(DISTINCT c.code ORDER BY c.code) FROM (
    SELECT CASE WHEN k.grid_id IS NOT NULL THEN 'grid:' || k.grid_id WHEN k.unit_id IS NOT NULL
           THEN 'unit:' || k.unit_id ELSE 'place:' || k.place_id END AS code
    FROM cover k WHERE k.shift_id = v.id AND {known:k}) c)"""
PLANNED = 'tstzrange(d.start, d."end")'
ACTUAL = "CASE WHEN d.actual_start IS NOT NULL THEN tstzrange(d.actual_start, d.actual_end) END"
WHOLE = f"range_merge({PLANNED}, coalesce({ACTUAL}, {PLANNED}))"
STANDING = "upper_inf(p.recorded) AND p.state <> 'cancelled'"

shifts = Subject(
    "shifts", "duty", DUTY,
    (
        Field("shift", "uuid", ("班次", "班次编号", "uuid"), required=True, column=None, read="v.uuid",
              default="gen_random_uuid()"),
        Field("officer", "code", ("警号", "工号", "人员", "number"), refers="officer"),
        Field("team", "code", ("队伍", "队伍编号"), refers="team"),
        Field("kind", "choice", ("班种", "勤务类型", "类别"), required=True,
              choices=("grid", "duty", "standby", "leader", "patrol", "desk"),
              labels={"网格": "grid", "值班": "duty", "备勤": "standby", "带班": "leader", "巡逻": "patrol",
                      "指挥室": "desk"}),
        UNIT,
        Field("start", "instant", ("开始", "开始时间", "上班时间"), required=True, column=None,
              read="lower(v.planned)"),
        Field("end", "instant", ("结束", "结束时间", "下班时间"), required=True, column=None, read="upper(v.planned)"),
        Field("actual_start", "instant", ("实际开始",), column=None, read="lower(v.actual)"),
        Field("actual_end", "instant", ("实际结束",), column=None, read="upper(v.actual)"),
        Field("state", "choice", ("状态",), choices=("planned", "confirmed", "done", "cancelled"),
              default="'planned'",
              labels={"已排": "planned", "确认": "confirmed", "完成": "done", "取消": "cancelled"}),
        Field("part_of", "uuid", ("所属班次",), refers="shift", column=None,
              read="(SELECT w.uuid FROM shift w WHERE w.id = v.parent_shift)"),
        Field("covers", "list", ("覆盖", "负责范围"), refers="covered", column=None, read=COVERS),
    ),
    ("shift",), "records", "shift", "shift v", other_key=("who", "kind", "start"), rather="o.state = 'cancelled'",
    computed={"who": "coalesce({officer}, -{team})"},
    moment="lower(v.planned)", begins="start", ends="end", span="planned", known_as="shift",
    # a roster: of the units in it, from its first shift to its last
    scope="""o.unit IN (SELECT unit FROM {changes}) AND o.start >= (SELECT min(start) FROM {changes})
             AND o.start <= (SELECT max(start) FROM {changes})""",
    exclusions=(
        Exclusion(("officer",), "shift-overlaps", where="x.part_of IS NULL AND x.state <> 'cancelled'"),
        Exclusion(("team",), "shift-overlaps", where="x.part_of IS NULL AND x.state <> 'cancelled'"),
        Exclusion(("part_of",), "shift-overlaps", where="x.part_of IS NOT NULL AND x.state <> 'cancelled'"),
    ),
    checks=(
        Check("shift-of-nobody", """
            SELECT d.row, 'officer' AS field, '{{}}'::jsonb AS values FROM {changes} d
            WHERE d.change <> 'ended' AND num_nonnulls(d.officer, d.team) <> 1"""),
        Check("ends-before-start", """
            SELECT d.row, 'end' AS field, '{{}}'::jsonb AS values FROM {changes} d WHERE d."end" <= d.start"""),
        Check("ends-before-start", """
            SELECT d.row, 'actual_end' AS field, '{{}}'::jsonb AS values FROM {changes} d
            WHERE d.actual_end <= d.actual_start"""),
        Check("actual-incomplete", """
            SELECT d.row, 'actual_end' AS field, '{{}}'::jsonb AS values FROM {changes} d
            WHERE num_nonnulls(d.actual_start, d.actual_end) = 1"""),
        Check("part-outside-shift", f"""
            SELECT d.row, 'part_of' AS field, '{{{{}}}}'::jsonb AS values FROM {{changes}} d
            WHERE d.part_of IS NOT NULL AND d.change <> 'ended' AND d.start < d."end" AND NOT EXISTS (
                SELECT 1 FROM {{changes}} w WHERE w.shift = d.part_of AND w.change <> 'ended' AND w.part_of IS NULL
                  AND w.start <= d.start AND d."end" <= w."end" AND w.state <> 'cancelled'
                  AND w.officer IS NOT DISTINCT FROM d.officer AND w.team IS NOT DISTINCT FROM d.team)
            AND NOT EXISTS (
                SELECT 1 FROM shift p WHERE p.uuid = d.part_of AND {STANDING} AND p.parent_shift IS NULL
                  AND NOT EXISTS (SELECT 1 FROM {{changes}} w WHERE w.old_id = p.id)
                  AND p.planned @> tstzrange(d.start, d."end")
                  AND p.officer_id IS NOT DISTINCT FROM d.officer AND p.team_id IS NOT DISTINCT FROM d.team)"""),
        Check("part-left-outside", f"""
            SELECT d.row, 'end' AS field, '{{{{}}}}'::jsonb AS values FROM {{changes}} d
            WHERE d.change = 'changed' AND d.start < d."end" AND EXISTS (
                SELECT 1 FROM shift p WHERE p.parent_shift = d.old_id AND upper_inf(p.recorded)
                  AND NOT EXISTS (SELECT 1 FROM {{changes}} c WHERE c.old_id = p.id)
                  AND (NOT p.planned <@ {PLANNED} OR d.state = 'cancelled'
                       OR p.officer_id IS DISTINCT FROM d.officer OR p.team_id IS DISTINCT FROM d.team))"""),
    ),
    apply=(
        # what changes, and the parts of what changes that are not themselves in the file
        """CREATE TEMP TABLE replaced ON COMMIT DROP AS
           SELECT d.old_id, d.new_id, d.change FROM {changes} d
           WHERE d.change IN ('changed', 'ended') OR d.change = 'same' AND EXISTS (
               SELECT 1 FROM {changes} w WHERE w.shift = d.part_of AND w.change IN ('changed', 'ended'))""",
        """INSERT INTO replaced
           SELECT p.id, nextval('shift_id_seq'), CASE d.change WHEN 'ended' THEN 'ended' ELSE 'moved' END
           FROM shift p JOIN {changes} d ON d.old_id = p.parent_shift AND d.change IN ('changed', 'ended')
           WHERE upper_inf(p.recorded) AND NOT EXISTS (SELECT 1 FROM {changes} c WHERE c.old_id = p.id)""",
        """CREATE TEMP TABLE covered ON COMMIT DROP AS
           SELECT k.*, r.new_id, r.change FROM cover k JOIN replaced r ON r.old_id = k.shift_id
           WHERE upper_inf(k.recorded)""",
        """CREATE TEMP TABLE happened ON COMMIT DROP AS
           SELECT e.*, r.new_id, r.change FROM duty_event e JOIN replaced r ON r.old_id = e.shift_id
           WHERE upper_inf(e.recorded)""",
        """UPDATE cover k SET recorded = tstzrange(lower(k.recorded), :stamp) FROM covered c WHERE c.id = k.id""",
        """UPDATE duty_event e SET recorded = tstzrange(lower(e.recorded), :stamp) FROM happened h WHERE h.id = e.id""",
        *(f"""UPDATE shift v SET recorded = tstzrange(lower(v.recorded), :stamp) FROM replaced r
              WHERE r.old_id = v.id AND v.parent_shift IS {only} NULL""" for only in ("NOT", "")),
        *(f"""INSERT INTO shift (id, uuid, kind, unit_id, officer_id, team_id, planned, actual, state, parent_shift,
                                 recorded) OVERRIDING SYSTEM VALUE
              SELECT d.new_id, d.shift, d.kind, d.unit, d.officer, d.team, {PLANNED}, {ACTUAL}, d.state,
                     (SELECT w.id FROM shift w WHERE w.uuid = d.part_of AND upper_inf(w.recorded)),
                     tstzrange(:stamp, NULL)
              FROM {{changes}} d WHERE (d.change IN ('new', 'changed') OR d.new_id IN (SELECT new_id FROM replaced
                                        WHERE change = 'same')) AND d.part_of IS {only} NULL
              ORDER BY d.row""" for only in ("", "NOT")),
        """INSERT INTO shift (id, uuid, kind, unit_id, officer_id, team_id, planned, actual, state, parent_shift,
                              recorded) OVERRIDING SYSTEM VALUE
           SELECT r.new_id, p.uuid, p.kind, p.unit_id, p.officer_id, p.team_id, p.planned, p.actual, p.state, w.new_id,
                  tstzrange(:stamp, NULL)
           FROM replaced r JOIN shift p ON p.id = r.old_id JOIN replaced w ON w.old_id = p.parent_shift
           WHERE r.change = 'moved'""",
        # cover that stays keeps its own span, as far as it still lies within the shift
        """INSERT INTO cover (shift_id, grid_id, unit_id, place_id, span, recorded)
           SELECT c.new_id, c.grid_id, c.unit_id, c.place_id, c.span, tstzrange(:stamp, NULL)
           FROM covered c WHERE c.change IN ('moved', 'same')""",
        f"""INSERT INTO cover (shift_id, grid_id, unit_id, place_id, span, recorded)
            SELECT c.new_id, c.grid_id, c.unit_id, c.place_id, c.span * {WHOLE}, tstzrange(:stamp, NULL)
            FROM covered c JOIN {{changes}} d ON d.new_id = c.new_id JOIN shift p ON p.id = c.shift_id
            WHERE c.change = 'changed' AND c.span <> range_merge(p.planned, coalesce(p.actual, p.planned))
              AND coalesce('grid:' || c.grid_id, 'unit:' || c.unit_id, 'place:' || c.place_id) = ANY (d.covers)
              AND c.span && {WHOLE}""",
        f"""INSERT INTO cover (shift_id, grid_id, unit_id, place_id, span, recorded)
            SELECT d.new_id, CASE WHEN one LIKE 'grid:%' THEN id END, CASE WHEN one LIKE 'unit:%' THEN id END,
                   CASE WHEN one LIKE 'place:%' THEN id END, {WHOLE}, tstzrange(:stamp, NULL)
            FROM {{changes}} d CROSS JOIN unnest(d.covers) AS one CROSS JOIN split_part(one, ':', 2) AS told
            CROSS JOIN CAST(told AS bigint) AS id
            WHERE d.change IN ('new', 'changed') AND NOT EXISTS (
                SELECT 1 FROM cover k WHERE k.shift_id = d.new_id
                  AND coalesce('grid:' || k.grid_id, 'unit:' || k.unit_id, 'place:' || k.place_id) = one)""",
        """INSERT INTO duty_event (shift_id, kind, span, recorded)
           SELECT new_id, kind, span, tstzrange(:stamp, NULL) FROM happened WHERE change <> 'ended'""",
        "DROP TABLE replaced, covered, happened",
    ),
)  # fmt: skip

SUBJECTS = (shifts,)
