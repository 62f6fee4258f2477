//! Proofs that one record was sealed, and that the tree only grew, verifiable without the database.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use diesel::prelude::*;
use uuid::Uuid;

use super::bytes::Hash;
use super::checkpoint::Checkpoint;
use super::key::PublicKey;
use super::note::MAX_NOTE;
use super::record::Tables;
use super::scheme::Scheme;
use super::seal::{Seal, Seals, StoredSeal};
use super::tree::{self, Frontier, RangeRoots};
use crate::database::role::Audits;
use crate::error::Error;
use crate::schema::seals;

/// The first line of a proof.
const FORMAT: &str = "c2sp.org/tlog-proof@v1";

/// Lines of hashes that a proof has at most: as many as a tree of 2^63 leaves needs.
const MAX_HASHES: usize = 63;

/// A proof that one record is as it was sealed, in the format of <https://c2sp.org/tlog-proof>.
///
/// It holds the record as the line that is hashed, the inclusion proof and the checkpoint. Together with a trusted
/// public key that is all it takes to verify it, without the database; of other records it holds only hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    record: String,
    index: u64,
    inclusion_proof: Vec<Hash>,
    checkpoint: Checkpoint,
}

impl Proof {
    /// Returns the record as JSON: the line whose hash is the leaf. `docs/seals.md` describes it.
    pub fn record(&self) -> &str {
        &self.record
    }

