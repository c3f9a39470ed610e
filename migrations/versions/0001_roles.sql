-- Who may touch what in the database itself, whatever the code above it forgets.
--
--   twingrid_api       the HTTP service logs in as this; by itself it may find out who is asking, and no more.
--     twingrid_whole     it becomes this for somebody whose grants reach over the whole deployment,
--     twingrid_scoped    this for somebody who sees the rows of some units and layers only (row-level security below),
--     twingrid_security  this for the security administrator: principals, grants, tokens,
--     twingrid_audit     this for the audit administrator: the audit,
--     twingrid_system    and this for the system administrator: jobs and sources.
--   twingrid_worker    the worker logs in as this: all rows of the operation, no tables of its own.
--   twingrid_gis       whoever reads the views gis_* with a GIS; each login of it stands for a principal.
--
-- Roles belong to the whole cluster, rights to this database. Nobody but its owner may make or change tables.

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('twingrid_whole', 'NOLOGIN'), ('twingrid_scoped', 'NOLOGIN'), ('twingrid_security', 'NOLOGIN'),
        ('twingrid_audit', 'NOLOGIN'), ('twingrid_system', 'NOLOGIN'), ('twingrid_gis', 'NOLOGIN'),
        ('twingrid_api', 'LOGIN'), ('twingrid_worker', 'LOGIN')) AS role (named, login)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.named) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOINHERIT %s', wanted.named, wanted.login);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN  -- another database of the cluster was faster
            END;
        END IF;
    END LOOP;
    FOR wanted IN SELECT * FROM (VALUES
        ('twingrid_whole', 'twingrid_api'), ('twingrid_scoped', 'twingrid_api'), ('twingrid_security', 'twingrid_api'),
        ('twingrid_audit', 'twingrid_api'), ('twingrid_system', 'twingrid_api'),
        ('twingrid_api', CURRENT_USER), ('twingrid_worker', CURRENT_USER)) AS role (named, member)
    LOOP
        IF NOT pg_has_role(wanted.member, wanted.named, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted.named, wanted.member);
        END IF;
    END LOOP;
END $$;

-- How far somebody reaches ---------------------------------------------------------------------------------------------

-- Said for each transaction by `Database.read` and `write`; what is not said, nobody reaches.
--   twingrid.actor       name of the principal
--   twingrid.everywhere  on: all units
--   twingrid.units       ids of the units whose people, grids and incidents they are
--   twingrid.named       ids of the units that may be named: these, the ones above and beside them
--   twingrid.rim         ids of the grids that touch or overlap theirs
--   twingrid.layers      ids of the layers; * all

