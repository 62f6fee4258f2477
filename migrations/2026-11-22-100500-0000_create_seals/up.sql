-- Promises an append-only table for the seals of the log. A seal covers entries by their numbers, states the
-- root of the Merkle tree over them and the hash of the previous seal, and is signed with a key that is not
-- in the database.
--
-- A seal cannot be forged without the key. But an invalid row would break the chain for good, because rows
-- are never removed: so only a role of its own, blotter_auditor, may insert seals, and neither the roles that
-- write the log nor compliance.

CREATE TABLE seals (
    id bigint CONSTRAINT seals_pkey PRIMARY KEY,
    scheme smallint NOT NULL,
    covered int8multirange NOT NULL,
    settled bigint NOT NULL,
    entries integer NOT NULL,
    leaves bytea NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT uq_seals_previous UNIQUE (previous),
    CONSTRAINT ck_seals_well_formed CHECK (
        id > 0 AND scheme > 0 AND settled >= 0 AND entries > 0 AND NOT isempty(covered)
        AND octet_length(leaves) = 32 * entries AND octet_length(root) = 32
        AND octet_length(previous) = 32 AND octet_length(public_key) = 32
        AND octet_length(signature) = 64
    ),
    CONSTRAINT ck_seals_sealed_at_readable
        CHECK (sealed_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00')
);

COMMENT ON TABLE seals IS 'Seals of the log: signed Merkle roots over its entries, each chained to the previous one';
COMMENT ON COLUMN seals.id IS 'Number in the chain: 1, 2, 3 and so on';
COMMENT ON COLUMN seals.scheme IS 'Version of the scheme by which entries are hashed and seals are signed: see docs/seals.md';
COMMENT ON COLUMN seals.covered IS 'Numbers of the entries that this seal covers';
COMMENT ON COLUMN seals.settled IS
    'Every entry up to this number is covered by this seal or an earlier one, and no further one will appear';
COMMENT ON COLUMN seals.entries IS 'How many entries this seal covers';
COMMENT ON COLUMN seals.leaves IS 'The hash of each covered entry, 32 bytes, in the order of their numbers';
COMMENT ON COLUMN seals.root IS 'Root of the Merkle tree over these hashes (RFC 6962)';
COMMENT ON COLUMN seals.previous IS 'Hash of the previous seal; zeros for the first';
COMMENT ON COLUMN seals.sealed_at IS 'When it was sealed, by the clock of the sealing program';
COMMENT ON COLUMN seals.public_key IS 'The Ed25519 public key that verifies the signature';
COMMENT ON COLUMN seals.signature IS 'Ed25519 signature over the seal without its leaves: see docs/seals.md';
