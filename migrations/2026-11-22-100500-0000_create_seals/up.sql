-- Promises an append-only table for the seals. A seal appends the records that no earlier seal covers to one
-- growing Merkle tree (RFC 6962), states the root of the tree, and is signed with a key that is not in the
-- database. A record is an entry of the log with what it attests, a break, a resolution or a trader; a seal
-- covers records by their numbers.
--
-- A seal cannot be forged without the key. But an invalid row would stop sealing, because rows are never
-- removed: so only a role of its own, blotter_auditor, may insert seals, each row must continue the one before
-- it, and it names the login that inserted it.

CREATE TABLE seals (
    id bigint CONSTRAINT seals_pkey PRIMARY KEY,
    scheme smallint NOT NULL,
    origin text NOT NULL,
    size bigint NOT NULL,
    covered int8multirange NOT NULL,
    settled bigint NOT NULL,
    leaves bytea NOT NULL,
    frontier bytea NOT NULL,
    root bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    sealed_by text NOT NULL DEFAULT session_user,
    CONSTRAINT ck_seals_well_formed CHECK (
        id > 0 AND scheme > 0 AND NOT isempty(covered)
        AND lower(covered) > 0 AND upper(covered) <= 9007199254740992
        AND settled BETWEEN 0 AND 9007199254740991
        AND size BETWEEN octet_length(leaves) / 32 AND 9007199254740991
        AND octet_length(leaves) BETWEEN 32 AND 32 * 65536 AND octet_length(leaves) % 32 = 0
        AND octet_length(frontier) BETWEEN 32 AND 32 * 53 AND octet_length(frontier) % 32 = 0
        AND octet_length(root) = 32 AND octet_length(public_key) = 32 AND octet_length(signature) = 64
    ),
    CONSTRAINT ck_seals_origin_is_a_name CHECK (origin ~ '^[^[:space:][:cntrl:]+]{1,200}$'),
    CONSTRAINT ck_seals_sealed_at_readable
        CHECK (sealed_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00')
);

-- Finds the seals that cover records after a number, which are few, among all.
CREATE INDEX idx_seals_covered ON seals USING gist (covered);

COMMENT ON TABLE seals IS
    'Seals: signed heads of one growing Merkle tree over the entries of the log, breaks, resolutions and traders';
COMMENT ON COLUMN seals.id IS 'Number of the seal: 1, 2, 3 and so on';
COMMENT ON COLUMN seals.scheme IS 'Version of the scheme by which these records are encoded: see docs/seals.md';
COMMENT ON COLUMN seals.origin IS 'Name of the tree, the same in each seal; also the name of the key';
COMMENT ON COLUMN seals.size IS 'How many leaves the tree has with this seal';
COMMENT ON COLUMN seals.covered IS 'Numbers of the records that this seal covers';
COMMENT ON COLUMN seals.settled IS
    'Every record up to this number is covered by this seal or an earlier one, and no further one will appear';
COMMENT ON COLUMN seals.leaves IS 'The hash of each covered record, 32 bytes, in the order of their numbers';
COMMENT ON COLUMN seals.frontier IS
    'Roots of the perfect subtrees of the tree, 32 bytes each, the largest first: the next seal continues from them';
COMMENT ON COLUMN seals.root IS 'Root of the whole tree (RFC 6962)';
COMMENT ON COLUMN seals.sealed_at IS 'When it was sealed, by the clock of the sealing program';
COMMENT ON COLUMN seals.public_key IS 'The Ed25519 public key that verifies the signature';
COMMENT ON COLUMN seals.signature IS 'Ed25519 signature over the tree head: see docs/seals.md';
COMMENT ON COLUMN seals.sealed_by IS 'Login that inserted the seal';

-- A seal with a number that is stored already passes: its key refuses it, and the sealer tries again.
CREATE FUNCTION seals_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    NEW.sealed_by := session_user;
    SELECT id, origin, size, settled INTO last FROM seals ORDER BY id DESC LIMIT 1;
    IF NEW.id > coalesce(last.id, 0) AND NOT (
        NEW.id = coalesce(last.id, 0) + 1
        AND NEW.origin = coalesce(last.origin, NEW.origin)
        AND NEW.size = coalesce(last.size, 0) + octet_length(NEW.leaves) / 32
        AND NEW.settled >= coalesce(last.settled, 0)
    ) THEN
        RAISE EXCEPTION 'seal % does not follow seal %', NEW.id, coalesce(last.id, 0)
            USING ERRCODE = 'check_violation', TABLE = 'seals', CONSTRAINT = 'seals_follow';
    END IF;
    RETURN NEW;
END
$$;

DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION seals_follow() SET search_path = %I, pg_temp',
        current_schema()
    );
END
$$;
REVOKE EXECUTE ON FUNCTION seals_follow() FROM PUBLIC;

-- Prevents a seal that leaves out a number or leaves of the tree, and one that names another login.
CREATE TRIGGER seals_follow BEFORE INSERT ON seals
    FOR EACH ROW EXECUTE FUNCTION seals_follow();
