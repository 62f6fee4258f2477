//! Seals, and the repository that reads them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::bytes::{Hash, Signature};
use super::checkpoint::{Checkpoint, TreeHead};
use super::key::PublicKey;
use super::note::{NoteSignature, VerifierKey, check_name};
use super::scheme::Scheme;
use super::sequences::SequenceSet;
use super::tree::{self, Frontier};
use crate::database::role::Audits;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::seals;

/// Records that one seal covers at most. Bounds the memory of sealing and of verifying.
pub(super) const MAX_RECORDS: usize = 1 << 16;

/// A seal: the signed head of the tree after the records that it covers were appended.
///
/// It does not include the hashes of the records: the root determines them.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[diesel(table_name = seals)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Seal {
    /// Number of the seal: 1, 2, 3 and so on.
    pub id: i64,
    /// The scheme by which its records are encoded; see [`SCHEME`](super::SCHEME).
    pub scheme: i16,
    /// Name of the tree, the same in each seal. It is also the name of the key.
    pub origin: String,
    /// Number of leaves of the tree with this seal.
    pub size: i64,
    /// Numbers of the records that the seal covers.
    pub covered: SequenceSet,
    /// The settled number: no further record will ever be committed with this or a lesser number.
    ///
    /// All records up to it are covered by this seal or an earlier one.
    pub settled: i64,
    /// Root of the tree.
    pub root: Hash,
    /// When the seal was made, by the sealer's clock, to the microsecond.
    pub sealed_at: DateTime<Utc>,
    /// Public key that verifies the signature.
    pub public_key: PublicKey,
    /// Signature over the [tree head](Seal::head).
    pub signature: Signature,
    /// Login that inserted the seal, by the database. It is not signed.
    pub sealed_by: String,
}

impl Seal {
    /// Returns the number of records that the seal covers.
    pub fn records(&self) -> u64 {
        self.covered.count()
    }

    /// Returns the tree head: what is signed.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            origin: self.origin.clone(),
            size: self.size,
            root: self.root,
            seal: self.id,
            scheme: self.scheme,
            covered: self.covered.bounds().unwrap_or_default(),
            covered_hash: self.covered.hash(),
            settled: self.settled,
            sealed_at: self.sealed_at,
        }
    }

    /// Returns the seal as it is published.
    pub fn checkpoint(&self) -> Checkpoint {
        let key = VerifierKey::log(&self.origin, self.public_key);
        Checkpoint::new(self.head(), NoteSignature::of_log(&key, &self.signature))
    }

    /// Returns whether the signature matches the seal and the public key that the seal names.
    ///
    /// It does not say whether that key is trusted: compare `public_key` with a key obtained from elsewhere.
    pub fn is_signed(&self) -> bool {
        let text = self.head().to_string();
        check_name(&self.origin).is_ok()
            && self.public_key.has_signed(text.as_bytes(), &self.signature)
    }

    /// Returns the error that names a flaw of the seal and the login that inserted it.
    pub(crate) fn refused(&self, flaw: &str) -> Error {
        Error::unproven(format!(
            "seal {}, inserted by {}, {flaw}; run blotter verify for details",
            self.id, self.sealed_by
        ))
    }
}

/// A seal with the hashes that are stored beside it. They prove nothing until they lead to its root.
pub(super) struct StoredSeal {
    pub seal: Seal,
    /// The leaf of each record.
    pub leaves: Vec<Hash>,
    /// The frontier of the tree with this seal; none if it does not lead to the root.
    pub frontier: Option<Frontier>,
}

impl StoredSeal {
    fn from_row((seal, leaves, frontier): (Seal, Vec<u8>, Vec<u8>)) -> Self {
        let frontier = u64::try_from(seal.size)
            .ok()
            .and_then(|size| Frontier::from_bytes(size, &frontier))
            .filter(|frontier| frontier.root() == seal.root);
        Self { leaves: tree::hashes(&leaves).unwrap_or_default(), frontier, seal }
    }

    /// Returns whether the seal has one leaf for each of its records, not more than a seal may have.
    pub fn has_a_leaf_for_each_record(&self) -> bool {
        self.seal.records() == self.leaves.len() as u64
            && (1..=MAX_RECORDS).contains(&self.leaves.len())
    }

