-- Promises a record of each removal: rows whose retention has ended leave the database in one transaction that states
-- in this table what left, the hash of the file that holds it, and who removed it. The hashes of the removed records
-- stay with their seals. The row has a number of the log's sequence, so that a seal covers it too.
--
-- Only a superuser inserts a row, because only a superuser can pass the guards and remove what it states. No role has
-- the privilege or a policy. `seal` has no foreign key: the removal writes it, after it has read that seal.

CREATE TABLE archives (
    id uuid CONSTRAINT archives_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
    before timestamptz NOT NULL,
    records bigint NOT NULL,
    covered int8multirange NOT NULL,
    seal bigint NOT NULL,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    acted_by text NOT NULL DEFAULT session_user,
    sequence bigint NOT NULL CONSTRAINT uq_archives_sequence UNIQUE,
    CONSTRAINT ck_archives_well_formed CHECK (
        records > 0 AND seal > 0 AND size > 0 AND octet_length(sha256) = 32
        AND NOT isempty(covered) AND lower(covered) > 0 AND upper(covered) <= 9007199254740992
    ),
    CONSTRAINT ck_archives_before_readable
        CHECK (before BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT ck_archives_sequence_bounded CHECK (sequence BETWEEN 1 AND 9007199254740991)
);

COMMENT ON TABLE archives IS 'Archives: records that left the database for a file, because their retention had ended';
COMMENT ON COLUMN archives.id IS 'Unique archive identifier';
COMMENT ON COLUMN archives.before IS 'Every removed record was written before this time';
COMMENT ON COLUMN archives.records IS 'How many records were removed';
COMMENT ON COLUMN archives.covered IS 'Numbers of the removed records';
COMMENT ON COLUMN archives.seal IS 'The seal to whose root the file leads';
COMMENT ON COLUMN archives.size IS 'Size of the file in bytes';
COMMENT ON COLUMN archives.sha256 IS 'SHA-256 of the file';
COMMENT ON COLUMN archives.created_at IS 'Removed';
COMMENT ON COLUMN archives.acted_by IS 'Login that removed them';
COMMENT ON COLUMN archives.sequence IS 'Number in the sequence of the log, by which the row is sealed';

CALL blotter_lend_ledger();

CREATE FUNCTION archives_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.created_at := pg_catalog.clock_timestamp();
    NEW.acted_by := session_user;
    RETURN NEW;
END
$$;

-- Prevents an archive that carries another author or time than the true one.
CREATE TRIGGER archives_stamp BEFORE INSERT ON archives
    FOR EACH ROW EXECUTE FUNCTION archives_stamp();
-- Prevents an archive that no seal covers, or that has a number of the client's choice.
CREATE TRIGGER archives_number BEFORE INSERT ON archives
    FOR EACH ROW EXECUTE FUNCTION blotter_number_row();
CALL blotter_settle_ledger('archives_stamp');

-- Prevents a change of what left, and of the hash of the file that holds it.
CREATE TRIGGER archives_keep_values BEFORE UPDATE ON archives
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents the deletion of the row, after which its records would look lost.
CREATE TRIGGER archives_keep_row BEFORE DELETE ON archives
    FOR EACH ROW EXECUTE FUNCTION blotter_refuse_change();
-- Prevents TRUNCATE, to which row-level security does not apply.
CREATE TRIGGER archives_keep_all BEFORE TRUNCATE ON archives
    FOR EACH STATEMENT EXECUTE FUNCTION blotter_refuse_change();
ALTER TABLE archives
    ENABLE ALWAYS TRIGGER archives_keep_values,
    ENABLE ALWAYS TRIGGER archives_keep_row,
    ENABLE ALWAYS TRIGGER archives_keep_all;

ALTER TABLE archives ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY archives_compliance_reads ON archives FOR SELECT TO blotter_compliance USING (true);
CREATE POLICY archives_auditor_reads ON archives FOR SELECT TO blotter_auditor USING (true);
GRANT SELECT ON archives TO blotter_compliance, blotter_auditor;
