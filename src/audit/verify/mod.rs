//! Verification of the store: of its records against their seals, of the seals against each other, the trusted keys and
//! the checkpoint file, of its rows against the records, and of what the database derives.

mod accounts;
mod archives;
mod compare;
mod finding;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel::result::Error as DieselError;

pub use self::finding::{Finding, RecordKind, RecordRef, SealFlaw};

use self::archives::Archived;
use self::compare::{Comparison, LostLeaf};
use super::archive::{Archive, ArchiveFile};
use super::checkpoint_file::CheckpointFile;
use super::key::PublicKey;
use super::note::VerifierKey;
use super::record::{Record, Tables};
use super::scheme::Scheme;
use super::seal::{Seals, StoredSeal};
use super::sealer::{MAX_NUMBER, PAGE};
use super::sequences::SequenceSet;
use super::tree::Frontier;
use crate::database::postgres;
use crate::database::role::Audits;
use crate::error::Error;
use crate::schema::seals;

/// Records, of each kind, that are remembered to recognize one that was moved to another number. Bounds the memory
/// and the work of a verification that finds much; what is beyond it is reported as altered or added instead of
/// reordered.
const MAX_REMEMBERED: usize = 1000;

/// Options of a verification: what it trusts, and where it starts to read records.
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
    /// Witnesses whose cosignatures in the checkpoint file must verify.
    pub witnesses: Vec<VerifierKey>,
    /// Where to start to read records; at the first seal if `None`. The tree of hashes, the accounts and the derived
    /// columns are always verified in whole.
    pub from: Option<VerifyFrom>,
    /// Files of archives. If there is one, every archive must have its file among them, and each file is verified.
    ///
    /// Without them, records that were removed count as archived, on the word of the superuser who removed them.
    pub archive_files: Vec<ArchiveFile>,
    /// How old a record may become before it is sealed. An older one is a [finding](Finding::Overdue).
    pub max_unsealed_age: Option<Duration>,
}

/// The first seal whose records a verification reads.
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
    /// The verification starts; the seals cover this many records.
    Started(u64),
    /// Records left the database for an archive.
    Archived(Archive),
    /// This many more records were read.
    Checked(u64),
    /// The store or a seal differs from what was sealed, or from what the database should have derived.
    Found(Finding),
}

/// The counts of a finished verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verified {
    /// Seals in the database.
    pub seals: u64,
    /// Sealed records that were read; those that left for an archive are not among them.
    pub records: u64,
    /// Orders that were derived again.
    pub orders: u64,
    /// Sealed records that are not in the database, because they left it for an archive.
    pub archived: u64,
    /// Records that no seal covers yet.
    pub unsealed: u64,
    /// The least and the greatest number of them.
    pub unsealed_numbers: Option<(i64, i64)>,
    /// Findings; 0 if everything is as it was sealed.
    pub findings: u64,
    /// Whether the last seal, and no other, is missing from the checkpoint file.
    ///
    /// The sealer may have been stopped before it wrote the note, and writes it when it runs again. More than one
    /// missing note is a finding.
    pub is_last_seal_unpublished: bool,
    /// Number of the last seal that one of the witnesses has cosigned.
    pub last_cosigned: Option<i64>,
}

