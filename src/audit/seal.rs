//! Seals of the execution log, and the repository that makes and reads them.

use std::ops::Bound;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::{max, not};
use diesel::prelude::*;
use diesel::sql_types::{Int8, Multirange};

use super::bytes::{Hash, Signature};
use super::entry::AttestedEntry;
use super::key::{PublicKey, SealKey};
use super::sequences::SequenceSet;
use super::tree;
use crate::database::postgres::writers_of_log;
use crate::database::role::{Auditor, Audits};
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::schema::{execution_logs, seals};
use crate::types::difference::MICROSECONDS;

/// Number of the encoding that this build seals with and can verify: how entries are hashed and what is signed.
///
/// `docs/seals.md` describes it byte by byte.
pub const SCHEME: i16 = 1;

/// Entries that one seal covers at most. Bounds the memory of sealing and of verifying.
const MAX_ENTRIES: usize = 1 << 16;

/// Number of entries that are read at a time.
pub(super) const PAGE: i64 = 1000;

/// How long to wait for transactions that are writing to the log, and the pause between two looks at them.
const MAX_WAIT: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The prefix of the signed message, so that a signature for another purpose is never one of a seal.
const DOMAIN: &[u8] = b"tradeblotter seal";

/// A signed Merkle root over entries of the log, chained to the seal before it.
///
/// It does not include the hashes of the entries: the root determines them.
#[derive(
    HasQuery, Identifiable, Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize,
)]
#[diesel(table_name = seals)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Seal {
    /// Number of the seal in the chain: 1, 2, 3 and so on.
    pub id: i64,
    /// The scheme by which entries are hashed and the seal is signed; see [`SCHEME`].
    pub scheme: i16,
    /// Sequence numbers of the entries that the seal covers.
    pub covered: SequenceSet,
    /// The settled number: no further entry will ever be committed with this or a lesser sequence number.
    ///
    /// All entries up to it are covered by this seal or an earlier one.
    pub settled: i64,
    /// Number of entries that the seal covers.
    pub entries: i32,
    /// Root of the Merkle tree over the entries.
    pub root: Hash,
    /// Hash of the seal before it; zeros for the first.
    pub previous: Hash,
    /// When the seal was made, by the sealer's clock, to the microsecond.
    pub sealed_at: DateTime<Utc>,
    /// Public key that verifies the signature.
    pub public_key: PublicKey,
    /// Signature over all the other fields.
    pub signature: Signature,
}

impl Seal {
    /// The value of `previous` in the first seal, which has no seal before it.
    pub(super) const HASH_BEFORE_FIRST: Hash = Hash([0; 32]);

    /// Returns the hash of the seal, which the next seal holds as `previous`.
    pub fn hash(&self) -> Hash {
        tree::digest(&[&self.message(), &self.signature.0])
    }

    /// Returns whether the signature matches the seal and the public key that the seal names.
    ///
    /// It does not say whether that key is trusted: compare `public_key` with a key obtained from elsewhere.
    pub fn is_signed(&self) -> bool {
        self.public_key.has_signed(&self.message(), &self.signature)
    }

    /// Encodes the message that is signed: all fields but the signature, as `docs/seals.md` describes.
    fn message(&self) -> Vec<u8> {
        let ranges = self.covered.ranges();
        let mut message = DOMAIN.to_vec();
        message.extend(self.scheme.to_be_bytes());
        message.extend(self.id.to_be_bytes());
        message.extend(self.previous.0);
        message.extend((ranges.len() as u64).to_be_bytes());
        for range in ranges {
            message.extend(range.start().to_be_bytes());
            message.extend(range.end().to_be_bytes());
        }
        message.extend(self.settled.to_be_bytes());
        message.extend(self.entries.to_be_bytes());
        message.extend(self.root.0);
        message.extend(self.sealed_at.timestamp_micros().to_be_bytes());
        message.extend(self.public_key.0);
        message
    }
}

/// Repository of the seals of the execution log, returned by [`Tx::seals`].
pub struct Seals<'c, R> {
    pub(super) conn: &'c mut PgConnection,
    _role: R,
}

impl<R: Audits> Tx<'_, R> {
    /// Returns the repository of the seals of the log.
    pub fn seals(&mut self) -> Seals<'_, R> {
        Seals { _role: self.role(), conn: self.conn() }
    }
}

