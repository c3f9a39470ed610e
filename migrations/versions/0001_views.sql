-- Read-only views for QGIS: what is in force now, one integer key and one shape each, names instead of ids.

CREATE VIEW gis_grids AS
SELECT v.grid_id AS fid, l.code AS layer, v.code, v.name, v.kind, u.code AS unit_code, u.name AS unit_name,
       lower(v.valid) AS in_force_from, upper(v.valid) AS in_force_until, v.geom
FROM grid_version v
JOIN layer l ON l.id = v.layer_id
LEFT JOIN unit_version u ON u.unit_id = v.unit_id AND u.valid @> now() AND upper_inf(u.recorded)
WHERE v.valid @> now() AND upper_inf(v.recorded);

CREATE VIEW gis_units AS
SELECT v.unit_id AS fid, t.tree, v.code, v.name, v.kind, lower(v.valid) AS in_force_from, v.geom
FROM unit_version v
JOIN unit t ON t.id = v.unit_id
WHERE v.valid @> now() AND upper_inf(v.recorded) AND v.geom IS NOT NULL;

CREATE VIEW gis_places AS
SELECT v.place_id AS fid, p.code, v.name, v.class, u.code AS unit_code, u.name AS unit_name, v.floors, v.point
FROM place_version v
JOIN place p ON p.id = v.place_id
LEFT JOIN unit_version u ON u.unit_id = v.unit_id AND u.valid @> now() AND upper_inf(u.recorded)
WHERE v.valid @> now() AND upper_inf(v.recorded);

CREATE VIEW gis_incidents AS
SELECT i.id AS fid, s.code AS source, c.code AS category, c.police_matter, c.priority, i.at, i.closed_at,
       i.precision_m, i.point
FROM incident i
JOIN incident_key k ON k.id = i.incident_key_id
JOIN source s ON s.id = k.source_id
JOIN category c ON c.id = i.category_id
WHERE upper_inf(i.recorded);

CREATE VIEW gis_findings AS
SELECT f.id AS fid, l.code AS layer, f.kind, f.severity, f.area_m2, f.grids, lower(f.recorded) AS known_since, f.geom
FROM finding f
LEFT JOIN layer l ON l.id = f.layer_id
WHERE upper_inf(f.recorded) AND f.geom IS NOT NULL;

CREATE VIEW gis_roads AS
SELECT id AS fid, class, name, is_bridge, geom FROM road_edge;

CREATE VIEW gis_barriers AS
SELECT id AS fid, kind, name, geom FROM barrier;
