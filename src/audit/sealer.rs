//! Making seals.

use std::ops::Bound;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::{max, min};
use diesel::prelude::*;

use super::bytes::{Hash, Signature};
use super::key::{PublicKey, SealKey};
use super::note::check_name;
use super::record::Tables;
use super::scheme::{SCHEME, Scheme};
use super::seal::{MAX_RECORDS, Seal, Seals, StoredSeal};
use super::sequences::SequenceSet;
use super::tree::{self, Frontier};
use crate::database::open_transaction::{NUMBERED, OpenTransaction, numbered_tables, writers};
use crate::database::role::Auditor;
use crate::error::Error;
use crate::schema::seals;
use crate::types::difference::MICROSECONDS;

/// Number of records that are read at a time.
pub(super) const PAGE: usize = 1000;

/// The greatest number that a record may have: the greatest integer that a JSON number holds exactly.
pub(super) const MAX_NUMBER: i64 = (1 << 53) - 1;

/// The pause between two looks at the transactions that are writing.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Options of a sealer.
#[derive(Clone, Debug)]
pub struct SealOptions {
    /// Name of the tree, for the first seal; later seals continue with the name of the first.
    ///
    /// It should be a URL without a scheme, such as `example.com/blotter`, that no other log has. By default it
    /// is `tradeblotter/` and the beginning of the hash of the public key.
    pub origin: Option<String>,
    /// Keys besides the sealer's own that may have signed the last seal: the one before it, when the key changes.
    pub earlier_keys: Vec<PublicKey>,
    /// How long to wait for transactions that are writing; 1 second by default. A longer wait delays the seal.
    pub wait: Duration,
}

impl Default for SealOptions {
    fn default() -> Self {
        Self { origin: None, earlier_keys: Vec::new(), wait: Duration::from_secs(1) }
    }
}

/// What came of one call of [`Seals::seal`].
#[derive(Clone, Debug)]
pub struct Sealing {
    /// The new seal; none if there was no record to seal.
    pub seal: Option<Seal>,
    /// Why the settled number did not advance; none if it did, or if nothing is written.
    pub stall: Option<Stall>,
}

/// Transactions that keep the settled number from advancing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When the first seal with the present settled number was made; none if there is no seal yet.
    pub since: Option<DateTime<Utc>>,
    /// The transactions that are writing.
    pub transactions: Vec<OpenTransaction>,
}

