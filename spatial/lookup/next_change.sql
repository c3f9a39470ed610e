-- The first instant after :at at which anything that an answer stands on begins or ends: the grids about the place, the
-- units above them, the people responsible, and every shift until :horizon that covers one of the grids or units.
WITH shifts AS (
    SELECT s.id, s.parent_shift, s.officer_id, s.team_id, s.planned, s.actual, c.span
    FROM cover c
    JOIN shift s ON s.id = c.shift_id
    WHERE (c.grid_id = ANY(:grids) OR c.unit_id = ANY(:units))
      AND c.span && tstzrange(:at, :horizon)
      AND s.state <> 'cancelled'
      AND {known_c} AND {known_s}
), teams AS (
    SELECT DISTINCT team_id AS id FROM shifts WHERE team_id IS NOT NULL
), people AS (
    SELECT officer_id AS id FROM shifts WHERE officer_id IS NOT NULL
    UNION SELECT officer_id FROM assignment WHERE grid_id = ANY(:grids)
    UNION SELECT officer_id FROM team_member WHERE team_id IN (SELECT id FROM teams)
), spans AS (
    SELECT valid AS span FROM grid_version
    WHERE {known} AND geom && ST_Expand(ST_SetSRID(ST_MakePoint(:lon, :lat), 4490), :dx, :dy)
    UNION ALL SELECT valid FROM grid_version WHERE {known} AND (grid_id = ANY(:grids) OR layer_id = ANY(:open_layers))
    UNION ALL -- a grid that comes to touch an owner may bring a neighbouring squad
    SELECT g.valid FROM grid_version g
    JOIN grid_version o ON o.layer_id = g.layer_id AND o.geom && g.geom AND o.grid_id = ANY(:owners)
    WHERE {known_g} AND {known_o}
    UNION ALL SELECT valid FROM finding
    WHERE {known} AND ST_Intersects(geom, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490))
    UNION ALL SELECT valid FROM assignment WHERE {known} AND grid_id = ANY(:grids)
    UNION ALL SELECT valid FROM unit_version WHERE {known} AND (
        unit_id = ANY(:units)
        OR unit_id IN (SELECT unit_id FROM officer_version WHERE officer_id IN (SELECT id FROM people))
        OR unit_id IN (SELECT unit_id FROM team_version WHERE team_id IN (SELECT id FROM teams)))
    UNION ALL SELECT valid FROM unit_link WHERE {known} AND (unit_id = ANY(:units) OR to_unit_id = ANY(:units))
    UNION ALL SELECT span FROM shifts
    UNION ALL SELECT coalesce(actual, planned) FROM shifts
    UNION ALL SELECT valid FROM officer_version WHERE {known} AND officer_id IN (SELECT id FROM people)
    UNION ALL SELECT valid FROM leave WHERE {known} AND officer_id IN (SELECT id FROM people)
    UNION ALL SELECT valid FROM team_version WHERE {known} AND team_id IN (SELECT id FROM teams)
    UNION ALL SELECT valid FROM team_member WHERE {known} AND team_id IN (SELECT id FROM teams)
    UNION ALL SELECT span FROM duty_event WHERE {known} AND shift_id IN (
        SELECT id FROM shifts UNION SELECT parent_shift FROM shifts)
    UNION ALL SELECT valid FROM response_step WHERE {known}
    UNION ALL SELECT valid FROM staffing_rule WHERE {known} AND auxiliaries_suffice
)
SELECT min(instant)
FROM (SELECT lower(span) AS instant FROM spans UNION ALL SELECT upper(span) FROM spans) AS instants
WHERE instant > :at