impl<R: Audits> Seals<'_, R> {
    /// Verifies the whole store, and reports each difference as a [`Finding`], which says what check has found it:
    ///
    /// - The schema is the one that this build expects.
    /// - Each record is as it was sealed, each seal is signed and continues the tree of the one before it, and the
    ///   checkpoint file has the same seals.
    /// - Each order and each fill is attested by an entry. Each entry, break, resolution and trader is covered by a
    ///   seal, or is newer than the last one.
    /// - What the database derives is what entries and fills give.
    /// - What left the database is what its archives state, and in their files if these are given.
    ///
    /// Memory does not grow with the store.
    ///
    /// Run it in a [`snapshot`](crate::Session::snapshot): writers and sealers are not blocked, and their
    /// uncommitted work is not mistaken for tampering. [Read](CheckpointFile::read) the checkpoint file before
    /// the snapshot begins. This function reads it a second time: every seal in the first version must be in
    /// the database, and every seal of the database except the last must be in the second version.
    ///
    /// # Errors
    ///
    /// - [`Error::is_unproven`]: the schema is one in which rows may be hidden, so nothing can be verified; the
    ///   error names the policy, rule or table.
    /// - Those of the connection and of [`CheckpointFile::read`]. A finding is not an error.
    pub fn verify(
        &mut self,
        options: &VerifyOptions,
        on_event: impl FnMut(VerifyEvent),
    ) -> Result<Verified, Error> {
        postgres::pin_schema(self.conn)?;
        let tables = Tables::find(self.conn)?;
        let mut verification = Verification::new(options, tables, on_event);
        verification.verify_schema(self)?;
        verification.start(self)?;
        verification.read_archives(self)?;
        verification.verify_checkpoint_file();
        verification.verify_seals(self)?;
        verification.verify_uncovered(self)?;
        verification.report_mismatches();
        verification.verify_archives(self)?;
        verification.verify_accounts(self)?;
        verification.verify_derived(self)?;
        Ok(verification.verified)
    }
}

/// The state of a verification that is under way.
struct Verification<'o, T> {
    options: &'o VerifyOptions,
    tables: Tables,
    on_event: T,
    verified: Verified,
    /// The checkpoint file, read again after the snapshot was taken.
    latest_checkpoints: Option<CheckpointFile>,
    /// The key of the first seal; trusted if the caller has named none.
    first_key: Option<PublicKey>,
    /// The name of the tree, from the first seal.
    origin: Option<String>,
    /// The tree so far; none after a seal that is missing or unreadable.
    tree: Option<Frontier>,
    /// All numbers that the seals so far cover.
    covered: SequenceSet,
    /// The greatest settled number of the seals so far.
    settled: i64,
    /// Whether `covered` is complete: no seal so far is missing, forged or unreadable.
    is_coverage_known: bool,
    /// Sealed leaves that were not found under their number.
    lost: Vec<LostLeaf>,
    /// What has left the database.
    archived: Archived,
    /// Records whose leaf differs from the sealed one.
    mismatches: Vec<Record>,
}

