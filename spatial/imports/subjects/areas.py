"""Layers, units, links, overrides, places, addresses, barriers, categories, responsibilities."""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from dataclasses import replace

from spatial.grids.schemes import is_layer_code, is_scheme
from spatial.imports.model import Check, Exclusion, Field, Rule, Subject, Thing

PLANNER = ("planner",)
ADMIN = ("system_admin", "planner")
TITLES = "jsonb_build_object('zh-CN', d.title, 'en', d.title_en)"
CODE = Field("code", "code", ("编号", "编码", "代码", "id"), required=True)
NAME = Field("name", "text", ("名称", "名字", "title"), required=True)
TITLE = Field("title", "text", ("名称", "标题", "name"), required=True, column=None, read="v.title->>'zh-CN'")
TITLE_EN = Field("title_en", "text", ("英文名称", "name_en"), default="s.title", column=None, read="v.title->>'en'")


def above_itself(field: str, stored: str, one: str = "d.thing_id", where: str = "true") -> Check:
    """Return the check that nothing comes to be, step by step, above itself; `stored` is SQL of what is now above what.

    `stored` gives `one` and `up` of rows that are not among the changes; `where` says which changes are such steps.
    """
    up = f'd."{field}"'
    return Check(
        "above-itself",
        f"""
        WITH RECURSIVE step AS (
            SELECT {one} AS one, {up} AS up FROM {{changes}} d WHERE d.change <> 'ended' AND {where}
            UNION {stored}
        ), walk AS (
            SELECT d.row, {one} AS one, {up} AS up FROM {{changes}} d WHERE d.change IN ('new', 'changed') AND {where}
            UNION SELECT w.row, w.one, s.up FROM walk w JOIN step s ON s.one = w.up WHERE w.up <> w.one
        )
        SELECT row, '{field}' AS field, '{{{{}}}}'::jsonb AS values FROM walk WHERE up = one""",
    )


UNIT = Field("unit", "code", ("单位", "单位编号", "unit_code"), refers="unit")

layers = Subject(
    "layers", "areas", PLANNER,
    (
        replace(CODE, rule=Rule(is_layer_code, "layer-code-malformed", "layer")), TITLE, TITLE_EN,
        Field("kind", "choice", ("类型",), required=True, choices=("tiling", "free"),
              labels={"全覆盖": "tiling", "自由": "free"}),
        Field("visibility", "choice", ("可见性",), choices=("public", "internal"), default="'internal'",
              labels={"公开": "public", "内部": "internal"}),
        Field("code_scheme", "text", ("编码规则",), default="'free'",
              rule=Rule(is_scheme, "code-scheme-malformed", "scheme")),
        Field("position", "int", ("次序",), least=1, default="(SELECT coalesce(max(position), 0) + 1 FROM layer)"),
        Field("within", "code", ("上级图层", "parent_layer"), refers="layer", column="parent_layer_id"),
        Field("built_from", "code", ("组成图层",), refers="layer"),
    ),
    ("code",), "plain", "layer", "layer v", more={"title": TITLES}, known_as="layer",
    checks=(
        Check("layer-kind-stays", """
            SELECT d.row, 'kind' AS field, jsonb_build_object('kind', o.kind) AS values FROM {changes} d
            JOIN layer o ON o.id = d.old_id WHERE o.kind <> d.kind"""),
        Check("layer-built-from-stays", """
            SELECT d.row, 'built_from' AS field, '{{}}'::jsonb AS values FROM {changes} d
            JOIN layer o ON o.id = d.old_id WHERE o.built_from_id IS DISTINCT FROM d.built_from"""),
        above_itself("within", """SELECT v.id, v.parent_layer_id FROM layer v
            WHERE v.id NOT IN (SELECT thing_id FROM {changes})"""),
    ),
)  # fmt: skip

