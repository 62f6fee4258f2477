//! Seals of the log: each covers what is committed and not sealed yet.

use std::ops::Bound;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::{max, not};
use diesel::prelude::*;
use diesel::sql_types::{Int8, Multirange};

use super::bytes::{Hash, Signature};
use super::entry::Entry;
use super::key::{PublicKey, SealKey};
use super::sequences::Sequences;
use super::tree;
use crate::database::postgres::writers_of_log;
use crate::database::role::{Auditor, Audits};
use crate::database::session::Tx;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::schema::{execution_logs, seals};
use crate::types::difference::MICROSECONDS;

/// How entries are hashed and what is signed, by this build.
pub const SCHEME: i16 = 1;

/// Entries that one seal covers at most, so that neither sealing nor verifying takes much memory.
const MOST: usize = 1 << 16;

/// Entries that are read at a time.
pub(super) const PAGE: i64 = 1000;

/// How long to wait for those who were writing, and how long between two looks.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);

/// With what a message begins that is signed as a seal.
const DOMAIN: &[u8] = b"tradeblotter seal";

/// A seal, without the hashes of the entries that it covers: those are bound by its root.
#[derive(
    HasQuery, Identifiable, Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize,
)]
#[diesel(table_name = seals)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Seal {
    /// Place in the chain: 1, 2, 3 and so on.
    pub id: i64,
    /// How entries are hashed and what is signed.
    pub scheme: i16,
    /// The numbers of the entries that are sealed with it.
    pub covered: Sequences,
    /// Up to this number every entry is in this seal or one before it, and none will come.
    pub settled: i64,
    /// How many entries are sealed with it.
    pub entries: i32,
    /// Root of the Merkle tree over the hashes of the entries.
    pub root: Hash,
    /// Hash of the seal before it; of the first, zeros.
    pub previous: Hash,
    /// When it was sealed, by the clock of whoever did; to the microsecond.
    pub sealed_at: DateTime<Utc>,
    /// The key that it is signed with.
    pub public_key: PublicKey,
    /// The signature over all of it.
    pub signature: Signature,
}

impl Seal {
    /// What the first seal has for the hash of the one before it.
    pub(super) const NONE_BEFORE: Hash = Hash([0; 32]);

    /// What the next seal has for the hash of the one before it.
    pub fn hash(&self) -> Hash {
        tree::digest(&[&self.message(), &self.signature.0])
    }

    /// Whether the signature is one of this seal, by the key that the seal names.
    pub fn is_signed(&self) -> bool {
        self.public_key.has_signed(&self.message(), &self.signature)
    }

    /// What is signed: all of it but the signature, as `docs/seals.md` has it.
    fn message(&self) -> Vec<u8> {
        let runs = self.covered.runs();
        let mut message = DOMAIN.to_vec();
        message.extend(self.scheme.to_be_bytes());
        message.extend(self.id.to_be_bytes());
        message.extend(self.previous.0);
        message.extend((runs.len() as u64).to_be_bytes());
        for run in runs {
            message.extend(run.start().to_be_bytes());
            message.extend(run.end().to_be_bytes());
        }
        message.extend(self.settled.to_be_bytes());
        message.extend(self.entries.to_be_bytes());
        message.extend(self.root.0);
        message.extend(self.sealed_at.timestamp_micros().to_be_bytes());
        message.extend(self.public_key.0);
        message
    }
}

/// The repository of seals, from [`Tx::seals`].
pub struct Seals<'c, R> {
    pub(super) conn: &'c mut PgConnection,
    _role: R,
}

impl<R: Audits> Tx<'_, R> {
    /// The seals of the log.
    pub fn seals(&mut self) -> Seals<'_, R> {
        Seals { _role: self.role(), conn: self.connection() }
    }
}