impl<'o, T: FnMut(VerifyEvent)> Verification<'o, T> {
    fn new(options: &'o VerifyOptions, tables: Tables, on_event: T) -> Self {
        Self {
            options,
            tables,
            on_event,
            verified: Verified::default(),
            latest_checkpoints: None,
            first_key: None,
            origin: None,
            tree: Some(Frontier::default()),
            covered: SequenceSet::default(),
            settled: 0,
            is_coverage_known: true,
            lost: Vec::new(),
            archived: Archived::default(),
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

    /// Returns the keys that are trusted: the given ones, or else the key of the first seal.
    fn trusted_keys(&self) -> &[PublicKey] {
        match self.options.public_keys.as_slice() {
            [] => self.first_key.as_slice(),
            keys => keys,
        }
    }

    /// Reports how many records there are to read, then reads the checkpoint file again. The query comes first:
    /// it takes the snapshot, so the file has every seal that the snapshot has, but perhaps the last.
    fn start<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let size: Option<i64> = seals::table.select(max(seals::size)).get_result(seals.conn)?;
        let records = size.and_then(|size| size.try_into().ok()).unwrap_or(0);
        (self.on_event)(VerifyEvent::Started(records));
        let file = self.options.checkpoint_file.as_ref();
        self.latest_checkpoints = file.map(CheckpointFile::read_again).transpose()?;
        self.first_key = seals::table
            .select(seals::public_key)
            .order(seals::id)
            .first(seals.conn)
            .optional()
            .or_else(|error| match error {
                DieselError::DeserializationError(_) => Ok(None),
                error => Err(error),
            })?;
        Ok(())
    }

    /// Verifies the checkpoint file in itself: its notes, their signatures and keys.
    fn verify_checkpoint_file(&mut self) {
        let Some(file) = &self.options.checkpoint_file else { return };
        for defect in file.defects() {
            // The writer may be at it, and the latest version is compared below.
            if defect.kind != super::FileDefectKind::Incomplete {
                self.report(Finding::CheckpointFile(defect.clone()));
            }
        }
        let mut before: Option<&super::TreeHead> = None;
        for checkpoint in file.checkpoints() {
            let head = checkpoint.head();
            let grows = |before: &super::TreeHead| {
                head.origin == before.origin
                    && head.size > before.size
                    && head.settled >= before.settled
            };
            if checkpoint.signed_with(self.trusted_keys()).is_none() {
                let why = "is not signed with a trusted key";
                self.report_seal(head.seal, SealFlaw::BadCheckpoint(why));
            } else if !before.is_none_or(grows) {
                let why = "is not one of the tree of the note before it, or its tree is not larger";
                self.report_seal(head.seal, SealFlaw::BadCheckpoint(why));
            }
            for witness in &self.options.witnesses {
                match checkpoint.is_cosigned_by(witness) {
                    Some(true) => self.verified.last_cosigned = Some(head.seal),
                    Some(false) => {}
                    None => {
                        let name = witness.name().to_owned();
                        self.report_seal(head.seal, SealFlaw::BadCosignature(name));
                    }
                }
            }
            before = Some(head);
        }
    }

    /// Verifies every seal together with its records.
    fn verify_seals<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let mut last = 0;
        loop {
            let ids: Vec<i64> = seals::table
                .filter(seals::id.gt(last))
                .select(seals::id)
                .order(seals::id)
                .limit(PAGE as i64)
                .load(seals.conn)?;
            for id in &ids {
                if *id > last + 1 {
                    self.is_coverage_known = false;
                    self.tree = None;
                    self.report(Finding::MissingSeals(last + 1, *id - 1));
                }
                self.verify_seal(seals, *id)?;
                last = *id;
            }
            if ids.len() < PAGE {
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
        for checkpoint in file.checkpoints().filter(|checkpoint| checkpoint.head().seal > last) {
            self.report_seal(checkpoint.head().seal, SealFlaw::NotInDatabase);
        }
        let latest = self.latest_checkpoints.as_ref().and_then(CheckpointFile::last);
        let published = latest.map_or(0, |checkpoint| checkpoint.head().seal);
        self.verified.is_last_seal_unpublished = last == published + 1;
        if last > published + 1 {
            (published + 1..=last)
                .for_each(|id| self.report_seal(id, SealFlaw::NotInCheckpointFile));
        }
    }

    /// Verifies one seal.
    fn verify_seal<R: Audits>(&mut self, seals: &mut Seals<'_, R>, id: i64) -> Result<(), Error> {
        self.verified.seals += 1;
        let stored = match seals.stored(id) {
            Ok(stored) => stored,
            Err(DieselError::DeserializationError(why)) => {
                self.is_coverage_known = false;
                self.tree = None;
                self.report_seal(id, SealFlaw::Unreadable(why.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let seal = &stored.seal;
        let is_credible = self.verify_head(&stored);
        if !stored.has_a_leaf_for_each_record() {
            self.is_coverage_known = false;
            self.report_seal(id, SealFlaw::WrongCount);
        }
        let scheme = Scheme::find(seal.scheme);
        if scheme.is_none() {
            self.report_seal(id, SealFlaw::UnknownScheme(seal.scheme));
        }
        let reads_records = match self.options.from {
            None => true,
            Some(VerifyFrom::Seal(first)) => id >= first,
            Some(VerifyFrom::Time(time)) => seal.sealed_at >= time,
        };
        let comparison = match scheme {
            Some(scheme) if is_credible && stored.has_a_leaf_for_each_record() && reads_records => {
                Some(self.compare_records(seals, &stored, scheme)?)
            }
            _ => None,
        };
        self.verify_tree(&stored, comparison);
        if !self.covered.is_disjoint(&seal.covered) {
            self.report_seal(id, SealFlaw::Overlap);
        }
        self.covered.merge(&seal.covered);
        if seal.settled < self.settled {
            self.report_seal(id, SealFlaw::SettledDecreased);
        }
        self.settled = self.settled.max(seal.settled);
        Ok(())
    }

    /// Verifies the head of a seal: its signature, its key, its tree and the checkpoint file. Returns whether what
    /// it covers is credible: it is signed, or its leaves continue the tree all the same.
    fn verify_head(&mut self, stored: &StoredSeal) -> bool {
        let seal = &stored.seal;
        let is_signed = seal.is_signed();
        if !is_signed {
            self.is_coverage_known = false;
            self.report_seal(seal.id, SealFlaw::BadSignature);
        } else if !self.trusted_keys().contains(&seal.public_key) {
            self.report_seal(seal.id, SealFlaw::UntrustedKey(seal.public_key));
        }
        if *self.origin.get_or_insert_with(|| seal.origin.clone()) != seal.origin {
            self.report_seal(seal.id, SealFlaw::OtherOrigin(seal.origin.clone()));
        }
        let checkpoint = self.latest_checkpoints.as_ref().and_then(|file| file.get(seal.id));
        if checkpoint.is_some_and(|checkpoint| *checkpoint.head() != seal.head()) {
            self.report_seal(seal.id, SealFlaw::Fork);
        }
        let continues = |tree: &Frontier| {
            let mut tree = tree.clone();
            tree.extend(&stored.leaves);
            tree.root() == seal.root
        };
        is_signed || self.tree.as_ref().is_some_and(continues)
    }

    /// Compares the records that a seal covers with the leaves that it stores.
    fn compare_records<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
        stored: &StoredSeal,
        scheme: Scheme,
    ) -> Result<Comparison, Error> {
        let mut comparison = Comparison::new(stored.seal.id, scheme, stored.leaves.len());
        let numbers: Vec<i64> = stored.seal.covered.iter().collect();
        let absent_before = self.archived.absent;
        for (numbers, sealed) in numbers.chunks(PAGE).zip(stored.leaves.chunks(PAGE)) {
            let (records, unreadable) = self.tables.load(seals.conn, numbers)?;
            comparison.compare_page(numbers, sealed, &mut self.archived, records, unreadable);
            (self.on_event)(VerifyEvent::Checked(numbers.len() as u64));
        }
        self.verified.records += numbers.len() as u64 - (self.archived.absent - absent_before);
        Ok(comparison)
    }

    /// Verifies that the tree grows by the leaves of a seal to the root that it states, and reports what the
    /// comparison of its records has found.
    fn verify_tree(&mut self, stored: &StoredSeal, comparison: Option<Comparison>) {
        let seal = &stored.seal;
        let mut comparison = comparison;
        let stated = stored.frontier.clone();
        self.tree = match self.tree.take() {
            // Without the tree before it, the root of this seal says nothing of its leaves. The seals after it can be
            // verified against the frontier that leads to it.
            None => stated,
            Some(before) => {
                let grown = |leaves: &[_]| {
                    let mut tree = before.clone();
                    tree.extend(leaves);
                    tree
                };
                let by_hashes = grown(&stored.leaves);
                if i64::try_from(by_hashes.size()) != Ok(seal.size) {
                    self.report_seal(seal.id, SealFlaw::WrongSize);
                }
                let by_records = comparison
                    .as_ref()
                    .filter(|it| it.leaves.len() == stored.leaves.len())
                    .map(|it| grown(&it.leaves))
                    .filter(|tree| tree.root() == seal.root);
                if by_hashes.root() == seal.root {
                    if stated.as_ref() != Some(&by_hashes) {
                        self.report_seal(seal.id, SealFlaw::AlteredFrontier);
                    }
                    Some(by_hashes)
                } else if let Some(by_records) = by_records {
                    self.report_seal(seal.id, SealFlaw::AlteredHashes);
                    // The records are as they were sealed: they differ only from the hashes that were changed.
                    if let Some(comparison) = &mut comparison {
                        comparison.mismatches.clear();
                        comparison.lost.clear();
                    }
                    Some(by_records)
                } else {
                    self.report_seal(seal.id, SealFlaw::WrongRoot);
                    // If the hashes were changed, the frontier leads to the root; if the root was changed, the
                    // hashes lead to the next one.
                    stated.or(Some(by_hashes))
                }
            }
        };
        let Some(comparison) = comparison else { return };
        comparison.findings.into_iter().for_each(|finding| self.report(finding));
        let left = MAX_REMEMBERED.saturating_sub(self.lost.len());
        self.lost.extend(comparison.lost.into_iter().take(left));
        for record in comparison.mismatches {
            if self.mismatches.len() < MAX_REMEMBERED {
                self.mismatches.push(record);
            } else {
                self.report(Finding::Altered(RecordRef::of(&record)));
            }
        }
    }

    /// Verifies the records that no seal covers: up to the settled number there must be none, and beyond it
    /// none that was sealed under another number or is too old.
    fn verify_uncovered<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        self.report_added(seals, i64::MIN, 0)?;
        // If a seal is missing or forged, a record that seems uncovered may have been covered by it.
        if self.is_coverage_known {
            self.report_added(seals, 1, self.settled)?;
        }
        self.report_added(seals, MAX_NUMBER + 1, i64::MAX)?;
        self.verify_unsealed(seals)
    }

    /// Reports each uncovered record with a number in a range in which there must be none.
    fn report_added<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
        first: i64,
        last: i64,
    ) -> Result<(), Error> {
        let mut range = first..=last;
        loop {
            let numbers = self.uncovered_page(seals, &range)?;
            let Some(greatest) = numbers.last() else { return Ok(()) };
            let (records, unreadable) = self.tables.load(seals.conn, &numbers)?;
            for record in &records {
                let reference = RecordRef::of(record);
                self.report(match self.sealed_as(record) {
                    Some(sealed_as) => Finding::Moved { record: reference, sealed_as },
                    None => Finding::Added(reference),
                });
            }
            for it in unreadable {
                self.report(Finding::Unreadable { number: it.number, why: it.why });
            }
            match greatest.checked_add(1).filter(|next| *next <= last) {
                Some(next) => range = next..=last,
                None => return Ok(()),
            }
        }
    }

    /// Counts the records that are newer than the last seal.
    fn verify_unsealed<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let oldest_allowed = self
            .options
            .max_unsealed_age
            .and_then(|age| Utc::now().checked_sub_signed(TimeDelta::from_std(age).ok()?));
        let mut oldest: Option<(DateTime<Utc>, RecordRef)> = None;
        let mut range = self.settled + 1..=MAX_NUMBER;
        loop {
            let numbers = self.uncovered_page(seals, &range)?;
            let (Some(least), Some(greatest)) = (numbers.first(), numbers.last()) else { break };
            self.verified.unsealed += numbers.len() as u64;
            let first = self.verified.unsealed_numbers.map_or(*least, |(first, _)| first);
            self.verified.unsealed_numbers = Some((first, *greatest));
            range = *greatest + 1..=MAX_NUMBER;
            if self.lost.is_empty() && oldest_allowed.is_none() {
                continue;
            }
            for record in self.tables.load(seals.conn, &numbers)?.0 {
                let reference = RecordRef::of(&record);
                if let Some(sealed_as) = self.sealed_as(&record) {
                    self.report(Finding::Moved { record: reference, sealed_as });
                } else {
                    let since = record.content.created_at();
                    if oldest.as_ref().is_none_or(|(oldest, _)| since < *oldest) {
                        oldest = Some((since, reference));
                    }
                }
            }
        }
        if let (Some((since, record)), Some(allowed)) = (oldest, oldest_allowed)
            && since < allowed
        {
            self.report(Finding::Overdue { record, since });
        }
        Ok(())
    }

    /// Returns the first page of the numbers in a range that records have and no seal covers.
    fn uncovered_page<R: Audits>(
        &self,
        seals: &mut Seals<'_, R>,
        range: &std::ops::RangeInclusive<i64>,
    ) -> Result<Vec<i64>, Error> {
        Ok(self.tables.uncovered(seals.conn, range, &self.covered, PAGE as i64)?)
    }

    /// Returns the number under which this record was sealed, if it is one that was not found under its number.
    fn sealed_as(&self, record: &Record) -> Option<i64> {
        self.lost.iter().find(|lost| lost.is_of(record)).map(|lost| lost.number)
    }

    /// Reports each mismatch: as moved if its leaf was sealed under another number, otherwise as altered. This
    /// comes last, when all lost leaves are known.
    fn report_mismatches(&mut self) {
        for record in std::mem::take(&mut self.mismatches) {
            let reference = RecordRef::of(&record);
            self.report(match self.sealed_as(&record) {
                Some(sealed_as) => Finding::Moved { record: reference, sealed_as },
                None => Finding::Altered(reference),
            });
        }
    }
}
