//! Verification of the log against its seals, and of the seals against each other, the trusted keys and the
//! checkpoint file.

mod compare;
mod finding;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::{max, not, sum};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Int8, Multirange};

pub use self::finding::{EntryRef, Finding, SealFlaw};

use self::compare::{Comparison, Mismatch};
use super::bytes::Hash;
use super::checkpoint::CheckpointFile;
use super::entry::AttestedEntry;
use super::key::PublicKey;
use super::seal::{PAGE, SCHEME, Seal, Seals};
use super::sequences::SequenceSet;
use super::tree;
use crate::database::role::Audits;
use crate::error::Error;
use crate::schema::{execution_logs, seals};

/// Entries, of each kind, that are remembered to recognize one that was moved to another number. Bounds the
/// memory of a verification that finds much; what is beyond it is reported as altered instead of reordered.
const MAX_REMEMBERED: usize = 10_000;

/// Options of a verification: what it trusts, and where it starts to read entries.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Public keys that seals may be signed with.
    ///
    /// If there is none, the key of the first seal is trusted, so a history that was rewritten from the first seal
    /// on and sealed with another key verifies.
    pub public_keys: Vec<PublicKey>,
    /// The seals as they were published outside the database.
    ///
    /// Without it, a log whose end was cut off together with its seals verifies.
    pub checkpoint_file: Option<CheckpointFile>,
    /// Where to start to read entries; at the first seal if `None`. The chain of seals is always verified from its beginning.
    pub from: Option<VerifyFrom>,
}

/// The first seal whose entries a verification reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyFrom {
    /// The seal with this number.
    Seal(i64),
    /// The first seal made at this time or later.
    Time(DateTime<Utc>),
}

/// An event that a verification reports while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyEvent {
    /// The verification starts; the seals state this many entries.
    Started(u64),
    /// This many more entries were read.
    Checked(u64),
    /// The log or a seal differs from what was sealed.
    Found(Finding),
}

/// The counts of a finished verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verified {
    /// Seals in the chain.
    pub seals: u64,
    /// Sealed entries that were read.
    pub entries: u64,
    /// Entries that no seal covers yet.
    pub unsealed: u64,
    /// Findings; 0 if everything is as it was sealed.
    pub findings: u64,
    /// Whether the last seal, and no other, is missing from the checkpoint file.
    ///
    /// The sealer may have been stopped before it wrote the line, and writes it when it runs again. More than one
    /// missing line is a finding.
    pub is_last_seal_unpublished: bool,
}

impl<R: Audits> Seals<'_, R> {
    /// Recomputes every leaf, root, link and signature, and reports each difference as a [`Finding`].
    ///
    /// A finding names the entry that was altered, removed, added or moved, or the seal that is flawed,
    /// missing, or different from the checkpoint file's. Memory does not grow with the log.
    ///
    /// Run it in a [`snapshot`](crate::Session::snapshot): writers and sealers are not blocked, and their
    /// uncommitted work is not mistaken for tampering. [Read](CheckpointFile::read) the checkpoint file before
    /// the snapshot begins. This function reads it a second time: every seal in the first version must be in
    /// the database, and every seal of the database except the last must be in the second version.
    ///
    /// # Errors
    ///
    /// Those of the connection and of [`CheckpointFile::read`]. A finding is not an error.
    pub fn verify(
        &mut self,
        options: &VerifyOptions,
        on_event: impl FnMut(VerifyEvent),
    ) -> Result<Verified, Error> {
        let mut verification = Verification::new(options, on_event);
        verification.start(self)?;
        verification.verify_checkpoint_file();
        verification.verify_chain(self)?;
        verification.verify_uncovered(self)?;
        verification.report_mismatches();
        Ok(verification.verified)
    }
}

