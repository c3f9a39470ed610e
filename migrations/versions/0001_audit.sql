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

-- Add one row, in the caller's transaction; writers take turns, so that the chain has no branch. It happened now, by
-- the clock and under the lock, unless it was put on record elsewhere before.
CREATE FUNCTION chain_audit(actor text, action text, object text, detail jsonb, happened_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    newest audit_head;
    stamp  timestamptz;
    made   bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(domain_lock('audit'));
    SELECT * INTO STRICT newest FROM audit_head;
    stamp := coalesce(happened_at, clock_timestamp());
    made := audit_link(newest.hash, newest.number + 1, stamp, actor, action, object, detail);
    INSERT INTO audit VALUES (newest.number + 1, stamp, actor, action, object, detail, newest.hash, made);
    UPDATE audit_head SET number = newest.number + 1, hash = made;
    RETURN newest.number + 1;
END $$;

-- What whoever may not touch the audit calls: it can add to it, and neither read nor date a row.
CREATE FUNCTION record_audit(actor text, action text, object text, detail jsonb) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT chain_audit(actor, action, object, detail, NULL)
$$;

REVOKE ALL ON FUNCTION chain_audit, record_audit FROM PUBLIC;

-- The head goes forward, one row at a time.
CREATE TRIGGER goes_forward BEFORE UPDATE ON audit_head FOR EACH ROW
WHEN (NEW.number <> OLD.number + 1 OR NEW.chain <> OLD.chain OR NEW.id <> OLD.id) EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- A chain begins with the hash of a name that no other database has.
INSERT INTO audit_head (id, chain, number, hash)
SELECT 1, chain, 0, sha256(uuid_send(chain)) FROM (SELECT gen_random_uuid() AS chain) AS made;