impl Seals<'_, Auditor> {
    /// Seals every entry that is committed and not sealed yet, up to 65536 of them, those with the least
    /// numbers first. Returns the seal; nothing if there is no such entry. Call it again until it returns
    /// nothing to seal what is left.
    ///
    /// An entry of a transaction that is still open is in a later seal: what is covered is kept as the
    /// numbers themselves, so one that turns up below others is not passed over. Nobody who writes waits
    /// for this. It waits itself for those who are writing when it begins, for up to a second: then it is
    /// known which numbers will never come, and the seal says so. If one of them takes longer, a later
    /// seal says it.
    ///
    /// # Errors
    ///
    /// - [`Error::is_duplicate`] (rule `seals_pkey`): another process has sealed meanwhile. Call it again.
    /// - Those of the connection.
    pub fn seal(&mut self, key: &SealKey) -> Result<Option<Seal>, Error> {
        let last = self.last()?;
        let (id, previous, before) = match &last {
            None => (1, Seal::NONE_BEFORE, 0),
            Some(last) => (last.id + 1, last.hash(), last.settled),
        };
        let settling = self.settle()?;
        let (covered, leaves) = self.unsealed(before)?;
        let Some((_, end)) = covered.ends() else { return Ok(None) };
        let settled = match settling {
            Some(settled) if leaves.len() == MOST => settled.min(end),
            Some(settled) => settled,
            None => before,
        };
        let mut seal = Seal {
            id,
            scheme: SCHEME,
            settled: settled.max(before),
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

    /// The number up to which every entry is committed or will never be; none if somebody who may have
    /// drawn a lesser one keeps on writing.
    ///
    /// Numbers are drawn in their order, by transactions that hold a lock on the log until they end. So
    /// once all those have ended that held one after the greatest committed number was seen, what is
    /// committed below it is all there will be. It takes no transaction ids, which a restored or
    /// replicated database would not have.
    fn settle(&mut self) -> Result<Option<i64>, Error> {
        let greatest: Option<i64> =
            execution_logs::table.select(max(execution_logs::sequence)).get_result(self.conn)?;
        let Some(greatest) = greatest else { return Ok(None) };
        let begun = Instant::now();
        let mut writing = writers_of_log(self.conn)?;
        while !writing.is_empty() && begun.elapsed() < PATIENCE {
            thread::sleep(LOOK);
            let still = writers_of_log(self.conn)?;
            writing.retain(|writer| still.contains(writer));
        }
        Ok(writing.is_empty().then_some(greatest))
    }

    /// Entries after this number that no seal covers, and their leaves.
    fn unsealed(&mut self, after: i64) -> Result<(Sequences, Vec<Hash>), Error> {
        let beyond = vec![(Bound::Excluded(after), Bound::<i64>::Unbounded)];
        let sealed: Vec<Sequences> = seals::table
            .filter(seals::covered.overlaps_with(beyond))
            .select(seals::covered)
            .load(self.conn)?;
        let sealed = sealed.iter().fold(Sequences::default(), |mut all, some| {
            all.absorb(some);
            all
        });
        let (mut covered, mut leaves, mut after) = (Sequences::default(), Vec::new(), after);
        loop {
            let left = i64::try_from(MOST - leaves.len()).unwrap_or(PAGE).min(PAGE);
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
            for entry in Entry::with_facts(self.conn, log)? {
                covered.insert(entry.log.sequence);
                leaves.push(entry.leaf());
            }
            if !full || leaves.len() == MOST {
                break;
            }
        }
        Ok((covered, leaves))
    }
}

impl<R: Audits> Seals<'_, R> {
    /// The last seal; none if nothing is sealed yet.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn last(&mut self) -> Result<Option<Seal>, Error> {
        Ok(Seal::query().order(seals::id.desc()).first(self.conn).optional()?)
    }

    /// The seal at this place in the chain.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] when the chain is shorter.
    pub fn get(&mut self, id: i64) -> Result<Seal, Error> {
        Seal::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("seal", id))
    }

    /// Up to `limit` seals after this place in the chain; 0 is before the first.
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

    /// The leaves of a seal, as they are stored: bound by nothing until they lead to its root.
    pub(super) fn leaves(&mut self, id: i64) -> Result<Vec<Hash>, Error> {
        let stored: Vec<u8> = seals::table.find(id).select(seals::leaves).first(self.conn)?;
        let leaf = |bytes: &[u8]| bytes.try_into().ok().map(Hash);
        Ok(stored.chunks(32).filter_map(leaf).collect())
    }
}