/// The state of a verification that is under way.
struct Verification<'o, T> {
    options: &'o VerifyOptions,
    on_event: T,
    verified: Verified,
    /// The checkpoint file, read again after the snapshot was taken.
    latest_checkpoints: Option<CheckpointFile>,
    /// The key of the first seal; trusted if the caller has named none.
    first_key: Option<PublicKey>,
    /// All numbers that the seals so far cover.
    covered: SequenceSet,
    /// The greatest settled number of the seals so far.
    settled: i64,
    /// The settled number of the last seal whose entries are not to be read.
    skipped: i64,
    /// Whether `covered` is complete: no seal so far is missing, forged or unreadable.
    is_coverage_known: bool,
    /// Sealed leaves that were not found under their number, each with that number.
    lost: HashMap<Hash, i64>,
    mismatches: Vec<Mismatch>,
}

impl<'o, T: FnMut(VerifyEvent)> Verification<'o, T> {
    fn new(options: &'o VerifyOptions, on_event: T) -> Self {
        Self {
            options,
            on_event,
            verified: Verified::default(),
            latest_checkpoints: None,
            first_key: None,
            covered: SequenceSet::default(),
            settled: 0,
            skipped: 0,
            is_coverage_known: true,
            lost: HashMap::new(),
            mismatches: Vec::new(),
        }
    }

    fn report(&mut self, finding: Finding) {
        self.verified.findings += 1;
        (self.on_event)(VerifyEvent::Found(finding));
    }

    fn report_seal(&mut self, seal: i64, flaw: SealFlaw) {
        self.report(Finding::Seal(seal, flaw));
    }

    fn trusts(&mut self, key: PublicKey) -> bool {
        match self.options.public_keys.as_slice() {
            [] => *self.first_key.get_or_insert(key) == key,
            keys => keys.contains(&key),
        }
    }