units = Subject(
    "units", "areas", PLANNER,
    (
        CODE, NAME,
        Field("kind", "code", ("类型", "单位类型"), required=True,
              labels={"市局": "bureau", "分局": "branch", "派出所": "station", "市": "city", "区县": "district",
                      "街道": "street", "乡镇": "street", "社区": "community", "村": "community"}),
        Field("tree", "choice", ("体系",), required=True, choices=("police", "governance", "agency"), column=None,
              read="t.tree", labels={"公安": "police", "综治": "governance", "部门": "agency"}),
        *(Field(name, "text", aliases, column=None, read=f"v.contacts->>'{name}'", is_duty=True)
          for name, aliases in (("desk", ("值班室",)), ("phone", ("电话", "值班电话")), ("radio", ("电台", "通话组")))),
    ),
    ("code",), "versions", "unit_version", "unit_version v JOIN unit t ON t.id = v.unit_id",
    thing=Thing(
        "unit", "unit_id",
        """SELECT DISTINCT ON (r.code) r.unit_id AS id, r.code FROM unit_version r WHERE upper_inf(r.recorded)
           ORDER BY r.code, (r.valid @> :at) DESC, lower(r.valid) DESC NULLS LAST""",
        {"tree": "d.tree"},
    ),
    shape="area", shape_required=False, scope="o.tree IN (SELECT tree FROM {changes})",
    more={"contacts": "jsonb_strip_nulls(coalesce(o.contacts, '{}') "
                      "|| jsonb_build_object('desk', d.desk, 'phone', d.phone, 'radio', d.radio))"},
    exclusions=(Exclusion(("code",), "code-taken"),),
    checks=(
        Check("unit-tree-stays", """
            SELECT d.row, 'tree' AS field, jsonb_build_object('tree', o.tree) AS values FROM {changes} d
            JOIN unit o ON o.id = d.thing_id WHERE o.tree <> d.tree"""),
        Check("unit-has-another-code", """
            SELECT d.row, 'code' AS field, jsonb_build_object('unit', d.code, 'now', o.code) AS values
            FROM {changes} d JOIN unit_version o ON o.id = d.old_id WHERE o.code <> d.code"""),
    ),
)  # fmt: skip

links = Subject(
    "links", "areas", PLANNER,
    (
        Field("unit", "code", ("单位", "下级单位"), required=True, refers="unit"),
        Field("to", "code", ("上级单位", "对方单位", "to_unit"), required=True, refers="unit", column="to_unit_id"),
        Field("kind", "choice", ("关系",), required=True,
              choices=("command", "administers", "serves", "resident", "on_call"),
              labels={"指挥": "command", "隶属": "command", "管理": "administers", "服务": "serves", "入驻": "resident",
                      "随叫随到": "on_call"}),
    ),
    ("unit", "kind", "slot"), "versions", "unit_link", "unit_link v",
    computed={"slot": "CASE WHEN {kind} IN ('command', 'administers') THEN 0 ELSE {to} END"},
    exclusions=(Exclusion(("unit", "to", "kind"), "two-links"),), scope="o.kind IN (SELECT kind FROM {changes})",
    checks=(
        Check("unit-linked-to-itself", """
            SELECT d.row, 'to' AS field, '{{}}'::jsonb AS values FROM {changes} d WHERE d.unit = d."to" """),
        above_itself("to", """SELECT v.unit_id, v.to_unit_id FROM unit_link v
            WHERE v.kind IN ('command', 'administers') AND upper_inf(v.recorded) AND v.valid @> CAST(:at AS timestamptz)
              AND NOT EXISTS (SELECT FROM {changes} c WHERE c.old_id = v.id)""",
            one="d.unit", where="d.kind IN ('command', 'administers') AND d.unit <> d.\"to\""),
    ),
)  # fmt: skip

overrides = Subject(
    "overrides", "areas", PLANNER,
    (
        CODE,
        Field("layer", "code", ("图层",), required=True, refers="layer"),
        Field("grid", "code", ("网格", "警格", "网格编号"), required=True, refers="grid",
              lookup="s.layer || '/' || s.grid"),
        NAME,
        Field("priority", "int", ("优先级",), default="1"),
        Field("authority", "text", ("批准机关",), required=True),
        Field("document_number", "text", ("文号",), required=True),
    ),
    ("code",), "versions", "override", "override v", shape="area",
    scope="o.layer IN (SELECT layer FROM {changes})",
    exclusions=(Exclusion(("code",), "code-taken"),),
)  # fmt: skip

