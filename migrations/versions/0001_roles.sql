-- Who may touch what in the database itself, whatever the code above it forgets.
--
--   twingrid_api       the HTTP service logs in as this; by itself it may find out who is asking, and no more.
--     twingrid_whole     it becomes this for somebody whose grants reach over the whole deployment,
--     twingrid_layered   this for somebody who sees some layers only,
--     twingrid_scoped    this for somebody who sees the rows of some units, and some layers, only (row-level security),
--     twingrid_security  this for the security administrator: principals, grants, tokens,
--     twingrid_audit     this for the audit administrator: the audit,
--     twingrid_system    and this for the system administrator: jobs and sources.
--   twingrid_worker    the worker logs in as this: all rows of the operation, no tables of its own.
--   twingrid_gis       whoever reads the views gis_* with a GIS; each login of it stands for a principal.
--
-- Roles belong to the whole cluster, rights to this database. Nobody but its owner may make or change tables.
--
-- Whoever sees all rows does best to pass by row-level security: where it is asked at all, even by a rule that is always
-- true, the planner may not look at its statistics. Only a superuser can allow that; where the owner is none, an
-- administrator of the server says: ALTER ROLE twingrid_whole BYPASSRLS; ALTER ROLE twingrid_worker BYPASSRLS;

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('twingrid_whole', 'NOLOGIN'), ('twingrid_layered', 'NOLOGIN'), ('twingrid_scoped', 'NOLOGIN'),
        ('twingrid_security', 'NOLOGIN'),
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
    FOR wanted IN SELECT rolname AS named FROM pg_roles
                  WHERE rolname IN ('twingrid_whole', 'twingrid_worker') AND NOT rolbypassrls LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I BYPASSRLS', wanted.named);
        EXCEPTION WHEN insufficient_privilege THEN
        END;
    END LOOP;
    FOR wanted IN SELECT * FROM (VALUES
        ('twingrid_whole', 'twingrid_api'), ('twingrid_layered', 'twingrid_api'), ('twingrid_scoped', 'twingrid_api'),
        ('twingrid_security', 'twingrid_api'),
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
--   twingrid.units       ids of the units whose people, grids and incidents they are
--   twingrid.named       ids of the units that may be named: these, the ones above and beside them
--   twingrid.rim         ids of the grids that touch or overlap theirs
--   twingrid.lent        ids of the officers of other units who serve with theirs
--   twingrid.layers      ids of the layers; * all

CREATE FUNCTION scope_text(setting text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT coalesce(current_setting('twingrid.' || setting, true), '') $$;

CREATE FUNCTION scope_ids(setting text) RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT string_to_array(nullif(scope_text(setting), '*'), ',')::bigint[] $$;

CREATE FUNCTION scope_layers() RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN scope_text('layers') = '*' THEN array(SELECT id FROM layer) ELSE scope_ids('layers') END
$$;

CREATE FUNCTION public_layers() RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT array(SELECT id FROM layer WHERE visibility = 'public') $$;

-- What somebody's units are, with everything below them and everything they serve; which units may be named beside
-- them; the rim: the grids that touch or overlap theirs; and the officers of other units who within a month are on their
-- roster, in their teams, or responsible for their grids: without these, nobody would seem to be on duty.
CREATE FUNCTION scope_of(roots bigint[], OUT units bigint[], OUT named bigint[], OUT rim bigint[], OUT lent bigint[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month constant tstzrange := tstzrange(now() - interval '31 days', now() + interval '31 days');
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

    SELECT coalesce(array_agg(DISTINCT officer_id), '{}') INTO lent FROM (
        SELECT officer_id FROM shift
        WHERE unit_id = ANY (units) AND planned && month AND state <> 'cancelled' AND upper_inf(recorded)
        UNION ALL
        SELECT member.officer_id FROM team_member AS member JOIN team_version AS team USING (team_id)
        WHERE team.unit_id = ANY (units) AND NOT isempty(team.valid * member.valid * month)
          AND upper_inf(team.recorded) AND upper_inf(member.recorded)
        UNION ALL
        SELECT held.officer_id FROM assignment AS held JOIN grid_version AS own USING (grid_id)
        WHERE own.unit_id = ANY (units) AND NOT isempty(own.valid * held.valid * month)
          AND upper_inf(own.recorded) AND upper_inf(held.recorded)) AS serving
    WHERE officer_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM officer_version AS known
        WHERE known.officer_id = serving.officer_id AND known.unit_id = ANY (units)
          AND known.valid @> now() AND upper_inf(known.recorded));
END $$;

-- The area of the grids of somebody's units, for what has a place and no unit. Their polygons are put side by side, not
-- united: whether a point lies in one of them is all that is asked.
CREATE FUNCTION scope_area() RETURNS geometry
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT ST_Multi(ST_Collect(part.geom))
    FROM grid_version AS own, LATERAL ST_Dump(own.geom) AS part
    WHERE own.unit_id = ANY (scope_ids('units')) AND own.valid @> now() AND upper_inf(own.recorded)
$$;

-- Whether a shape touches one of those grids. Not asked of the area: side by side they are no valid polygon.
CREATE FUNCTION touches_scope(shape geometry) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM grid_version AS own
                   WHERE ST_Intersects(own.geom, shape) AND own.unit_id = ANY (scope_ids('units'))
                     AND own.valid @> now() AND upper_inf(own.recorded))
$$;

-- In which layers a place is a grid's that somebody does not see, by the grids' borders or by the first override there:
-- so that it is not called no man's land, nor whose it would be but for the override.
CREATE FUNCTION hidden_layers(place geometry, instant timestamptz, known_at timestamptz) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    there grid_version[];
    decided grid_version[];
BEGIN
    IF known_at IS NULL THEN  -- said in its own words, for the index is of what is known now
        there := array(SELECT holder FROM grid_version AS holder
                       WHERE ST_Intersects(geom, place) AND valid @> instant AND upper_inf(recorded));
    ELSE
        there := array(SELECT holder FROM grid_version AS holder
                       WHERE ST_Intersects(geom, place) AND valid @> instant AND recorded @> known_at);
    END IF;
    decided := array(
        SELECT DISTINCT ON (rule.layer_id) holder FROM override AS rule JOIN grid_version AS holder USING (grid_id)
        WHERE ST_Intersects(rule.geom, place) AND rule.valid @> instant AND holder.valid @> instant
          AND CASE WHEN known_at IS NULL THEN upper_inf(rule.recorded) AND upper_inf(holder.recorded)
                   ELSE rule.recorded @> known_at AND holder.recorded @> known_at END
        ORDER BY rule.layer_id, rule.priority, rule.code);
    RETURN QUERY SELECT DISTINCT holder.layer_id
    FROM (SELECT one.* FROM unnest(decided) AS one
          UNION ALL SELECT one.* FROM unnest(there) AS one
                    WHERE one.layer_id NOT IN (SELECT other.layer_id FROM unnest(decided) AS other)) AS holder
    WHERE NOT ((holder.unit_id = ANY (scope_ids('units'))) IS TRUE OR holder.grid_id = ANY (scope_ids('rim'))
               OR holder.layer_id = ANY (public_layers()));
END $$;

-- Which layers some are tied to: built from one of them, or to be covered by one, or to cover it.
CREATE FUNCTION tied_layers(ids bigint[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM layer WHERE built_from_id = ANY (ids) OR parent_layer_id = ANY (ids)
    UNION SELECT parent_layer_id FROM layer WHERE id = ANY (ids) AND parent_layer_id IS NOT NULL
    UNION SELECT built_from_id FROM layer WHERE id = ANY (ids) AND built_from_id IS NOT NULL
$$;

-- What the units are called that grants are limited to: now, or else last.
CREATE FUNCTION units_called(ids bigint[]) RETURNS TABLE (unit_id bigint, code text, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT ON (called.unit_id) called.unit_id, called.code, called.name FROM unit_version AS called
    WHERE called.unit_id = ANY (ids) AND upper_inf(called.recorded)
    ORDER BY called.unit_id, called.valid @> now() DESC, lower(called.valid) DESC NULLS LAST
$$;

-- The first sign-in with the provider's name for somebody binds the provider's subject; nothing binds another.
CREATE FUNCTION bind_subject(called text, subject text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE principal SET oidc_subject = subject
    WHERE oidc_name = called AND oidc_subject IS NULL AND disabled_at IS NULL;
    RETURN FOUND;
END $$;

-- What sounds like a text -----------------------------------------------------------------------------------------------

-- Streets by the trigrams of their pinyin, or by a run of its initials (none: not by these), the nearest first.
CREATE FUNCTION streets_sounding(sound text, run text, most int) RETURNS SETOF street
LANGUAGE sql STABLE ROWS 50 SET search_path = public, pg_temp SET pg_trgm.word_similarity_threshold = 0.5 AS $$
    SELECT street FROM street WHERE sound <% pinyin OR initials LIKE '%' || run || '%'
    ORDER BY word_similarity(sound, pinyin) DESC, length(pinyin), id LIMIT most
$$;

-- Places that somebody sees, and addresses without a number, by the same. An index of trigrams serves nobody whose rows
-- a policy picks, for these are picked first: so this picks them itself, after the index, as the policies of
-- place_version and address do, and before it counts to the most.
CREATE FUNCTION places_sounding(sound text, run text, instant timestamptz, most int) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = public, pg_temp SET pg_trgm.word_similarity_threshold = 0.5 AS $$
    SELECT called.id FROM place_name AS called
    LEFT JOIN place_version AS place
        ON place.id = called.place_version_id AND place.valid @> instant AND upper_inf(place.recorded)
    LEFT JOIN address AS house ON house.id = called.address_id
    WHERE (sound <% called.pinyin OR called.initials LIKE '%' || run || '%')
      AND num_nonnulls(place.id, house.id) = 1
      AND (current_setting('role') <> 'twingrid_scoped'
           OR place.unit_id = ANY ((SELECT scope_ids('units'))::bigint[])
           OR ST_Intersects(coalesce(place.point, house.point), (SELECT scope_area())))
    ORDER BY word_similarity(sound, called.pinyin) DESC, length(called.pinyin), called.id LIMIT most
$$;

-- Rows somebody sees ----------------------------------------------------------------------------------------------------

-- A function in a sub-select is asked once for a query, not once for a row, and an index can serve it.
DO $$
DECLARE
    own        constant text := 'unit_id = ANY ((SELECT scope_ids(''units''))::bigint[])';
    -- the point is wrapped, so that no index serves it: the area is large and a month of rows is not, and where a row is
    -- known by its key, the planner would rather look for all points of the area
    here       constant text := 'ST_Intersects(ST_SetSRID(%s, 4490), (SELECT scope_area()))';
    some_layer constant text := 'layer_id = ANY ((SELECT scope_layers())::bigint[])';
    all_layers constant text := '(layer_id IS NULL OR ' || some_layer || ')';
    seen       constant text := 'EXISTS (SELECT FROM %1$s_version AS seen WHERE seen.%1$s_id = %2$s)';
    seen_then  constant text := 'EXISTS (SELECT FROM %1$s_version AS seen
                                         WHERE seen.%1$s_id = %2$s.%1$s_id AND seen.valid && %2$s.valid)';
    own_grid   constant text := 'EXISTS (SELECT FROM grid_version AS own WHERE own.grid_id = %s AND own.' || own || ')';
    rule       record;
BEGIN
    -- table, what one sees of it who sees some units, and what who sees some layers; none: all
    FOR rule IN SELECT * FROM (VALUES
        ('layer', 'id = ANY ((SELECT scope_layers())::bigint[])', 'id = ANY ((SELECT scope_layers())::bigint[])'),
        ('grid', some_layer, some_layer),
        ('grid_cell', some_layer, some_layer),
        ('response_step', some_layer, some_layer),
        ('grid_version',
         some_layer || ' AND (' || own || ' OR grid_id = ANY ((SELECT scope_ids(''rim''))::bigint[])
                         OR layer_id = ANY ((SELECT public_layers())::bigint[]))', some_layer),
        ('grid_area', 'EXISTS (SELECT FROM grid_version AS seen WHERE seen.id = grid_area.version_id)',
         'EXISTS (SELECT FROM grid_version AS seen WHERE seen.id = grid_area.version_id)'),
        ('override', some_layer || ' AND ' || format(seen, 'grid', 'override.grid_id'), some_layer),
        ('finding', all_layers || ' AND touches_scope(geom)', all_layers),
        ('acknowledgement', some_layer || ' AND (EXISTS (
              SELECT FROM grid_version AS seen
              WHERE seen.layer_id = acknowledgement.layer_id AND seen.code = ANY (acknowledgement.grids))
          OR EXISTS (SELECT FROM officer AS seen WHERE seen.number = ANY (acknowledgement.officers)))', some_layer),
        ('lineage', format(seen, 'grid', 'lineage.pred_id') || ' OR ' || format(seen, 'grid', 'lineage.succ_id'),
         format(seen, 'grid', 'lineage.pred_id') || ' OR ' || format(seen, 'grid', 'lineage.succ_id')),
        ('unit', 'id = ANY ((SELECT scope_ids(''named''))::bigint[])', NULL),
        ('unit_version', 'unit_id = ANY ((SELECT scope_ids(''named''))::bigint[])', NULL),
        ('unit_link', 'unit_id = ANY ((SELECT scope_ids(''named''))::bigint[])
                       AND to_unit_id = ANY ((SELECT scope_ids(''named''))::bigint[])', NULL),
        ('officer_version', own || ' OR officer_id = ANY ((SELECT scope_ids(''lent''))::bigint[])', NULL),
        ('officer', format(seen, 'officer', 'officer.id'), NULL),
        ('leave', format(seen_then, 'officer', 'leave'), NULL),
        ('team_version', own, NULL),
        ('team', format(seen, 'team', 'team.id'), NULL),
        ('team_member', format(seen_then, 'team', 'team_member'), NULL),
        ('team_state', 'EXISTS (SELECT FROM team_version AS seen
                                WHERE seen.team_id = team_state.team_id AND seen.valid @> team_state.at)', NULL),
        ('assignment', format(own_grid, 'assignment.grid_id AND own.valid && assignment.valid'), NULL),
        ('shift', own, NULL),
        ('cover', 'EXISTS (SELECT FROM shift AS seen WHERE seen.id = cover.shift_id)', NULL),
        ('duty_event', 'EXISTS (SELECT FROM shift AS seen WHERE seen.id = duty_event.shift_id)', NULL),
        ('staffing_rule', own || ' OR layer_id IS NOT NULL OR ' || format(own_grid, 'staffing_rule.grid_id')
                          || ' OR ' || format(seen, 'place', 'staffing_rule.place_id'), NULL),
        ('place_version', own || ' OR ' || format(here, 'point'), NULL),
        ('place', format(seen, 'place', 'place.id'), NULL),
        ('address', format(here, 'point'), NULL),
        ('house_number', 'EXISTS (SELECT FROM address AS seen WHERE seen.id = house_number.address_id)', NULL),
        ('place_name', 'EXISTS (SELECT FROM place_version AS seen WHERE seen.id = place_name.place_version_id)
                        OR EXISTS (SELECT FROM address AS seen WHERE seen.id = place_name.address_id)', NULL),
        ('incident', format(here, 'point'), NULL),
        ('incident_key', 'EXISTS (SELECT FROM incident AS seen WHERE seen.incident_key_id = incident_key.id)', NULL),
        ('incident_event', 'EXISTS (SELECT FROM incident AS seen
                                    WHERE seen.incident_key_id = incident_event.incident_key_id)', NULL),
        ('measure', 'subject_kind = ''unit'' AND subject_id = ANY ((SELECT scope_ids(''units''))::bigint[])
                     OR subject_kind = ''grid'' AND ' || format(own_grid, 'measure.subject_id'), NULL),
        ('job', 'created_by = (SELECT scope_text(''actor''))', 'created_by = (SELECT scope_text(''actor''))')
        ) AS found (named, scoped, layered)
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', rule.named);
        EXECUTE format('CREATE POLICY in_scope ON %I FOR SELECT TO twingrid_scoped USING (%s)', rule.named, rule.scoped);
        EXECUTE format('CREATE POLICY in_layers ON %I FOR SELECT TO twingrid_layered USING (%s)',
                       rule.named, coalesce(rule.layered, 'true'));
        EXECUTE format('CREATE POLICY all_rows ON %I TO twingrid_api, twingrid_whole, twingrid_worker, twingrid_system,
                                       twingrid_security USING (true) WITH CHECK (true)', rule.named);
    END LOOP;
END $$;

-- A plan of a station is its planners' to make, to see and to work out; one of the whole deployment is seen by those who
-- see all of it, and of some layers by those who see them.
DO $$
DECLARE
    mine    constant text := 'unit_id = ANY ((SELECT scope_ids(''units''))::bigint[]) AND layers <@ (SELECT scope_layers())';
    of_mine constant text := 'EXISTS (SELECT FROM plan WHERE plan.id = %I.plan_id)';
    named   text;
    rule    text;
BEGIN
    FOREACH named IN ARRAY ARRAY['plan', 'plan_op', 'plan_change', 'plan_event', 'plan_measure'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', named);
        rule := CASE named WHEN 'plan' THEN mine ELSE format(of_mine, named) END;
        EXECUTE format('CREATE POLICY in_scope ON %I TO twingrid_scoped USING (%s)', named, rule);
        rule := CASE named WHEN 'plan' THEN 'layers <@ (SELECT scope_layers())' ELSE format(of_mine, named) END;
        EXECUTE format('CREATE POLICY in_layers ON %I TO twingrid_layered USING (%s)', named, rule);
        EXECUTE format('CREATE POLICY all_rows ON %I TO twingrid_whole, twingrid_worker USING (true)', named);
    END LOOP;
END $$;

-- Whoever asked for a job may stop it.
CREATE POLICY own_jobs ON job FOR UPDATE TO twingrid_layered, twingrid_scoped USING (created_by = (SELECT scope_text('actor')));
-- Whoever approves for some units or layers brings what they see into force.
CREATE POLICY own_publications ON job FOR INSERT TO twingrid_layered, twingrid_scoped
    WITH CHECK (kind = 'publish-plan' AND created_by = (SELECT scope_text('actor')));

-- Rights ----------------------------------------------------------------------------------------------------------------

ALTER FUNCTION open_version(text) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION ensure_incident_months(timestamptz, timestamptz) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION drop_incident_months(timestamptz) SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION refresh_statistics() SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION open_version(text), ensure_incident_months(timestamptz, timestamptz),
    drop_incident_months(timestamptz), refresh_statistics(), watch_incidents(regclass), scope_of(bigint[]), scope_area(),
    touches_scope(geometry), hidden_layers(geometry, timestamptz, timestamptz), units_called(bigint[]),
    bind_subject(text, text), scope_layers(), public_layers(), tied_layers(bigint[]), streets_sounding(text, text, int),
    places_sounding(text, text, timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bind_subject(text, text) TO twingrid_api;
GRANT EXECUTE ON FUNCTION units_called(bigint[]) TO twingrid_api, twingrid_security;
GRANT EXECUTE ON FUNCTION scope_of(bigint[]) TO twingrid_api;
GRANT EXECUTE ON FUNCTION scope_layers(), public_layers() TO twingrid_layered, twingrid_scoped;
GRANT EXECUTE ON FUNCTION tied_layers(bigint[])
    TO twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_worker;
GRANT EXECUTE ON FUNCTION scope_area(), touches_scope(geometry) TO twingrid_scoped;
GRANT EXECUTE ON FUNCTION streets_sounding(text, text, int), places_sounding(text, text, timestamptz, int)
    TO twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_worker;
GRANT EXECUTE ON FUNCTION hidden_layers(geometry, timestamptz, timestamptz) TO twingrid_scoped;
GRANT EXECUTE ON FUNCTION open_version(text) TO twingrid_whole, twingrid_worker, twingrid_system, twingrid_security;
GRANT EXECUTE ON FUNCTION ensure_incident_months(timestamptz, timestamptz) TO twingrid_whole, twingrid_worker;
GRANT EXECUTE ON FUNCTION drop_incident_months(timestamptz), refresh_statistics() TO twingrid_worker;

-- Until PostgreSQL 15 everybody could make tables, and functions that ours would find before those they mean.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- PostGIS tells everybody where the points of any table lie, as its statistics have them, without a right to the table.
-- Where the extension belongs to somebody else than whoever owns the database, only they can end that.
DO $$
DECLARE
    telling regprocedure;
BEGIN
    FOR telling IN SELECT oid FROM pg_proc
                   WHERE pronamespace = 'public'::regnamespace
                     AND proname IN ('_postgis_stats', '_postgis_selectivity', '_postgis_join_selectivity',
                                     '_postgis_index_extent', 'st_estimatedextent') LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', telling);
    END LOOP;
END $$;

-- What nobody's scope hides: the deployment's name, its versions, its words, its streets, and what shapes share, which
-- says nothing to whom no grid of the shape is shown.
GRANT SELECT ON deployment, dataset_version, alembic_version, overlap
    TO twingrid_api, twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_worker, twingrid_system,
    twingrid_security, twingrid_audit;

GRANT SELECT ON layer, unit, unit_version, unit_link, grid, grid_version, grid_area, grid_cell, override, finding,
    acknowledgement, lineage, response_step, officer, officer_version, team, team_version, team_member, team_state,
    assignment, shift, cover, duty_event, leave, staffing_rule, calendar_day, category, responsibility, category_alias, source, place,
    place_version, place_name, address, house_number, street, incident, incident_key, incident_event, measure,
    road_node, road_edge, barrier, job
    TO twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_worker;

-- Over HTTP events are told, findings acknowledged and jobs asked for; all else is written by the worker, as a job.
GRANT INSERT, UPDATE ON incident, incident_key, source, job, acknowledgement TO twingrid_whole;
GRANT INSERT, DELETE ON category_alias TO twingrid_whole;
GRANT INSERT, UPDATE ON job TO twingrid_layered, twingrid_scoped;

GRANT INSERT, UPDATE, DELETE ON layer, unit, unit_version, unit_link, grid, grid_version, grid_area, grid_cell, override, finding,
    acknowledgement, lineage, response_step, officer, officer_version, team, team_version, team_member, team_state,
    assignment, shift,
    cover, duty_event, leave, staffing_rule, calendar_day, category, responsibility, category_alias, source, place,
    place_version, place_name, address, house_number, street, incident, incident_key, incident_event, measure,
    road_node, road_edge, barrier, job,
    deployment, overlap
    TO twingrid_worker;
GRANT SELECT ON principal, role_grant TO twingrid_worker;

-- Plans are worked out over HTTP; the worker publishes them.
GRANT SELECT, INSERT ON plan, plan_op, plan_change, plan_event, plan_measure
    TO twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_worker;
GRANT UPDATE ON plan TO twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_worker;

-- Who works and what is scheduled is the worker's to say; the service tells it, and how many jobs of a kind there are.
GRANT SELECT, INSERT, UPDATE, DELETE ON worker, schedule_slot TO twingrid_worker;
GRANT SELECT ON schedule_slot TO twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_system;
GRANT SELECT ON worker TO twingrid_api;
GRANT SELECT (kind, state, run_after) ON job TO twingrid_api;

GRANT SELECT ON principal, role_grant, token, layer TO twingrid_api;
GRANT SELECT ON principal, role_grant, token, layer, unit, unit_version TO twingrid_security;
GRANT INSERT, UPDATE ON principal, role_grant, token TO twingrid_security;
-- Sessions are opened and ended by the service itself, before it is known who asks; security ends those of others.
GRANT SELECT, INSERT, DELETE ON session, sign_in_flow TO twingrid_api;
GRANT UPDATE (used_at) ON session TO twingrid_api;
GRANT SELECT, DELETE ON session TO twingrid_security;
GRANT SELECT ON job, source, category, category_alias TO twingrid_system;
GRANT INSERT, UPDATE ON job TO twingrid_system;
GRANT INSERT, DELETE ON category_alias TO twingrid_system;
GRANT SELECT ON audit TO twingrid_audit;
GRANT SELECT ON audit_head TO twingrid_api, twingrid_audit, twingrid_worker;
GRANT SELECT, DELETE ON audit_spool TO twingrid_worker;
GRANT EXECUTE ON FUNCTION take_showings(uuid, jsonb) TO twingrid_worker;
GRANT EXECUTE ON FUNCTION record_audit(text, text, text, jsonb)
    TO twingrid_api, twingrid_whole, twingrid_layered, twingrid_scoped, twingrid_worker, twingrid_system,
    twingrid_security, twingrid_audit;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO twingrid_worker;
GRANT USAGE ON SEQUENCE incident_id_seq, incident_key_id_seq, acknowledgement_id_seq TO twingrid_whole;
GRANT USAGE ON SEQUENCE plan_event_id_seq TO twingrid_whole, twingrid_layered, twingrid_scoped;