    /// Returns the index of the seal's first leaf in the tree; none if the seal has more leaves than the tree.
    pub fn first_index(&self) -> Option<u64> {
        u64::try_from(self.seal.size).ok()?.checked_sub(self.leaves.len() as u64)
    }

    /// Returns what is wrong with the seal as the successor of the seal before it, which is none for the first; none if
    /// nothing is. The reason completes "seal 7 …".
    ///
    /// The next seal, a checkpoint file and a proof ask this before they use a seal. A report, which reads no leaves,
    /// checks the signature alone.
    pub fn flaw(&self, before: Option<&Self>, keys: &[PublicKey]) -> Option<String> {
        let seal = &self.seal;
        let continued = match before {
            Some(before) => before.frontier.clone(),
            None => Some(Frontier::default()),
        };
        let continued = continued.map(|mut frontier| {
            frontier.extend(&self.leaves);
            frontier
        });
        let (id, settled) = before.map_or((0, 0), |before| (before.seal.id, before.seal.settled));
        let has_origin = before.is_none_or(|before| before.seal.origin == seal.origin);
        let why = if !seal.is_signed() {
            "has a signature that does not match its content"
        } else if !keys.contains(&seal.public_key) {
            return Some(format!(
                "is signed with the key {}, which is not trusted",
                seal.public_key
            ));
        } else if !self.has_a_leaf_for_each_record() {
            "has not one stored hash for each of its records"
        } else if seal.id != id + 1 || !has_origin || seal.settled < settled {
            "does not follow the seal before it"
        } else if self.frontier.is_none() || self.frontier != continued {
            "has a root to which its stored hashes do not lead from the seal before it"
        } else if Scheme::find(seal.scheme).is_none() {
            return Some(format!(
                "has the scheme {}, which is unknown to this build; use a newer build",
                seal.scheme
            ));
        } else {
            return None;
        };
        Some(why.to_owned())
    }
}

/// Repository of the seals, returned by [`Tx::seals`].
pub struct Seals<'c, R> {
    pub(super) conn: &'c mut PgConnection,
    pub(super) role: R,
}

impl<R: Audits> Tx<'_, R> {
    /// Returns the repository of the seals.
    pub fn seals(&mut self) -> Seals<'_, R> {
        Seals { role: self.role(), conn: self.conn() }
    }
}

impl<R: Audits> Seals<'_, R> {
    /// Returns the last seal; none if nothing is sealed yet.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn last(&mut self) -> Result<Option<Seal>, Error> {
        Ok(Seal::query().order(seals::id.desc()).first(self.conn).optional()?)
    }

    /// Returns the seal with this number.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] if there is none; and those of the connection.
    pub fn get(&mut self, id: i64) -> Result<Seal, Error> {
        Seal::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("seal", id))
    }

    /// Returns up to `limit` seals after the one with this number, in ascending order.
    ///
    /// An `id` of 0 begins with the first seal.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn after(&mut self, id: i64, limit: u16) -> Result<Vec<Seal>, Error> {
        Ok(Seal::query()
            .filter(seals::id.gt(id))
            .order(seals::id)
            .limit(limit.into())
            .load(self.conn)?)
    }

    /// Returns the seal with this number, with its stored hashes, once it is verified as the successor of the seal
    /// before it.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`], which names the flaw and the login that inserted the seal; and those of the connection.
    pub(super) fn stored_and_verified(
        &mut self,
        id: i64,
        keys: &[PublicKey],
    ) -> Result<(Option<StoredSeal>, StoredSeal), Error> {
        let seal = self.stored(id)?;
        let before = match id {
            1 => None,
            _ => self.stored(id - 1).optional()?,
        };
        match seal.flaw(before.as_ref(), keys) {
            Some(flaw) => Err(seal.seal.refused(&flaw)),
            None => Ok((before, seal)),
        }
    }

    /// Returns the seal with this number and its stored hashes.
    pub(super) fn stored(&mut self, id: i64) -> QueryResult<StoredSeal> {
        seals::table
            .find(id)
            .select((Seal::as_select(), seals::leaves, seals::frontier))
            .first(self.conn)
            .map(StoredSeal::from_row)
    }
}
