"""Roads: lines between nodes that they share; a road that is travelled both ways is two edges."""

from spatial.imports.model import Field, Subject
from spatial.imports.subjects.areas import CODE, PLANNER

ROADS = """(
    SELECT e.code, min(e.id) AS id, min(e.class) AS class, min(e.name) AS name, bool_or(e.is_bridge) AS is_bridge,
           CASE WHEN bool_and(e.is_backward) THEN 'reverse' WHEN bool_or(e.is_backward) THEN 'no' ELSE 'yes' END
               AS oneway,
           coalesce((array_agg(e.geom) FILTER (WHERE NOT e.is_backward))[1], ST_Reverse((array_agg(e.geom))[1])) AS geom
    FROM road_edge e GROUP BY e.code) v"""

roads = Subject(
    "roads", "roads", PLANNER,
    (
        CODE,
        Field("class", "code", ("等级", "道路等级", "highway"), required=True,
              labels={"快速路": "expressway", "主干路": "arterial", "次干路": "secondary", "支路": "residential"}),
        Field("name", "text", ("路名", "道路名称")),
        Field("oneway", "choice", ("单行",), choices=("yes", "no", "reverse"), default="'no'",
              labels={"是": "yes", "否": "no", "反向": "reverse", "true": "yes", "false": "no", "1": "yes", "0": "no",
                      "-1": "reverse"}),
        Field("bridge", "bool", ("桥", "桥梁"), default="false", read="v.is_bridge"),
    ),
    ("code",), "plain", "road_edge", ROADS, shape="line",
    apply=(
        # where the old edges ended: a road that passes over another at the same place keeps its own node
        """CREATE TEMP TABLE was ON COMMIT DROP AS
           SELECT DISTINCT ON (e.code) e.code,
                  CASE WHEN e.is_backward THEN e.to_node_id ELSE e.from_node_id END AS from_node_id,
                  CASE WHEN e.is_backward THEN e.from_node_id ELSE e.to_node_id END AS to_node_id
           FROM road_edge e JOIN {changes} d ON d.code = e.code AND d.change IN ('changed', 'ended')
           ORDER BY e.code, e.is_backward""",
        """DELETE FROM road_edge e USING {changes} d WHERE d.code = e.code AND d.change IN ('changed', 'ended')""",
        """CREATE TEMP TABLE ends ON COMMIT DROP AS
           SELECT d.code, ST_StartPoint(d.geom) AS start, ST_EndPoint(d.geom) AS stop
           FROM {changes} d WHERE d.change IN ('new', 'changed')""",
        """INSERT INTO road_node (point)
           SELECT point FROM (SELECT start AS point FROM ends UNION SELECT stop FROM ends) p
           WHERE NOT EXISTS (SELECT 1 FROM road_node n WHERE n.point = p.point)""",
        """INSERT INTO road_edge (code, is_backward, from_node_id, to_node_id, class, name, is_bridge, geom)
           WITH node AS MATERIALIZED (SELECT min(id) AS id, point FROM road_node GROUP BY point), placed AS (
               SELECT e.code, coalesce(old_start.id, start.id) AS start_id, coalesce(old_stop.id, stop.id) AS stop_id
               FROM ends e JOIN node start ON start.point = e.start JOIN node stop ON stop.point = e.stop
               LEFT JOIN was w ON w.code = e.code
               LEFT JOIN road_node old_start ON old_start.id = w.from_node_id AND old_start.point = e.start
               LEFT JOIN road_node old_stop ON old_stop.id = w.to_node_id AND old_stop.point = e.stop)
           SELECT d.code, back, CASE WHEN back THEN p.stop_id ELSE p.start_id END,
                  CASE WHEN back THEN p.start_id ELSE p.stop_id END, d.class, d.name, d.bridge,
                  CASE WHEN back THEN ST_Reverse(d.geom) ELSE d.geom END
           FROM placed p JOIN {changes} d ON d.code = p.code CROSS JOIN unnest(ARRAY[false, true]) AS back
           WHERE d.oneway = 'no' OR back = (d.oneway = 'reverse') ORDER BY d.row, back""",
        """DELETE FROM road_node n WHERE n.id IN (SELECT from_node_id FROM was UNION SELECT to_node_id FROM was)
           AND NOT EXISTS (SELECT 1 FROM road_edge e WHERE n.id IN (e.from_node_id, e.to_node_id))""",
        "DROP TABLE was, ends",
    ),
)  # fmt: skip

SUBJECTS = (roads,)
