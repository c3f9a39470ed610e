-- The audit: rows that each hold the hash of the one before, and their newest apart in `audit_head` -------------------

-- The SHA-256 that binds a row to the one before it. Numbers are 8 bytes, big-endian, the instant in microseconds since
-- 1970; each text is in UTF-8 behind its length in 4 bytes, the detail as PostgreSQL writes it.
CREATE FUNCTION audit_link(
    before bytea, number bigint, happened_at timestamptz, actor text, action text, object text, detail jsonb
) RETURNS bytea
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    body bytea := before || int8send(number) || int8send((extract(epoch FROM happened_at) * 1000000)::bigint);
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY[actor, action, object, detail::text] LOOP
        body := body || int4send(octet_length(convert_to(part, 'UTF8'))) || convert_to(part, 'UTF8');
    END LOOP;
    RETURN sha256(body);
END $$;

-- Add rows, in the caller's transaction; writers take turns, so that the chain has no branch. A row that does not say
-- when it happened happens now, by the clock and under the lock.
CREATE FUNCTION chain_audit(told jsonb) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    newest audit_head;
    one    record;
    stamp  timestamptz;
    made   bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(domain_lock('audit'));
    SELECT * INTO STRICT newest FROM audit_head;
    FOR one IN
        SELECT body ->> 'actor' AS actor, body ->> 'action' AS action, body ->> 'object' AS object,
               body -> 'detail' AS detail, (body ->> 'at')::timestamptz AS at
        FROM jsonb_array_elements(told) WITH ORDINALITY AS listed(body, place) ORDER BY place
    LOOP
        stamp := coalesce(one.at, clock_timestamp());
        newest.number := newest.number + 1;
        made := audit_link(newest.hash, newest.number, stamp, one.actor, one.action, one.object, one.detail);
        INSERT INTO audit
        VALUES (newest.number, stamp, one.actor, one.action, one.object, one.detail, newest.hash, made);
        newest.hash := made;
    END LOOP;
    UPDATE audit_head SET number = newest.number, hash = newest.hash WHERE number <> newest.number;
    RETURN jsonb_array_length(told);
END $$;

-- What whoever may not touch the audit calls: it can add to it, and neither read nor date a row.
CREATE FUNCTION record_audit(actor text, action text, object text, detail jsonb) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT chain_audit(jsonb_build_array(
        jsonb_build_object('actor', actor, 'action', action, 'object', object, 'detail', detail)))
$$;

-- What the worker calls for a file in which the service has put on record what it showed: the file is taken in once,
-- whoever tries again after a kill. Returns how many rows were added.
CREATE FUNCTION take_showings(the_file uuid, told jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO audit_spool VALUES (the_file) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN chain_audit(told) ELSE 0 END;
END $$;

REVOKE ALL ON FUNCTION chain_audit, record_audit, take_showings FROM PUBLIC;

-- The head goes forward only.
CREATE TRIGGER goes_forward BEFORE UPDATE ON audit_head FOR EACH ROW
WHEN (NEW.number <= OLD.number OR NEW.chain <> OLD.chain OR NEW.id <> OLD.id) EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- A chain begins with the hash of a name that no other database has.
INSERT INTO audit_head (id, chain, number, hash)
SELECT 1, chain, 0, sha256(uuid_send(chain)) FROM (SELECT gen_random_uuid() AS chain) AS made;