    /// Reports how many entries there are to read, then reads the checkpoint file again. The query comes first:
    /// it takes the snapshot, so the file has every seal that the snapshot has, but perhaps the last.
    fn start<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let entries: Option<i64> =
            seals::table.select(sum(seals::entries)).get_result(seals.conn)?;
        (self.on_event)(VerifyEvent::Started(entries.and_then(|n| n.try_into().ok()).unwrap_or(0)));
        let file = self.options.checkpoint_file.as_ref();
        self.latest_checkpoints = file.map(CheckpointFile::read_again).transpose()?;
        Ok(())
    }

    /// Verifies the lines of the checkpoint file in themselves: signature, key and link.
    fn verify_checkpoint_file(&mut self) {
        let Some(file) = &self.options.checkpoint_file else { return };
        let mut previous: Option<&Seal> = None;
        for seal in file.checkpoints() {
            let follows =
                |previous: &Seal| seal.id == previous.id + 1 && seal.previous == previous.hash();
            let flaw = if !seal.is_signed() {
                Some("is not signed with the key that it names")
            } else if !self.trusts(seal.public_key) {
                Some("is signed with a key that is not trusted")
            } else if !previous.is_none_or(follows) {
                Some("does not follow the line before it")
            } else {
                None
            };
            if let Some(flaw) = flaw {
                self.report_seal(seal.id, SealFlaw::BadCheckpoint(flaw));
            }
            previous = Some(seal);
        }
    }

    /// Verifies every seal together with its entries.
    fn verify_chain<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let mut last = 0;
        let mut previous: Option<Seal> = None;
        loop {
            let ids: Vec<i64> = seals::table
                .filter(seals::id.gt(last))
                .select(seals::id)
                .order(seals::id)
                .limit(PAGE)
                .load(seals.conn)?;
            for id in &ids {
                if *id > last + 1 {
                    self.is_coverage_known = false;
                    self.report(Finding::MissingSeals(last + 1, *id - 1));
                }
                let neighbour = previous.take().filter(|previous| previous.id == *id - 1);
                previous = self.verify_seal(seals, *id, neighbour)?;
                last = *id;
            }
            if (ids.len() as i64) < PAGE {
                break;
            }
        }
        self.compare_ends(last);
        Ok(())
    }

    /// Reports the last seals that only the checkpoint file or only the database has; `last` is the
    /// database's last.
    fn compare_ends(&mut self, last: i64) {
        let Some(file) = &self.options.checkpoint_file else { return };
        for seal in file.checkpoints().filter(|seal| seal.id > last) {
            self.report_seal(seal.id, SealFlaw::NotInDatabase);
        }
        let latest = self.latest_checkpoints.as_ref().and_then(CheckpointFile::last);
        let published = latest.map_or(0, |seal| seal.id);
        self.verified.is_last_seal_unpublished = last == published + 1;
        if last > published + 1 {
            (published + 1..=last)
                .for_each(|id| self.report_seal(id, SealFlaw::NotInCheckpointFile));
        }
    }

    /// Verifies one seal and returns it, if it can be read. `previous` is the seal before it, if that one can
    /// be read.
    fn verify_seal<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
        id: i64,
        previous: Option<Seal>,
    ) -> Result<Option<Seal>, Error> {
        self.verified.seals += 1;
        let read = Seal::query().find(id).first(seals.conn);
        let seal = match read {
            Ok(seal) => seal,
            Err(DieselError::DeserializationError(why)) => {
                self.is_coverage_known = false;
                self.report_seal(id, SealFlaw::Unreadable(why.to_string()));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if seal.scheme != SCHEME {
            self.is_coverage_known = false;
            self.report_seal(id, SealFlaw::UnknownScheme(seal.scheme));
            return Ok(Some(seal));
        }
        if !seal.is_signed() {
            self.is_coverage_known = false;
            self.report_seal(id, SealFlaw::BadSignature);
        } else if !self.trusts(seal.public_key) {
            self.report_seal(id, SealFlaw::UntrustedKey(seal.public_key));
        }
        let previous_hash = match &previous {
            Some(previous) => Some(previous.hash()),
            None => (id == 1).then_some(Seal::HASH_BEFORE_FIRST),
        };
        if previous_hash.is_some_and(|hash| hash != seal.previous) {
            self.report_seal(id, SealFlaw::BrokenLink);
        }
        let checkpoint = self.latest_checkpoints.as_ref().and_then(|file| file.get(id));
        if checkpoint.is_some_and(|checkpoint| *checkpoint != seal) {
            self.report_seal(id, SealFlaw::Fork);
        }
        let reads_entries = match self.options.from {
            None => true,
            Some(VerifyFrom::Seal(first)) => id >= first,
            Some(VerifyFrom::Time(time)) => seal.sealed_at >= time,
        };
        let leaves = seals.leaves(id)?;
        if seal.covered.count() != leaves.len() as u64 || seal.entries as usize != leaves.len() {
            self.is_coverage_known = false;
            self.report_seal(id, SealFlaw::WrongCount);
        } else if reads_entries {
            self.verify_entries(seals, &seal, &leaves)?;
        } else {
            self.skipped = seal.settled;
        }
        if !self.covered.is_disjoint(&seal.covered) {
            self.report_seal(id, SealFlaw::Overlap);
        }
        self.covered.merge(&seal.covered);
        if seal.settled < self.settled {
            self.report_seal(id, SealFlaw::SettledDecreased);
        }
        self.settled = self.settled.max(seal.settled);
        Ok(Some(seal))
    }

    /// Verifies the entries that a seal covers against the leaves that it stores and against its root.
    fn verify_entries<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
        seal: &Seal,
        stored: &[Hash],
    ) -> Result<(), Error> {
        let mut comparison =
            Comparison { leaves: Vec::with_capacity(stored.len()), ..Comparison::default() };
        let numbers: Vec<i64> = seal.covered.iter().collect();
        for (numbers, sealed) in numbers.chunks(PAGE as usize).zip(stored.chunks(PAGE as usize)) {
            let (entries, unreadable) = AttestedEntry::load_by_sequence(seals.conn, numbers)?;
            comparison.compare_page(seal.id, numbers, sealed, &entries, unreadable);
            self.verified.entries += numbers.len() as u64;
            (self.on_event)(VerifyEvent::Checked(numbers.len() as u64));
        }
        if tree::root(stored) != seal.root {
            if tree::root(&comparison.leaves) == seal.root {
                self.report_seal(seal.id, SealFlaw::AlteredHashes);
                // The entries are as they were sealed: they differ only from the hashes that were changed.
                comparison.mismatches.clear();
                comparison.lost.clear();
            } else {
                self.report_seal(seal.id, SealFlaw::WrongRoot);
            }
        }
        comparison.findings.into_iter().for_each(|finding| self.report(finding));
        for (leaf, sequence) in comparison.lost {
            if self.lost.len() < MAX_REMEMBERED {
                self.lost.insert(leaf, sequence);
            }
        }
        for mismatch in comparison.mismatches {
            if self.mismatches.len() < MAX_REMEMBERED {
                self.mismatches.push(mismatch);
            } else {
                self.report(Finding::Altered(mismatch.entry));
            }
        }
        Ok(())
    }

    /// Verifies the entries that no seal covers: up to the settled number there must be none, and beyond it
    /// none that was sealed under another number.
    fn verify_uncovered<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let mut after = self.skipped;
        // If a seal is missing or forged, an entry that seems uncovered may have been covered by it.
        while self.is_coverage_known && after < self.settled {
            let numbers = self.uncovered_page(seals, after, self.settled)?;
            let Some(last) = numbers.last() else { break };
            after = *last;
            let (entries, unreadable) = AttestedEntry::load_by_sequence(seals.conn, &numbers)?;
            for entry in &entries {
                let (leaf, entry) = (entry.leaf(), EntryRef::of(&entry.log));
                self.report(match self.lost.get(&leaf) {
                    Some(sealed_as) => Finding::Moved { entry, sealed_as: *sealed_as },
                    None => Finding::Added(entry),
                });
            }
            for unreadable in unreadable {
                let (sequence, why) = (unreadable.sequence, unreadable.why);
                self.report(Finding::Unreadable { sequence, why });
            }
        }
        let greatest: Option<i64> =
            execution_logs::table.select(max(execution_logs::sequence)).get_result(seals.conn)?;
        let mut after = self.settled;
        while after < greatest.unwrap_or(0) {
            let numbers = self.uncovered_page(seals, after, i64::MAX)?;
            let Some(last) = numbers.last() else { break };
            after = *last;
            self.verified.unsealed += numbers.len() as u64;
            if self.lost.is_empty() {
                continue;
            }
            for entry in AttestedEntry::load_by_sequence(seals.conn, &numbers)?.0 {
                if let Some(sealed_as) = self.lost.get(&entry.leaf()).copied() {
                    self.report(Finding::Moved { entry: EntryRef::of(&entry.log), sealed_as });
                }
            }
        }
        Ok(())
    }

    /// Returns the first page of the numbers in `after + 1 ..= until` that entries have and no seal covers.
    fn uncovered_page<R: Audits>(
        &self,
        seals: &mut Seals<'_, R>,
        after: i64,
        until: i64,
    ) -> Result<Vec<i64>, Error> {
        let covered = (&self.covered).into_sql::<Multirange<Int8>>();
        Ok(execution_logs::table
            .filter(execution_logs::sequence.gt(after))
            .filter(execution_logs::sequence.le(until))
            .filter(not(covered.contains(execution_logs::sequence)))
            .select(execution_logs::sequence)
            .order(execution_logs::sequence)
            .limit(PAGE)
            .load(seals.conn)?)
    }

    /// Reports each mismatch: as moved if its leaf was sealed under another number, otherwise as altered. This
    /// comes last, when all lost leaves are known.
    fn report_mismatches(&mut self) {
        for Mismatch { entry, leaf } in std::mem::take(&mut self.mismatches) {
            self.report(match self.lost.get(&leaf) {
                Some(sealed_as) => Finding::Moved { entry, sealed_as: *sealed_as },
                None => Finding::Altered(entry),
            });
        }
    }
}
