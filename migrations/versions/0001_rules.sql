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
    FOREACH kept IN ARRAY ARRAY['response_step', 'finding', 'unit_version', 'unit_link', 'grid_version', 'grid_cell', 'override', 'place_version',
        'officer_version', 'assignment', 'team_version', 'team_member', 'shift', 'cover', 'leave', 'duty_event',
        'staffing_rule'] LOOP
        EXECUTE format('CREATE TRIGGER history_stays BEFORE UPDATE OR DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION history_stays()', kept);
        EXECUTE format('CREATE TRIGGER history_is_not_emptied BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION append_only()', kept);
    END LOOP;
    FOREACH kept IN ARRAY ARRAY['audit', 'dataset_version', 'lineage', 'plan_op'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION append_only()', kept);
        EXECUTE format('CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION append_only()', kept);
    END LOOP;
END $$;

-- Incidents are corrected by new versions; only the retention rule deletes, whole rows and by age.
CREATE TRIGGER history_stays BEFORE UPDATE ON incident FOR EACH ROW EXECUTE FUNCTION history_stays();

-- An incident has one current version, whatever month each version lies in.
CREATE FUNCTION one_current_incident() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE incident_key SET current_id = NEW.id WHERE id = NEW.incident_key_id AND current_id IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the incident has a current version' USING ERRCODE = 'exclusion_violation',
            CONSTRAINT = 'one_current_incident';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION no_current_incident() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE incident_key SET current_id = NULL WHERE id = OLD.incident_key_id AND current_id = OLD.id;
    RETURN OLD;
END $$;

CREATE TRIGGER one_current_incident BEFORE INSERT ON incident
FOR EACH ROW WHEN (upper_inf(NEW.recorded)) EXECUTE FUNCTION one_current_incident();

CREATE TRIGGER closed_incident AFTER UPDATE ON incident
FOR EACH ROW WHEN (upper_inf(OLD.recorded)) EXECUTE FUNCTION no_current_incident();

CREATE TRIGGER deleted_incident AFTER DELETE ON incident
FOR EACH ROW WHEN (upper_inf(OLD.recorded)) EXECUTE FUNCTION no_current_incident();

-- What answers rest on and has no history of its own is never changed.
CREATE TRIGGER kind_stays BEFORE UPDATE OF code, kind, built_from_id ON layer
FOR EACH ROW WHEN (OLD.code <> NEW.code OR OLD.kind <> NEW.kind OR OLD.built_from_id <> NEW.built_from_id)
EXECUTE FUNCTION append_only();

CREATE TRIGGER tree_stays BEFORE UPDATE OF tree ON unit
FOR EACH ROW WHEN (OLD.tree <> NEW.tree) EXECUTE FUNCTION append_only();

-- Shifts -------------------------------------------------------------------------------------------------------------

-- A part of a shift lies within it, belongs to the same officer or team, and ends to stand before it does.
CREATE FUNCTION part_within_shift() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM shift AS whole
    WHERE whole.id = NEW.parent_shift AND whole.parent_shift IS NULL AND NEW.planned <@ whole.planned
      AND upper_inf(whole.recorded) AND whole.state <> 'cancelled'
      AND whole.officer_id IS NOT DISTINCT FROM NEW.officer_id AND whole.team_id IS NOT DISTINCT FROM NEW.team_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a part must lie within its shift' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'part_within_shift';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER part_within_shift BEFORE INSERT ON shift
FOR EACH ROW WHEN (NEW.parent_shift IS NOT NULL) EXECUTE FUNCTION part_within_shift();

CREATE FUNCTION whole_outlives_parts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM shift AS part WHERE part.parent_shift = OLD.id AND upper_inf(part.recorded);
    IF FOUND THEN
        RAISE EXCEPTION 'parts of the shift still stand' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'whole_outlives_parts';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER whole_outlives_parts BEFORE UPDATE ON shift
FOR EACH ROW WHEN (OLD.parent_shift IS NULL) EXECUTE FUNCTION whole_outlives_parts();

CREATE FUNCTION cover_within_shift() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM shift
    WHERE id = NEW.shift_id AND NEW.span <@ range_merge(planned, coalesce(actual, planned));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'cover must lie within its shift' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'cover_within_shift';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER cover_within_shift BEFORE INSERT ON cover FOR EACH ROW EXECUTE FUNCTION cover_within_shift();

-- Incidents ----------------------------------------------------------------------------------------------------------

-- Make the monthly partitions (months of UTC) that a span of incidents needs; ones that exist are left alone.
CREATE FUNCTION ensure_incident_months(first timestamptz, last timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', first AT TIME ZONE 'UTC');
    made  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(domain_lock('incident months'));
    WHILE month <= last AT TIME ZONE 'UTC' LOOP
        IF to_regclass(format('incident_p%s', to_char(month, 'YYYYMM'))) IS NULL THEN
            EXECUTE format('CREATE TABLE incident_p%s PARTITION OF incident FOR VALUES FROM (%L) TO (%L)',
                to_char(month, 'YYYYMM'), month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;
