-- Locks and versions -------------------------------------------------------------------------------------------------

CREATE FUNCTION domain_lock(domain text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT hashtextextended('twingrid domain ' || domain, 0) $$;

-- Take the domain's lock until the transaction ends, and make its next version. The instant is the wall clock's, never
-- the transaction's start: a writer that waited for the lock must not be stamped before the one it waited for.
CREATE FUNCTION open_version(the_domain text) RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
    newest dataset_version;
    stamp  timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(domain_lock(the_domain));
    SELECT * INTO newest FROM dataset_version WHERE domain = the_domain ORDER BY n DESC LIMIT 1;
    stamp := greatest(clock_timestamp(), newest.recorded_at + interval '1 microsecond');
    INSERT INTO dataset_version VALUES (the_domain, coalesce(newest.n, 0) + 1, stamp);
    PERFORM pg_notify('twingrid_version', the_domain || ' ' || coalesce(newest.n, 0) + 1);
    RETURN stamp;
END $$;

-- History ------------------------------------------------------------------------------------------------------------

-- What was recorded stays: a row may only be closed, once, by giving its recorded span an end.
CREATE FUNCTION history_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    closed tstzrange;
BEGIN
    IF TG_OP = 'UPDATE' AND upper_inf(OLD.recorded) AND NOT upper_inf(NEW.recorded)
       AND lower(NEW.recorded) IS NOT DISTINCT FROM lower(OLD.recorded) THEN
        closed := NEW.recorded;
        NEW.recorded := OLD.recorded;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            NEW.recorded := closed;
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'history of % may not be changed', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['response_step', 'finding', 'acknowledgement', 'unit_version', 'unit_link', 'grid_version', 'grid_cell', 'override', 'place_version',
        'officer_version', 'assignment', 'team_version', 'team_member', 'shift', 'cover', 'leave', 'duty_event',
        'staffing_rule'] LOOP
        EXECUTE format('CREATE TRIGGER history_stays BEFORE UPDATE OR DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION history_stays()', kept);
        EXECUTE format('CREATE TRIGGER history_is_not_emptied BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION append_only()', kept);
    END LOOP;
    FOREACH kept IN ARRAY ARRAY['audit', 'dataset_version', 'lineage', 'plan_op', 'plan_change', 'plan_event', 'plan_measure', 'grid_area',
        'overlap'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION append_only()', kept);
        EXECUTE format('CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION append_only()', kept);
    END LOOP;
END $$;

-- A shape is known by what it is made of. Not a generated column: triggers that look at rows before it would find none.
CREATE FUNCTION name_shape() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.shape_sha256 := sha256(ST_AsBinary(NEW.geom, 'NDR'));
    RETURN NEW;
END $$;

CREATE TRIGGER name_shape BEFORE INSERT ON grid_version FOR EACH ROW EXECUTE FUNCTION name_shape();

-- Incidents are corrected by new versions; only the retention rule deletes, whole rows and by age.
CREATE TRIGGER history_stays BEFORE UPDATE ON incident FOR EACH ROW EXECUTE FUNCTION history_stays();

-- An incident has one current version, whatever month each version lies in. The rules look at all rows of a statement
-- at once. A key may be written with `current_id` set to the version that follows it, so that it need not be touched
-- again. EXECUTE plans anew each time: a plan made for one row would be wrong for a million, and the other way round.
CREATE FUNCTION one_current_incident() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    broken boolean;
BEGIN
    EXECUTE 'UPDATE incident_key AS key SET current_id = made.id FROM made
             WHERE key.id = made.incident_key_id AND key.current_id IS NULL AND upper_inf(made.recorded)';
    EXECUTE 'SELECT EXISTS (SELECT FROM made JOIN incident_key AS key ON key.id = made.incident_key_id
                            WHERE key.current_id <> made.id AND upper_inf(made.recorded))' INTO broken;
    IF broken THEN
        RAISE EXCEPTION 'the incident has a current version' USING ERRCODE = 'exclusion_violation',
            CONSTRAINT = 'one_current_incident';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION no_current_incident() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE incident_key AS key SET current_id = NULL FROM gone
             WHERE key.id = gone.incident_key_id AND key.current_id = gone.id AND upper_inf(gone.recorded)';
    RETURN NULL;
END $$;

-- Triggers of statements are not handed down to partitions, and a statement may name a partition.
CREATE FUNCTION watch_incidents(partition regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER one_current_incident AFTER INSERT ON %s REFERENCING NEW TABLE AS made
                    FOR EACH STATEMENT EXECUTE FUNCTION one_current_incident()', partition);
    EXECUTE format('CREATE TRIGGER closed_incident AFTER UPDATE ON %s REFERENCING OLD TABLE AS gone
                    FOR EACH STATEMENT EXECUTE FUNCTION no_current_incident()', partition);
    EXECUTE format('CREATE TRIGGER deleted_incident AFTER DELETE ON %s REFERENCING OLD TABLE AS gone
                    FOR EACH STATEMENT EXECUTE FUNCTION no_current_incident()', partition);
    EXECUTE format('CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION append_only()', partition);
END $$;

SELECT watch_incidents('incident');

-- What answers rest on and has no history of its own is never changed.
CREATE TRIGGER kind_stays BEFORE UPDATE OF code, kind, built_from_id ON layer
FOR EACH ROW WHEN (OLD.code <> NEW.code OR OLD.kind <> NEW.kind OR OLD.built_from_id <> NEW.built_from_id)
EXECUTE FUNCTION append_only();

CREATE TRIGGER tree_stays BEFORE UPDATE OF tree ON unit
FOR EACH ROW WHEN (OLD.tree <> NEW.tree) EXECUTE FUNCTION append_only();

-- Shifts -------------------------------------------------------------------------------------------------------------

-- The rules of shifts, too, look at all rows of a statement at once, and are planned for as many as there are.

-- A part of a shift lies within it, belongs to the same officer or team, and ends to stand before it does.
CREATE FUNCTION part_within_shift() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    broken boolean;
BEGIN
    EXECUTE 'SELECT EXISTS (
        SELECT FROM made AS part LEFT JOIN shift AS whole
            ON whole.id = part.parent_shift AND whole.parent_shift IS NULL AND part.planned <@ whole.planned
            AND upper_inf(whole.recorded) AND whole.state <> ''cancelled''
            AND whole.officer_id IS NOT DISTINCT FROM part.officer_id
            AND whole.team_id IS NOT DISTINCT FROM part.team_id
        WHERE part.parent_shift IS NOT NULL AND whole.id IS NULL)' INTO broken;
    IF broken THEN
        RAISE EXCEPTION 'a part must lie within its shift' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'part_within_shift';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER part_within_shift AFTER INSERT ON shift REFERENCING NEW TABLE AS made
FOR EACH STATEMENT EXECUTE FUNCTION part_within_shift();

CREATE FUNCTION whole_outlives_parts() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    broken boolean;
BEGIN
    EXECUTE 'SELECT EXISTS (SELECT FROM closed AS whole JOIN shift AS part ON part.parent_shift = whole.id
                            WHERE whole.parent_shift IS NULL AND upper_inf(part.recorded))' INTO broken;
    IF broken THEN
        RAISE EXCEPTION 'parts of the shift still stand' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'whole_outlives_parts';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER whole_outlives_parts AFTER UPDATE ON shift REFERENCING NEW TABLE AS closed
FOR EACH STATEMENT EXECUTE FUNCTION whole_outlives_parts();

CREATE FUNCTION cover_within_shift() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    broken boolean;
BEGIN
    EXECUTE 'SELECT EXISTS (
        SELECT FROM made JOIN shift ON shift.id = made.shift_id
        WHERE NOT made.span <@ range_merge(shift.planned, coalesce(shift.actual, shift.planned)))' INTO broken;
    IF broken THEN
        RAISE EXCEPTION 'cover must lie within its shift' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'cover_within_shift';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER cover_within_shift AFTER INSERT ON cover REFERENCING NEW TABLE AS made
FOR EACH STATEMENT EXECUTE FUNCTION cover_within_shift();

-- Incidents ----------------------------------------------------------------------------------------------------------

-- Make the monthly partitions (months of UTC) that a span of incidents needs; ones that exist are left alone.
-- Attaching a table lets others go on reading meanwhile; making a partition at once would keep them waiting.
CREATE FUNCTION ensure_incident_months(first timestamptz, last timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', first AT TIME ZONE 'UTC');
    named text;
    made  integer := 0;
BEGIN
    WHILE month <= last AT TIME ZONE 'UTC' LOOP
        named := 'incident_p' || to_char(month, 'YYYYMM');
        IF to_regclass(named) IS NULL THEN
            PERFORM pg_advisory_xact_lock(domain_lock('incident months'));
        END IF;
        IF to_regclass(named) IS NULL THEN  -- nor has whoever held the lock made it
            EXECUTE format('CREATE TABLE %I (LIKE incident INCLUDING CONSTRAINTS)', named);
            EXECUTE format('ALTER TABLE incident ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', named,
                month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            PERFORM watch_incidents(named::regclass);
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;

-- Take away the monthly partitions that end by an instant and are empty; their incidents are deleted before.
CREATE FUNCTION drop_incident_months(before timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    named   text;
    is_used boolean;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(domain_lock('incident months'));
    FOR named IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'incident'::regclass
          AND (to_date(right(relname, 6), 'YYYYMM')::timestamp + interval '1 month') AT TIME ZONE 'UTC' <= before
        ORDER BY relname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', named) INTO is_used;
        IF NOT is_used THEN
            EXECUTE format('DROP TABLE %I', named);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;

-- Statistics ---------------------------------------------------------------------------------------------------------

-- PostgreSQL gathers those of each month by itself, but never those of all months together. Only their owner may ask.
CREATE FUNCTION refresh_statistics() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    ANALYZE incident;
END $$;
