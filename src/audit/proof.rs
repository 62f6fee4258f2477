//! A proof that an entry was sealed: it holds without the database.

use diesel::prelude::*;
use uuid::Uuid;

use super::bytes::Hash;
use super::entry::Entry;
use super::key::PublicKey;
use super::seal::{SCHEME, Seal, Seals};
use super::tree;
use crate::database::role::Audits;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::schema::{execution_logs, seals};

/// An entry with what it attests, its path to the root of a seal, and the seal: all that it takes to see
/// that the entry was as it is when it was sealed, but the public key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Proof {
    /// The entry.
    pub entry: Entry,
    /// What lies beside the way from its leaf up to the root.
    pub path: Vec<Hash>,
    /// The seal.
    pub seal: Seal,
}

impl Proof {
    /// Reads a proof from JSON, as [`Proof::to_json`] writes it.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] for anything else, such as one with a field more: what is not looked at would
    /// seem to be proven.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let refused = |why: serde_json::Error| Error::unproven(format!("this is no proof: {why}"));
        let proof: Self = serde_json::from_str(text).map_err(refused)?;
        let said: serde_json::Value = serde_json::from_str(text).map_err(refused)?;
        let read = serde_json::to_value(&proof).map_err(refused)?;
        if said != read {
            return Err(Error::unproven(
                "this is no proof: it says more than a proof does, or otherwise",
            ));
        }
        Ok(proof)
    }

    /// The proof as JSON, for a file.
    ///
    /// # Errors
    ///
    /// None that can be: all of it can be written.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map_err(Error::unproven)
    }

    /// Whether the entry was sealed as it is here, with one of these keys.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] when it was not: the text says which step does not hold.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<(), Error> {
        let Self { entry, path, seal } = self;
        if seal.scheme != SCHEME {
            return Err(Error::unproven(format!(
                "the seal is of scheme {}, which this build does not know; use a newer build",
                seal.scheme
            )));
        }
        if !keys.contains(&seal.public_key) {
            return Err(Error::unproven(format!(
                "the seal is signed with the key {}, which is not one that was given",
                seal.public_key
            )));
        }
        if !seal.is_signed() {
            return Err(Error::unproven("the signature is not one of this seal"));
        }
        if !entry.is_whole() {
            return Err(Error::unproven("what stands beside the entry is not what it attests"));
        }
        let entries = u64::try_from(seal.entries).unwrap_or(0);
        let place =
            seal.covered.place(entry.log.sequence).filter(|_| seal.covered.count() == entries);
        let Some(place) = place else {
            let why = format!("the seal does not cover entry {}", entry.log.sequence);
            return Err(Error::unproven(why));
        };
        if tree::root_by(path, entry.leaf(), place, entries) != Some(seal.root) {
            return Err(Error::unproven(
                "the entry, or what it attests, is not what was sealed: it does not lead to the root",
            ));
        }
        Ok(())
    }
}

impl<R: Audits> Seals<'_, R> {
    /// Proves that the entry of the log with this id was sealed. These are several queries: in a
    /// [`snapshot`](crate::Session::snapshot) they agree.
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: there is no such entry, or it is not sealed yet.
    /// - [`Error::is_unproven`]: it is not what was sealed; [`Seals::verify`] says more.
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
        let entry = Entry::with_facts(self.conn, vec![log])?.pop();
        let entry = entry.ok_or_else(|| Error::not_found("log entry", id))?;
        let leaves = self.leaves(seal.id)?;
        let place = seal.covered.place(sequence).and_then(|place| usize::try_from(place).ok());
        let path =
            place.filter(|place| *place < leaves.len()).map(|place| tree::path(&leaves, place));
        let proof = Proof { entry, path: path.unwrap_or_default(), seal };
        // A proof that does not hold helps nobody; whether the key is the right one is for who reads it.
        proof.verify(&[proof.seal.public_key]).map_err(|why| {
            Error::unproven(format!("entry {id} can't be proven: {why}; run blotter verify"))
        })?;
        Ok(proof)
    }
}