places = Subject(
    "places", "areas", PLANNER,
    (
        Field("code", "code", ("编号", "编码", "场所编号"), required=True, column=None, read="t.code"),
        NAME,
        Field("class", "code", ("类别", "类型", "kind"), required=True,
              labels={"派出所": "station", "联勤警务站": "joint_post", "服务窗口": "service_window", "摄像机": "camera",
                      "楼宇": "building", "小区": "estate", "市场": "market", "里程桩": "stake", "公里桩": "stake",
                      "灯杆": "pole", "路灯杆": "pole", "电杆": "pole", "电线杆": "pole"}),
        UNIT,
        Field("parent", "code", ("所属场所",), refers="place", column="parent_place_id"),
        Field("floors", "int", ("层数", "楼层"), least=-20, most=300),
    ),
    ("code",), "versions", "place_version", "place_version v JOIN place t ON t.id = v.place_id",
    thing=Thing("place", "place_id", "SELECT id, code FROM place", {"code": "d.code"}),
    shape="point", shape_column="point", known_as="place",
    checks=(
        above_itself("parent", """SELECT v.place_id, v.parent_place_id FROM place_version v
            WHERE upper_inf(v.recorded) AND v.valid @> CAST(:at AS timestamptz)
              AND v.place_id NOT IN (SELECT thing_id FROM {changes})"""),
    ),
)  # fmt: skip

addresses = Subject(
    "addresses", "areas", PLANNER,
    (
        CODE,
        Field("text", "text", ("地址", "门牌", "address"), required=True),
        Field("dwellings", "int", ("户数", "住宅数"), required=True, least=0, most=100_000),
    ),
    ("code",), "plain", "address", "address v", shape="point", shape_column="point",
    ends_with=("house_number", "place_name"),
    after=(  # what was made of a text that is no longer so
        """DELETE FROM house_number h USING {changes} d WHERE h.address_id = d.old_id AND d.change = 'changed'""",
        """DELETE FROM place_name n USING {changes} d WHERE n.address_id = d.old_id AND d.change = 'changed'""",
    ),
)  # fmt: skip

barriers = Subject(
    "barriers", "areas", PLANNER,
    (
        CODE,
        Field("kind", "code", ("类型",), required=True,
              labels={"河流": "river", "运河": "canal", "铁路": "railway", "快速路": "expressway"}),
        Field("name", "text", ("名称",)),
    ),
    ("code",), "plain", "barrier", "barrier v", shape="lines",
)  # fmt: skip

categories = Subject(
    "categories", "areas", ADMIN,
    (
        CODE, TITLE, TITLE_EN,
        Field("parent", "code", ("上级", "上级类别"), refers="category"),
        Field("police_matter", "bool", ("公安事项", "是否警情"), required=True),
        Field("priority", "int", ("优先级", "等级"), required=True, least=1, most=5),
        Field("handling_minutes", "int", ("处置分钟",), required=True, least=0, most=100_000),
    ),
    ("code",), "plain", "category", "category v", more={"title": TITLES}, known_as="category",
    checks=(
        above_itself("parent", """SELECT v.id, v.parent_id FROM category v
            WHERE v.id NOT IN (SELECT thing_id FROM {changes})"""),
    ),
)  # fmt: skip

responsibilities = Subject(
    "responsibilities", "areas", ADMIN,
    (
        Field("category", "code", ("类别",), required=True, refers="category"),
        Field("unit_kind", "code", ("单位类型",), required=True),
        Field("role", "choice", ("职责",), required=True, choices=("lead", "joint"),
              labels={"主责": "lead", "牵头": "lead", "协同": "joint", "配合": "joint"}),
        Field("deadline", "duration", ("时限",)),
    ),
    ("category", "unit_kind"), "plain", "responsibility", "responsibility v",
)  # fmt: skip

SUBJECTS = (layers, units, links, overrides, places, addresses, barriers, categories, responsibilities)