impl Seals<'_, Auditor> {
    /// Seals the committed entries that no seal covers yet, up to 65536 of them.
    ///
    /// Returns the seal, or `None` if there is no such entry. The entries with the lowest numbers come first; call
    /// it until it returns `None` to seal a backlog.
    ///
    /// An entry of a transaction that is still open is covered by a later seal: `covered` holds the numbers
    /// themselves, so an entry that is committed after entries with greater numbers is not missed. Writers do
    /// not wait for the sealer. The sealer waits up to one second for the transactions that are writing when it
    /// begins: once they have ended, it knows which numbers will never be used, and advances `settled`. If one
    /// takes longer, a later seal advances it.
    ///
    /// # Errors
    ///
    /// - [`Error::is_duplicate`] (rule `seals_pkey`): another process has sealed at the same time. Call it
    ///   again.
    /// - Those of the connection.
    pub fn seal(&mut self, key: &SealKey) -> Result<Option<Seal>, Error> {
        let last = self.last()?;
        let (id, previous, settled_before) = match &last {
            None => (1, Seal::HASH_BEFORE_FIRST, 0),
            Some(last) => (last.id + 1, last.hash(), last.settled),
        };
        let settling = self.wait_for_writers()?;
        let (covered, leaves) = self.unsealed(settled_before)?;
        let Some((_, end)) = covered.bounds() else { return Ok(None) };
        let settled = match settling {
            Some(settled) if leaves.len() == MAX_ENTRIES => settled.min(end),
            Some(settled) => settled,
            None => settled_before,
        };
        let mut seal = Seal {
            id,
            scheme: SCHEME,
            settled: settled.max(settled_before),
            entries: leaves.len() as i32,
            root: tree::root(&leaves),
            covered,
            previous,
            sealed_at: Utc::now().trunc_subsecs(MICROSECONDS),
            public_key: key.public(),
            signature: Signature([0; 64]),
        };
        seal.signature = key.sign(&seal.message());
        let hashes: Vec<u8> = leaves.iter().flat_map(|leaf| leaf.0).collect();
        diesel::insert_into(seals::table)
            .values((
                seals::id.eq(seal.id),
                seals::scheme.eq(seal.scheme),
                seals::covered.eq(&seal.covered),
                seals::settled.eq(seal.settled),
                seals::entries.eq(seal.entries),
                seals::leaves.eq(hashes),
                seals::root.eq(seal.root),
                seals::previous.eq(seal.previous),
                seals::sealed_at.eq(seal.sealed_at),
                seals::public_key.eq(seal.public_key),
                seals::signature.eq(seal.signature),
            ))
            .execute(self.conn)
            .map_err(|error| Error::from(error).with_row("seal", seal.id))?;
        Ok(Some(seal))
    }

    /// Waits for the open transactions that may have drawn a number; returns the number up to which no other
    /// entry will ever be committed, or `None` if one of them is still open after [`MAX_WAIT`].
    ///
    /// Numbers are drawn in ascending order, by transactions that hold a lock on the log until they end. Once
    /// all transactions have ended that held one after the greatest committed number was read, no entry below
    /// it can still be committed. This needs no transaction ids, which a restored or replicated database does
    /// not have.
    fn wait_for_writers(&mut self) -> Result<Option<i64>, Error> {
        let greatest: Option<i64> =
            execution_logs::table.select(max(execution_logs::sequence)).get_result(self.conn)?;
        let Some(greatest) = greatest else { return Ok(None) };
        let started = Instant::now();
        let mut writing = writers_of_log(self.conn)?;
        while !writing.is_empty() && started.elapsed() < MAX_WAIT {
            thread::sleep(POLL_INTERVAL);
            let still = writers_of_log(self.conn)?;
            writing.retain(|writer| still.contains(writer));
        }
        Ok(writing.is_empty().then_some(greatest))
    }

    /// Returns the numbers and leaves of the entries after this number that no seal covers, up to
    /// [`MAX_ENTRIES`].
    fn unsealed(&mut self, after: i64) -> Result<(SequenceSet, Vec<Hash>), Error> {
        let beyond = vec![(Bound::Excluded(after), Bound::<i64>::Unbounded)];
        let sealed: Vec<SequenceSet> = seals::table
            .filter(seals::covered.overlaps_with(beyond))
            .select(seals::covered)
            .load(self.conn)?;
        let sealed = sealed.iter().fold(SequenceSet::default(), |mut all, some| {
            all.merge(some);
            all
        });
        let (mut covered, mut leaves, mut after) = (SequenceSet::default(), Vec::new(), after);
        loop {
            let left = i64::try_from(MAX_ENTRIES - leaves.len()).unwrap_or(PAGE).min(PAGE);
            let log: Vec<ExecutionLog> = ExecutionLog::query()
                .filter(execution_logs::sequence.gt(after))
                .filter(not((&sealed)
                    .into_sql::<Multirange<Int8>>()
                    .contains(execution_logs::sequence)))
                .order(execution_logs::sequence)
                .limit(left)
                .load(self.conn)?;
            let Some(last) = log.last() else { break };
            after = last.sequence;
            let full = log.len() as i64 == PAGE;
            for entry in AttestedEntry::load(self.conn, log)? {
                covered.insert(entry.log.sequence);
                leaves.push(entry.leaf());
            }
            if !full || leaves.len() == MAX_ENTRIES {
                break;
            }
        }
        Ok((covered, leaves))
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

    /// Returns up to `limit` seals after the one with this number, in the order of the chain.
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

    /// Returns the stored leaves of a seal. They prove nothing until they lead to its root.
    pub(super) fn leaves(&mut self, id: i64) -> Result<Vec<Hash>, Error> {
        let stored: Vec<u8> = seals::table.find(id).select(seals::leaves).first(self.conn)?;
        let leaf = |bytes: &[u8]| bytes.try_into().ok().map(Hash);
        Ok(stored.chunks(32).filter_map(leaf).collect())
    }
}