CREATE FUNCTION scope_text(setting text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT coalesce(current_setting('twingrid.' || setting, true), '') $$;

CREATE FUNCTION scope_ids(setting text) RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT string_to_array(nullif(scope_text(setting), '*'), ',')::bigint[] $$;

CREATE FUNCTION scope_everywhere() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT scope_text('everywhere') = 'on' $$;

CREATE FUNCTION scope_layers() RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN scope_text('layers') = '*' THEN array(SELECT id FROM layer) ELSE scope_ids('layers') END
$$;

CREATE FUNCTION public_layers() RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT array(SELECT id FROM layer WHERE visibility = 'public') $$;

-- What somebody's units are in force, with everything below them and everything they serve; which units may be named
-- beside them; and the rim: the grids that touch or overlap theirs.
CREATE FUNCTION scope_of(roots bigint[], OUT units bigint[], OUT named bigint[], OUT rim bigint[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    WITH RECURSIVE below AS (
        SELECT unnest(roots) AS id
        UNION
        SELECT CASE link.kind WHEN 'serves' THEN link.to_unit_id ELSE link.unit_id END
        FROM below JOIN unit_link AS link
            ON link.kind IN ('command', 'administers') AND link.to_unit_id = below.id
            OR link.kind = 'serves' AND link.unit_id = below.id
        WHERE link.valid @> now() AND upper_inf(link.recorded))
    SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO units FROM below;

    SELECT coalesce(array_agg(DISTINCT beyond.grid_id ORDER BY beyond.grid_id), '{}') INTO rim
    FROM grid_version AS own JOIN grid_version AS beyond ON ST_Intersects(beyond.geom, own.geom)
    WHERE own.unit_id = ANY (units) AND own.valid @> now() AND upper_inf(own.recorded)
      AND beyond.valid @> now() AND upper_inf(beyond.recorded) AND (beyond.unit_id = ANY (units)) IS NOT TRUE;

    WITH RECURSIVE above AS (
        SELECT unnest(units) AS id
        UNION
        SELECT unit_id FROM grid_version
        WHERE grid_id = ANY (rim) AND unit_id IS NOT NULL AND valid @> now() AND upper_inf(recorded)
        UNION
        SELECT link.to_unit_id FROM above JOIN unit_link AS link ON link.unit_id = above.id
        WHERE link.kind IN ('command', 'administers') AND link.valid @> now() AND upper_inf(link.recorded)),
    serving AS (
        SELECT link.unit_id AS id FROM above JOIN unit_link AS link ON link.to_unit_id = above.id
        WHERE link.kind = 'serves' AND link.valid @> now() AND upper_inf(link.recorded))
    SELECT coalesce(array_agg(DISTINCT id), '{}') INTO named FROM (TABLE above UNION TABLE serving) AS found;
END $$;

-- The area of the grids of somebody's units, for what has a place and no unit. Their polygons are put side by side, not
-- united: whether a point lies in one of them is all that is asked.
CREATE FUNCTION scope_area() RETURNS geometry
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT ST_Multi(ST_Collect(part.geom))
    FROM grid_version AS own, LATERAL ST_Dump(own.geom) AS part
    WHERE own.unit_id = ANY (scope_ids('units')) AND own.valid @> now() AND upper_inf(own.recorded)
$$;

-- Officers of other units who are on the roster of somebody's units, in their teams, or responsible for their grids.
CREATE FUNCTION scope_lent() RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT array(
        SELECT officer_id FROM shift WHERE unit_id = ANY (scope_ids('units')) AND officer_id IS NOT NULL
        UNION
        SELECT member.officer_id FROM team_member AS member JOIN team_version AS team USING (team_id)
        WHERE team.unit_id = ANY (scope_ids('units'))
        UNION
        SELECT held.officer_id FROM assignment AS held JOIN grid_version AS own USING (grid_id)
        WHERE own.unit_id = ANY (scope_ids('units')) AND own.valid && held.valid)
$$;

-- In which layers a place lies in a grid that somebody does not see: so that it is not called no man's land.
CREATE FUNCTION hidden_layers(place geometry, instant timestamptz, known_at timestamptz) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT layer_id FROM grid_version
    WHERE ST_Intersects(geom, place) AND valid @> instant
      AND CASE WHEN known_at IS NULL THEN upper_inf(recorded) ELSE recorded @> known_at END
      AND NOT (scope_everywhere() OR (unit_id = ANY (scope_ids('units'))) IS TRUE OR grid_id = ANY (scope_ids('rim'))
               OR layer_id = ANY (public_layers()))
$$;

-- Rows somebody sees ----------------------------------------------------------------------------------------------------

-- A function in a sub-select is asked once for a query, not once for a row.
DO $$
DECLARE
    theirs     constant text := '(SELECT scope_everywhere()) OR unit_id = ANY ((SELECT scope_ids(''units''))::bigint[])';
    there      constant text := '(SELECT scope_everywhere()) OR ST_Intersects(%s, (SELECT scope_area()))';
    some_layer constant text := 'layer_id = ANY ((SELECT scope_layers())::bigint[])';
    rule       record;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('layer', '(SELECT scope_text(''layers'')) = ''*'' OR id = ANY ((SELECT scope_ids(''layers''))::bigint[])'),
        ('unit', '(SELECT scope_everywhere()) OR id = ANY ((SELECT scope_ids(''named''))::bigint[])'),
        ('unit_version', '(SELECT scope_everywhere()) OR unit_id = ANY ((SELECT scope_ids(''named''))::bigint[])'),
        ('unit_link', '(SELECT scope_everywhere()) OR unit_id = ANY ((SELECT scope_ids(''named''))::bigint[])
                       AND to_unit_id = ANY ((SELECT scope_ids(''named''))::bigint[])'),
        ('grid', some_layer),
        ('grid_cell', some_layer),
        ('response_step', some_layer),
        ('grid_version', some_layer || ' AND (' || theirs || ' OR grid_id = ANY ((SELECT scope_ids(''rim''))::bigint[])
                         OR layer_id = ANY ((SELECT public_layers())::bigint[]))'),
        ('override', some_layer || ' AND EXISTS (SELECT FROM grid_version AS seen WHERE seen.grid_id = override.grid_id)'),
        ('finding', '(layer_id IS NULL OR ' || some_layer || ') AND (' || format(there, 'geom') || ')'),
        ('lineage', 'EXISTS (SELECT FROM grid_version AS seen WHERE seen.grid_id IN (lineage.pred_id, lineage.succ_id))'),
        ('officer_version', theirs || ' OR officer_id = ANY ((SELECT scope_lent())::bigint[])'),
        ('officer', 'EXISTS (SELECT FROM officer_version AS seen WHERE seen.officer_id = officer.id)'),
        ('leave', 'EXISTS (SELECT FROM officer_version AS seen WHERE seen.officer_id = leave.officer_id)'),
        ('team_version', theirs),
        ('team', 'EXISTS (SELECT FROM team_version AS seen WHERE seen.team_id = team.id)'),
        ('team_member', 'EXISTS (SELECT FROM team_version AS seen WHERE seen.team_id = team_member.team_id)'),
        ('team_state', 'EXISTS (SELECT FROM team_version AS seen WHERE seen.team_id = team_state.team_id)'),
        ('assignment', '(SELECT scope_everywhere()) OR EXISTS (
                        SELECT FROM grid_version AS own WHERE own.grid_id = assignment.grid_id
                        AND own.valid && assignment.valid AND own.unit_id = ANY ((SELECT scope_ids(''units''))::bigint[]))'),
        ('shift', theirs),
        ('cover', 'EXISTS (SELECT FROM shift AS seen WHERE seen.id = cover.shift_id)'),
        ('duty_event', 'EXISTS (SELECT FROM shift AS seen WHERE seen.id = duty_event.shift_id)'),
        ('staffing_rule', theirs || ' OR layer_id IS NOT NULL
                          OR EXISTS (SELECT FROM grid_version AS own WHERE own.grid_id = staffing_rule.grid_id
                                     AND own.unit_id = ANY ((SELECT scope_ids(''units''))::bigint[]))
                          OR EXISTS (SELECT FROM place_version AS seen WHERE seen.place_id = staffing_rule.place_id)'),
        ('place_version', theirs || ' OR ' || format(there, 'point')),
        ('place', 'EXISTS (SELECT FROM place_version AS seen WHERE seen.place_id = place.id)'),
        ('address', format(there, 'point')),
        ('incident', format(there, 'point')),
        ('incident_key', '(SELECT scope_everywhere())
                          OR EXISTS (SELECT FROM incident AS seen WHERE seen.incident_key_id = incident_key.id)'),
        ('incident_event', '(SELECT scope_everywhere()) OR EXISTS (
                            SELECT FROM incident AS seen WHERE seen.incident_key_id = incident_event.incident_key_id)'),
        ('measure', '(SELECT scope_everywhere())
                     OR subject_kind = ''unit'' AND subject_id = ANY ((SELECT scope_ids(''units''))::bigint[])
                     OR subject_kind = ''grid'' AND EXISTS (
                        SELECT FROM grid_version AS own WHERE own.grid_id = measure.subject_id
                        AND own.unit_id = ANY ((SELECT scope_ids(''units''))::bigint[]))'),
        ('job', 'created_by = (SELECT scope_text(''actor''))')) AS found (named, seen)
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', rule.named);
        EXECUTE format('CREATE POLICY in_scope ON %I FOR SELECT TO twingrid_scoped USING (%s)', rule.named, rule.seen);
        -- a rule that is always true is planned away: who sees all, asks as fast as without one
        EXECUTE format('CREATE POLICY all_rows ON %I TO twingrid_api, twingrid_whole, twingrid_worker, twingrid_system,
                                       twingrid_security
                        USING (true) WITH CHECK (true)', rule.named);
    END LOOP;
END $$;

-- Whoever asked for a job may stop it.
CREATE POLICY own_jobs ON job FOR UPDATE TO twingrid_scoped USING (created_by = (SELECT scope_text('actor')));

-- Rights ----------------------------------------------------------------------------------------------------------------

ALTER FUNCTION open_version(text) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION ensure_incident_months(timestamptz, timestamptz) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION drop_incident_months(timestamptz) SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION open_version(text), ensure_incident_months(timestamptz, timestamptz),
    drop_incident_months(timestamptz), watch_incidents(regclass), scope_of(bigint[]), scope_area(), scope_lent(),
    hidden_layers(geometry, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scope_of(bigint[]) TO twingrid_api;
GRANT EXECUTE ON FUNCTION scope_area(), scope_lent() TO twingrid_scoped;
GRANT EXECUTE ON FUNCTION hidden_layers(geometry, timestamptz, timestamptz) TO twingrid_whole, twingrid_scoped;
GRANT EXECUTE ON FUNCTION open_version(text) TO twingrid_whole, twingrid_worker, twingrid_system, twingrid_security;
GRANT EXECUTE ON FUNCTION ensure_incident_months(timestamptz, timestamptz) TO twingrid_whole, twingrid_worker;
GRANT EXECUTE ON FUNCTION drop_incident_months(timestamptz) TO twingrid_worker;

-- What nobody's scope hides: the deployment's name, its versions, its words, its streets.
GRANT SELECT ON deployment, dataset_version, alembic_version
    TO twingrid_api, twingrid_whole, twingrid_scoped, twingrid_worker, twingrid_system, twingrid_security, twingrid_audit;

GRANT SELECT ON layer, unit, unit_version, unit_link, grid, grid_version, grid_cell, override, finding, lineage,
    response_step, officer, officer_version, team, team_version, team_member, team_state, assignment, shift, cover,
    duty_event, leave, staffing_rule, calendar_day, category, responsibility, category_alias, source, place,
    place_version, address, incident, incident_key, incident_event, measure, road_node, road_edge, barrier, job
    TO twingrid_whole, twingrid_scoped, twingrid_worker;

-- Over HTTP events are told and jobs are asked for; everything else is written by the worker, as a job.
GRANT INSERT, UPDATE ON incident, incident_key, source, job TO twingrid_whole;
GRANT INSERT, DELETE ON category_alias TO twingrid_whole;
GRANT UPDATE ON job TO twingrid_scoped;

GRANT INSERT, UPDATE, DELETE ON layer, unit, unit_version, unit_link, grid, grid_version, grid_cell, override, finding,
    lineage, response_step, officer, officer_version, team, team_version, team_member, team_state, assignment, shift,
    cover, duty_event, leave, staffing_rule, calendar_day, category, responsibility, category_alias, source, place,
    place_version, address, incident, incident_key, incident_event, measure, road_node, road_edge, barrier, job,
    deployment, plan, plan_op
    TO twingrid_worker;
GRANT SELECT ON plan, plan_op, principal, role_grant TO twingrid_worker;

GRANT SELECT ON principal, role_grant, token, layer TO twingrid_api;
GRANT SELECT ON principal, role_grant, token, layer, unit, unit_version TO twingrid_security;
GRANT INSERT, UPDATE ON principal, role_grant, token TO twingrid_security;
GRANT SELECT ON job, source, category, category_alias TO twingrid_system;
GRANT INSERT, UPDATE ON job TO twingrid_system;
GRANT INSERT, DELETE ON category_alias TO twingrid_system;
GRANT SELECT ON audit TO twingrid_audit;
GRANT SELECT, INSERT ON audit TO twingrid_api, twingrid_whole, twingrid_scoped, twingrid_worker, twingrid_system, twingrid_security,
    twingrid_audit;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO twingrid_worker;
GRANT USAGE ON SEQUENCE incident_id_seq, incident_key_id_seq TO twingrid_whole;