impl Seals<'_, Auditor> {
    /// Seals the committed records that no seal covers yet, up to 65536 of them.
    ///
    /// The records with the lowest numbers come first; call it until it returns no seal to seal a backlog.
    ///
    /// A record of a transaction that is still open is covered by a later seal: `covered` holds the numbers
    /// themselves, so a record that is committed after records with greater numbers is not missed. Writers do
    /// not wait for the sealer. The sealer waits up to [`SealOptions::wait`] for the transactions that have written
    /// when it begins: once they have ended, it knows which numbers will never be used, and advances `settled`.
    /// If one takes longer, a later seal advances it; [`Sealing::stall`] names the transaction.
    ///
    /// # Errors
    ///
    /// - [`Error::is_unproven`]: the last seal does not verify, so nothing is appended to it. The error names the
    ///   login that inserted it.
    /// - [`Error::is_duplicate`] (rule `seals_pkey`): another process has sealed at the same time. Call it
    ///   again.
    /// - [`Error::is_invalid_input`]: the origin is not a name.
    /// - Those of the connection.
    pub fn seal(&mut self, key: &SealKey, options: &SealOptions) -> Result<Sealing, Error> {
        match Scheme::find(SCHEME) {
            Some(scheme) => self.seal_with(scheme, key, options),
            None => Err(Error::unproven("this build knows no scheme")),
        }
    }

    /// Seals records as [`seal`](Self::seal) does, encoded by this scheme.
    pub(super) fn seal_with(
        &mut self,
        scheme: Scheme,
        key: &SealKey,
        options: &SealOptions,
    ) -> Result<Sealing, Error> {
        let last = self.last_verified(key, options)?;
        let (id, settled_before) =
            last.as_ref().map_or((1, 0), |last| (last.seal.id + 1, last.seal.settled));
        let origin = match (&last, &options.origin) {
            (Some(last), _) => last.seal.origin.clone(),
            (None, Some(origin)) => origin.clone(),
            (None, None) => default_origin(key.public()),
        };
        check_name(&origin)?;
        let tables = Tables::find(self.conn)?;
        let (greatest, transactions) = self.wait_for_writers(tables, options.wait)?;
        let stall = match transactions.is_empty() {
            true => None,
            false => Some(Stall { since: self.settled_since(settled_before)?, transactions }),
        };
        let (covered, leaves) = self.unsealed(tables, scheme, settled_before)?;
        let Some((_, end)) = covered.bounds() else { return Ok(Sealing { seal: None, stall }) };
        let settled = match (&stall, greatest) {
            (None, Some(greatest)) if leaves.len() == MAX_RECORDS => greatest.min(end),
            (None, Some(greatest)) => greatest,
            _ => settled_before,
        };
        let mut frontier = last.and_then(|last| last.frontier).unwrap_or_default();
        frontier.extend(&leaves);
        let mut seal = Seal {
            id,
            scheme: scheme.number,
            origin,
            size: i64::try_from(frontier.size()).unwrap_or(i64::MAX),
            covered,
            settled: settled.max(settled_before),
            root: frontier.root(),
            sealed_at: Utc::now().trunc_subsecs(MICROSECONDS),
            public_key: key.public(),
            signature: Signature([0; 64]),
            sealed_by: String::new(),
        };
        seal.signature = key.sign(seal.head().to_string().as_bytes());
        seal.sealed_by = self.insert(&seal, &leaves, &frontier)?;
        Ok(Sealing { seal: Some(seal), stall })
    }

    /// Inserts a seal; returns the login that the database stored.
    fn insert(
        &mut self,
        seal: &Seal,
        leaves: &[Hash],
        frontier: &Frontier,
    ) -> Result<String, Error> {
        diesel::insert_into(seals::table)
            .values((
                seals::id.eq(seal.id),
                seals::scheme.eq(seal.scheme),
                seals::origin.eq(&seal.origin),
                seals::size.eq(seal.size),
                seals::covered.eq(&seal.covered),
                seals::settled.eq(seal.settled),
                seals::leaves.eq(tree::bytes(leaves)),
                seals::frontier.eq(frontier.to_bytes()),
                seals::root.eq(seal.root),
                seals::sealed_at.eq(seal.sealed_at),
                seals::public_key.eq(seal.public_key),
                seals::signature.eq(seal.signature),
            ))
            .returning(seals::sealed_by)
            .get_result(self.conn)
            .map_err(|error| Error::from(error).with_row("seal", seal.id))
    }

    /// Returns the last seal once it has been verified by itself: another seal is appended to nothing else.
    fn last_verified(
        &mut self,
        key: &SealKey,
        options: &SealOptions,
    ) -> Result<Option<StoredSeal>, Error> {
        let last: Option<i64> = seals::table.select(max(seals::id)).get_result(self.conn)?;
        let Some(last) = last else { return Ok(None) };
        let mut keys = options.earlier_keys.clone();
        keys.push(key.public());
        let (_, last) = self.stored_and_verified(last, &keys)?;
        Ok(Some(last))
    }

    /// Waits for the transactions that have written records when it begins. Returns the greatest committed number, and
    /// the transactions that are still open; if there is none, no record with that number or a lesser one will be
    /// committed any more.
    ///
    /// Numbers are drawn in ascending order, by transactions that have a transaction id and hold a lock on a
    /// table of records until they end. One without an id has drawn no number, so it cannot hold up a seal.
    fn wait_for_writers(
        &mut self,
        tables: Tables,
        wait: Duration,
    ) -> Result<(Option<i64>, Vec<OpenTransaction>), Error> {
        let greatest = tables.greatest_number(self.conn)?;
        if greatest.is_none() {
            return Ok((None, Vec::new()));
        }
        let numbered = numbered_tables(self.conn, &NUMBERED)?;
        let started = Instant::now();
        let mut writing = writers(self.conn, &numbered)?;
        while !writing.is_empty() && started.elapsed() < wait {
            thread::sleep(POLL_INTERVAL);
            let still = writers(self.conn, &numbered)?;
            writing.retain(|writer| still.iter().any(|it| it.is_same_transaction(writer)));
        }
        Ok((greatest, writing))
    }

    /// Returns when the first seal with this settled number was made.
    fn settled_since(&mut self, settled: i64) -> Result<Option<DateTime<Utc>>, Error> {
        Ok(seals::table
            .filter(seals::settled.eq(settled))
            .select(min(seals::sealed_at))
            .get_result(self.conn)?)
    }

    /// Returns the numbers and leaves of the records after this number that no seal covers, up to
    /// [`MAX_RECORDS`].
    fn unsealed(
        &mut self,
        tables: Tables,
        scheme: Scheme,
        settled: i64,
    ) -> Result<(SequenceSet, Vec<Hash>), Error> {
        let numbers = unsealed_numbers(self.conn, tables, settled, MAX_RECORDS as i64)?;
        let mut leaves = Vec::with_capacity(numbers.len());
        for page in numbers.chunks(PAGE) {
            let (records, unreadable) = tables.load(self.conn, page)?;
            if let Some(it) = unreadable.first() {
                return Err(Error::unproven(format!(
                    "record {} can't be read: {}; nothing was sealed, run blotter verify",
                    it.number, it.why
                )));
            }
            let unique = records.windows(2).all(|pair| pair[0].number != pair[1].number);
            if !unique || records.len() != page.len() {
                return Err(Error::unproven(
                    "two records have the same number; nothing was sealed, run blotter verify",
                ));
            }
            leaves.extend(records.iter().map(|record| scheme.leaf(record)));
        }
        Ok((numbers.into_iter().collect(), leaves))
    }
}

/// Returns the numbers of the records after this number that no seal covers, lowest first, up to a limit.
pub(super) fn unsealed_numbers(
    conn: &mut PgConnection,
    tables: Tables,
    settled: i64,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    let beyond = vec![(Bound::Excluded(settled), Bound::<i64>::Unbounded)];
    let sealed: Vec<SequenceSet> = seals::table
        .filter(seals::covered.overlaps_with(beyond))
        .select(seals::covered)
        .load(conn)?;
    let sealed = SequenceSet::union(&sealed);
    tables.uncovered(conn, &(settled + 1..=MAX_NUMBER), &sealed, limit)
}

/// Returns the name of a tree for which none was chosen.
fn default_origin(key: PublicKey) -> String {
    let hash = tree::digest(&[key.as_bytes()]).to_string();
    format!("tradeblotter/{}", &hash[..16])
}
