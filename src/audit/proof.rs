//! Proofs that one entry was sealed, verifiable without the database.

use diesel::prelude::*;
use uuid::Uuid;

use super::bytes::Hash;
use super::entry::AttestedEntry;
use super::key::PublicKey;
use super::seal::{SCHEME, Seal, Seals};
use super::tree;
use crate::database::role::Audits;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::schema::{execution_logs, seals};

/// A proof that one entry, with the rows that it attests, is as it was sealed.
///
/// It holds the entry, its inclusion proof and the seal. Together with a trusted public key that is all it takes
/// to verify it, without the database; of other entries it holds only hashes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Proof {
    /// The entry, and the rows that it attests.
    pub entry: AttestedEntry,
    /// Sibling hashes on the way from the leaf of the entry to the root, in this order (RFC 9162, 2.1.3).
    ///
    /// The field is named `path` in JSON.
    #[serde(rename = "path")]
    pub inclusion_proof: Vec<Hash>,
    /// The seal that covers the entry.
    pub seal: Seal,
}

impl Proof {
    /// Parses a proof from JSON, as [`Proof::to_json`] writes it.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] if the text is anything else. An additional field is refused: it would seem to be
    /// proven although nothing verifies it.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let refused = |why: serde_json::Error| Error::unproven(format!("not a proof: {why}"));
        let proof: Self = serde_json::from_str(text).map_err(refused)?;
        let given: serde_json::Value = serde_json::from_str(text).map_err(refused)?;
        let understood = serde_json::to_value(&proof).map_err(refused)?;
        if given != understood {
            return Err(Error::unproven(
                "not a proof as `blotter prove` writes it: it has additional fields, or values in another notation",
            ));
        }
        Ok(proof)
    }

    /// Returns the proof as indented JSON.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] if it cannot be serialized, which no valid proof causes.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map_err(Error::unproven)
    }

    /// Verifies that the entry is as it was sealed, and that one of these keys signed the seal.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] if not; the text says which step failed.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<(), Error> {
        let Self { entry, inclusion_proof, seal } = self;
        if seal.scheme != SCHEME {
            return Err(Error::unproven(format!(
                "the scheme {} of the seal is unknown to this build; use a newer build",
                seal.scheme
            )));
        }
        if !keys.contains(&seal.public_key) {
            return Err(Error::unproven(format!(
                "the seal is signed with the key {}, which is not one of the given keys",
                seal.public_key
            )));
        }
        if !seal.is_signed() {
            return Err(Error::unproven("the signature of the seal does not match its content"));
        }
        if !entry.has_exactly_attested_rows() {
            return Err(Error::unproven(
                "the rows beside the entry are not the ones that it attests",
            ));
        }
        let entries = u64::try_from(seal.entries).unwrap_or(0);
        let index =
            seal.covered.index_of(entry.log.sequence).filter(|_| seal.covered.count() == entries);
        let Some(index) = index else {
            let why = format!("the seal does not cover entry {}", entry.log.sequence);
            return Err(Error::unproven(why));
        };
        let root = tree::root_from_proof(inclusion_proof, entry.leaf(), index, entries);
        if root != Some(seal.root) {
            return Err(Error::unproven(
                "the entry, or a row that it attests, is not what was sealed: its leaf does not lead to the root",
            ));
        }
        Ok(())
    }
}

impl<R: Audits> Seals<'_, R> {
    /// Makes a proof for the log entry with this id.
    ///
    /// It runs several queries, so call it in a [`snapshot`](crate::Session::snapshot).
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: there is no such entry, or no seal covers it yet.
    /// - [`Error::is_unproven`]: the entry is not what was sealed; [`Seals::verify`] reports the details.
    /// - Those of the connection.
    pub fn prove(&mut self, id: Uuid) -> Result<Proof, Error> {
        let log: ExecutionLog = ExecutionLog::query()
            .filter(execution_logs::id.eq(id))
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("log entry", id))?;
        let sequence = log.sequence;
        let seal: Seal = Seal::query()
            .filter(seals::covered.contains(sequence))
            .order(seals::id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| {
                Error::not_found("seal of log entry", format!("{id}, which is not sealed yet"))
            })?;
        let entry = AttestedEntry::load(self.conn, vec![log])?.pop();
        let entry = entry.ok_or_else(|| Error::not_found("log entry", id))?;
        let leaves = self.leaves(seal.id)?;
        let index = seal.covered.index_of(sequence).and_then(|index| usize::try_from(index).ok());
        let inclusion_proof = index
            .filter(|index| *index < leaves.len())
            .map(|index| tree::inclusion_proof(&leaves, index));
        let proof = Proof { entry, inclusion_proof: inclusion_proof.unwrap_or_default(), seal };
        // Never hand out a proof that does not hold. Whether the key is trusted is for its reader to decide.
        proof.verify(&[proof.seal.public_key]).map_err(|why| {
            Error::unproven(format!(
                "entry {id} can't be proven: {why}; run blotter verify for details"
            ))
        })?;
        Ok(proof)
    }
}