    /// Returns the index of the leaf in the tree, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns the checkpoint whose tree the record is in.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Verifies that the record is as it was sealed, and that one of these keys signed the checkpoint. Returns that
    /// key.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] if not; the text says which step failed.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<PublicKey, Error> {
        let Self { record, index, inclusion_proof, checkpoint } = self;
        let key = checkpoint.signed_with(keys).ok_or_else(|| {
            Error::unproven("the checkpoint is not signed with one of the given keys")
        })?;
        let head = checkpoint.head();
        let leaf = tree::leaf(record.as_bytes());
        let size = u64::try_from(head.size).unwrap_or(0);
        match tree::root_from_proof(inclusion_proof, leaf, *index, size) {
            Some(root) if root == head.root => Ok(key),
            _ => Err(Error::unproven(
                "the record or its proof was changed: its leaf does not lead to the root",
            )),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORMAT}\nextra {}", Base64::encode_string(self.record.as_bytes()))?;
        writeln!(f, "index {}", self.index)?;
        for hash in &self.inclusion_proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Proof {
    type Err = Error;

    /// Parses what `Display` writes; refuses anything else with [`Error::is_unproven`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| Error::unproven(format!("not a proof: {why}"));
        let (proof, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| refused("it has no checkpoint"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(FORMAT) {
            return Err(refused("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let record = lines
            .next()
            .and_then(|line| line.strip_prefix("extra "))
            .and_then(|base64| Base64::decode_vec(base64).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| refused("its second line does not hold the record"))?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|index| index.parse().ok().filter(|n: &u64| n.to_string() == index))
            .ok_or_else(|| refused("its third line is not the index of the record"))?;
        let inclusion_proof: Option<Vec<Hash>> = lines.map(Hash::from_base64).collect();
        let inclusion_proof = inclusion_proof
            .filter(|hashes| hashes.len() <= MAX_HASHES)
            .ok_or_else(|| refused("a line of its inclusion proof is not a hash"))?;
        if checkpoint.len() > MAX_NOTE {
            return Err(refused("its checkpoint is too long"));
        }
        Ok(Self { record, index, inclusion_proof, checkpoint: checkpoint.parse()? })
    }
}

/// A proof that the tree of one checkpoint is the beginning of the tree of a later one.
///
/// It prints as the request that asks a witness to cosign the later checkpoint
/// (<https://c2sp.org/tlog-witness>, `add-checkpoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Number of leaves of the earlier tree; 0 if the witness has seen none.
    pub old_size: u64,
    hashes: Vec<Hash>,
    checkpoint: Checkpoint,
}

impl ConsistencyProof {
    /// Returns the later checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Verifies that a tree with this root is the beginning of the later checkpoint's tree.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] if it is not.
    pub fn verify(&self, old_root: Hash) -> Result<(), Error> {
        let head = self.checkpoint.head();
        let new = (u64::try_from(head.size).unwrap_or(0), head.root);
        match tree::is_consistent(&self.hashes, (self.old_size, old_root), new) {
            true => Ok(()),
            false => Err(Error::unproven("the earlier tree is not the beginning of the later one")),
        }
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        for hash in &self.hashes {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl<R: Audits> Seals<'_, R> {
    /// Makes the proof that the record with this id was sealed: an entry, with the rows that it attests, a break, a
    /// resolution or a trader.
    ///
    /// The proof is verified before it is returned. Whether the key is trusted is for its reader to decide.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: there is no such record, or no seal covers it yet.
    /// - [`Error::is_unproven`]: the record is not as it was sealed, or a seal was changed.
    /// - Those of the connection.
    pub fn prove(&mut self, id: Uuid) -> Result<Proof, Error> {
        let tables = Tables::find(self.conn)?;
        let number =
            tables.number_of(self.conn, id)?.ok_or_else(|| Error::not_found("record", id))?;
        let seal: Option<i64> = seals::table
            .filter(seals::covered.contains(number))
            .select(seals::id)
            .order(seals::id)
            .first(self.conn)
            .optional()?;
        let seal = seal.ok_or_else(|| {
            Error::not_found("seal of record", format!("{id}, which is not sealed yet"))
        })?;
        let (before, stored) = self.verified_by_itself(seal)?;
        let unproven = |why: &dyn fmt::Display| {
            Error::unproven(format!(
                "record {id} can't be proven: {why}; run blotter verify for details"
            ))
        };
        let scheme =
            Scheme::find(stored.seal.scheme).ok_or_else(|| unproven(&"its scheme is unknown"))?;
        let (records, _) = tables.load(self.conn, &[number])?;
        let [record] = records.as_slice() else {
            return Err(unproven(&"it can't be read, or another record has its number"));
        };
        let size = stored.seal.size.unsigned_abs();
        let index = stored
            .first_index()
            .zip(stored.seal.covered.index_of(number))
            .map(|(first, index)| first + index)
            .ok_or_else(|| unproven(&"its seal is not one of the tree"))?;
        let mut roots = range_roots(before.as_ref(), tree::inclusion_proof(index, size))?;
        roots.extend(&stored.leaves);
        let inclusion_proof = roots.finish().ok_or_else(|| unproven(&"its seal was changed"))?;
        let proof = Proof {
            record: scheme.line(record),
            index,
            inclusion_proof,
            checkpoint: stored.seal.checkpoint(),
        };
        proof.verify(&[stored.seal.public_key]).map_err(|why| unproven(&why))?;
        Ok(proof)
    }

    /// Makes the proof that the tree of the first `old_size` leaves is the beginning of the tree of the last seal.
    ///
    /// `old_size` is the size of the tree of an earlier seal, or 0. It reads the leaves in between.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: nothing is sealed yet, or no seal has a tree of that size.
    /// - [`Error::is_unproven`]: a seal was changed.
    /// - Those of the connection.
    pub fn prove_consistency(&mut self, old_size: u64) -> Result<ConsistencyProof, Error> {
        let last = self.last()?.ok_or_else(|| Error::not_found("seal", "with a number"))?;
        let size = last.size.unsigned_abs();
        let old: Option<Seal> = match i64::try_from(old_size) {
            Ok(0) => None,
            Ok(old) => Seal::query().filter(seals::size.eq(old)).first(self.conn).optional()?,
            Err(_) => None,
        };
        if old_size > 0 && old.is_none() {
            return Err(Error::not_found("seal", format!("with a tree of {old_size} records")));
        }
        let mut before = old.map(|old| self.stored(old.id)).transpose()?;
        let ranges = tree::consistency_proof(old_size, size);
        let mut roots = range_roots(before.as_ref(), ranges)?;
        let first = before.as_ref().map_or(1, |old| old.seal.id + 1);
        for id in first..=last.id {
            let next = self.stored(id).optional()?.ok_or_else(|| Error::not_found("seal", id))?;
            if let Some(flaw) = next.flaw(before.as_ref(), &[next.seal.public_key]) {
                return Err(next.seal.refused(&flaw));
            }
            roots.extend(&next.leaves);
            before = Some(next);
        }
        let hashes = match old_size {
            0 => Vec::new(),
            _ => roots.finish().ok_or_else(|| Error::unproven("the stored hashes were changed"))?,
        };
        Ok(ConsistencyProof { old_size, hashes, checkpoint: last.checkpoint() })
    }

    /// Returns the seal with this number and the one before it, verified with the key that the seal itself names.
    fn verified_by_itself(&mut self, id: i64) -> Result<(Option<StoredSeal>, StoredSeal), Error> {
        let key = self.get(id)?.public_key;
        self.stored_and_verified(id, &[key])
    }
}

/// Begins to compute the roots of ranges with the tree of a seal.
fn range_roots(before: Option<&StoredSeal>, ranges: Vec<Range<u64>>) -> Result<RangeRoots, Error> {
    let frontier = match before {
        None => Frontier::default(),
        Some(before) => before
            .frontier
            .clone()
            .ok_or_else(|| before.seal.refused("has a frontier that does not lead to its root"))?,
    };
    Ok(RangeRoots::new(&frontier, ranges))
}
