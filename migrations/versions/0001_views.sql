-- Read-only views for QGIS: what is in force now, one integer key and one shape each, names instead of ids.
-- They show each login what the grants of its principal reach; whoever owns the database, everything.
-- OFFSET 0 keeps a login's own conditions out of them: else EXPLAIN would count, for each, the rows that are not shown.

-- How far the login that asks reaches. It is told by who logged in, never by a setting, which a login could change.
CREATE FUNCTION gis_scope(
    OUT everywhere boolean, OUT units bigint[], OUT named bigint[], OUT rim bigint[], OUT layers bigint[],
    OUT area geometry)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held role_grant[];
BEGIN
    everywhere := pg_has_role(session_user,
                              (SELECT datdba FROM pg_database WHERE datname = current_database()), 'MEMBER');
    layers := array(SELECT id FROM layer);
    IF everywhere THEN
        RETURN;
    END IF;
    held := array(
        SELECT granted FROM gis_login AS login JOIN principal ON principal.id = login.principal_id
        JOIN role_grant AS granted ON granted.principal_id = principal.id
        WHERE login.name = session_user AND principal.disabled_at IS NULL AND granted.revoked_at IS NULL
          AND granted.role IN ('viewer', 'dispatcher', 'planner', 'approver', 'duty_officer', 'analyst'));
    everywhere := EXISTS (SELECT FROM unnest(held) AS one WHERE one.unit_id IS NULL);
    SELECT found.units, found.named, found.rim INTO units, named, rim
    FROM scope_of(array(SELECT unit_id FROM unnest(held) WHERE unit_id IS NOT NULL)) AS found;
    -- of grants that differ in their layers, what all of them share
    layers := array(SELECT id FROM layer WHERE held <> '{}' AND NOT EXISTS (
        SELECT FROM unnest(held) AS one WHERE one.layers IS NOT NULL AND NOT layer.code = ANY (one.layers)));
    area := (SELECT ST_Multi(ST_Collect(part.geom)) FROM grid_version AS own, LATERAL ST_Dump(own.geom) AS part
             WHERE own.unit_id = ANY (gis_scope.units) AND own.valid @> now() AND upper_inf(own.recorded));
END $$;

CREATE VIEW gis_grids WITH (security_barrier) AS
SELECT v.grid_id AS fid, l.code AS layer, v.code, v.name, v.kind, u.code AS unit_code, u.name AS unit_name,
       lower(v.valid) AS in_force_from, upper(v.valid) AS in_force_until, v.geom
FROM gis_scope() AS seen
CROSS JOIN grid_version v
JOIN layer l ON l.id = v.layer_id
LEFT JOIN unit_version u ON u.unit_id = v.unit_id AND u.valid @> now() AND upper_inf(u.recorded)
    AND (seen.everywhere OR u.unit_id = ANY (seen.named))
WHERE v.valid @> now() AND upper_inf(v.recorded) AND v.layer_id = ANY (seen.layers)
  AND (seen.everywhere OR v.unit_id = ANY (seen.units) OR v.grid_id = ANY (seen.rim) OR l.visibility = 'public')
OFFSET 0;

CREATE VIEW gis_units WITH (security_barrier) AS
SELECT v.unit_id AS fid, t.tree, v.code, v.name, v.kind, lower(v.valid) AS in_force_from, v.geom
FROM gis_scope() AS seen
CROSS JOIN unit_version v
JOIN unit t ON t.id = v.unit_id
WHERE v.valid @> now() AND upper_inf(v.recorded) AND v.geom IS NOT NULL
  AND (seen.everywhere OR v.unit_id = ANY (seen.named))
OFFSET 0;

CREATE VIEW gis_places WITH (security_barrier) AS
SELECT v.place_id AS fid, p.code, v.name, v.class, u.code AS unit_code, u.name AS unit_name, v.floors, v.point
FROM gis_scope() AS seen
CROSS JOIN place_version v
JOIN place p ON p.id = v.place_id
LEFT JOIN unit_version u ON u.unit_id = v.unit_id AND u.valid @> now() AND upper_inf(u.recorded)
    AND (seen.everywhere OR u.unit_id = ANY (seen.named))
WHERE v.valid @> now() AND upper_inf(v.recorded)
  AND (seen.everywhere OR v.unit_id = ANY (seen.units) OR ST_Intersects(v.point, seen.area))
OFFSET 0;

CREATE VIEW gis_incidents WITH (security_barrier) AS
SELECT i.id AS fid, s.code AS source, c.code AS category, c.police_matter, c.priority, i.at, i.closed_at,
       i.precision_m, i.point
FROM gis_scope() AS seen
CROSS JOIN incident i
JOIN incident_key k ON k.id = i.incident_key_id
JOIN source s ON s.id = k.source_id
JOIN category c ON c.id = i.category_id
WHERE upper_inf(i.recorded) AND (seen.everywhere OR ST_Intersects(i.point, seen.area))
OFFSET 0;

CREATE VIEW gis_findings WITH (security_barrier) AS
SELECT f.id AS fid, l.code AS layer, f.kind, f.severity, f.area_m2, f.grids, lower(f.recorded) AS known_since, f.geom
FROM gis_scope() AS seen
CROSS JOIN finding f
LEFT JOIN layer l ON l.id = f.layer_id
WHERE upper_inf(f.recorded) AND f.geom IS NOT NULL AND (f.layer_id IS NULL OR f.layer_id = ANY (seen.layers))
  AND (seen.everywhere OR EXISTS (  -- not asked of the area: side by side its grids are no valid polygon
      SELECT FROM grid_version AS own
      WHERE ST_Intersects(own.geom, f.geom) AND own.unit_id = ANY (seen.units)
        AND own.valid @> now() AND upper_inf(own.recorded)))
OFFSET 0;

CREATE VIEW gis_roads WITH (security_barrier) AS
SELECT id AS fid, class, road_edge.name, is_bridge, geom
FROM gis_scope() AS seen CROSS JOIN road_edge
WHERE seen.everywhere OR seen.units <> '{}'
OFFSET 0;

CREATE VIEW gis_barriers WITH (security_barrier) AS
SELECT id AS fid, kind, barrier.name, geom
FROM gis_scope() AS seen CROSS JOIN barrier
WHERE seen.everywhere OR seen.units <> '{}'
OFFSET 0;

GRANT EXECUTE ON FUNCTION gis_scope() TO twingrid_gis;
GRANT SELECT ON gis_grids, gis_units, gis_places, gis_incidents, gis_findings, gis_roads, gis_barriers TO twingrid_gis;
