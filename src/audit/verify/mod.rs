//! The log held against its seals, and the seals against each other, the keys and the checkpoint.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};
use diesel::dsl::{max, not, sum};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Int8, Multirange};
use uuid::Uuid;

use super::bytes::Hash;
use super::checkpoint::Checkpoint;
use super::entry::{Entry, Unread};
use super::key::PublicKey;
use super::seal::{PAGE, SCHEME, Seal, Seals};
use super::sequences::Sequences;
use super::tree;
use crate::database::role::Audits;
use crate::error::Error;
use crate::execution_logs::ExecutionLog;
use crate::schema::{execution_logs, seals};

/// Entries that are kept in mind to see whether one stands in the place of another.
const MOST_MOVED: usize = 10_000;

/// What is verified, and against what.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    /// The keys that seals may be signed with. Without one, the key of the first seal is taken at its word,
    /// and a history that was rewritten from the first seal on is not told from the true one.
    pub keys: Vec<PublicKey>,
    /// What was written down of the seals where the database can't reach it.
    pub checkpoint: Option<Checkpoint>,
    /// From where on entries are read; the chain of the seals is looked at from its beginning.
    pub since: Option<Since>,
}

/// Where a verification begins to read entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With the entries of this seal.
    Seal(i64),
    /// With the entries of the first seal at this moment or after it.
    Moment(DateTime<Utc>),
}

/// What is heard of a verification while it is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// So many entries are to be read.
    Begun(u64),
    /// So many more have been read.
    Checked(u64),
    /// Something is not as it was sealed.
    Found(Finding),
}

/// What came of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verified {
    /// Seals in the chain.
    pub seals: u64,
    /// Sealed entries that were read.
    pub entries: u64,
    /// Entries that no seal covers yet.
    pub unsealed: u64,
    /// Things that are not as they were sealed: none, if nobody has touched them.
    pub findings: u64,
    /// Whether the database has one seal that the checkpoint has not: the process that seals may have
    /// been stopped in between, and mends it when it runs again. More than one is a finding.
    pub is_ahead: bool,
}

/// An entry of the log, and the facts that it attests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub sequence: i64,
    /// Its id.
    pub id: Uuid,
    /// The order that it is about; with SUBMITTED it attests its terms.
    pub order_id: Uuid,
    /// The fill that it attests.
    pub fill_id: Option<Uuid>,
    /// The break that it attests.
    pub break_id: Option<Uuid>,
}

/// Something that is not as it was sealed; prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The entry, or a fact that it attests, says something else than what was sealed.
    Altered(Place),
    /// An entry was sealed with this number, and there is none.
    Missing {
        /// The number.
        sequence: i64,
        /// The seal.
        seal: i64,
    },
    /// The entry bears a number that was to come no more when it was sealed, or one that another has.
    Added(Place),
    /// The entry was sealed with another number.
    Moved {
        /// Where it stands.
        place: Place,
        /// Its number when it was sealed.
        sealed_as: i64,
    },
    /// The entry, or a fact that it attests, has a value that no client can have written.
    Unreadable {
        /// Its number.
        sequence: i64,
        /// Why it can't be read.
        why: String,
    },
    /// Seals are missing from the chain, the first and the last of them.
    NoSeals(i64, i64),
    /// A seal is none, or not in its place.
    Seal(i64, Flaw),
}

/// What is wrong with a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has a value that no seal has.
    Unreadable(String),
    /// This build does not know its scheme.
    Scheme(i16),
    /// The signature is not one of this seal.
    Signature,
    /// It is signed with a key that is none of those that may seal.
    Key(PublicKey),
    /// It does not follow the seal before it.
    Broken,
    /// It does not cover as many entries as it says.
    Count,
    /// It covers what a seal before it covers.
    Overlap,
    /// It takes back what a seal before it says of the numbers that will not come.
    Settled,
    /// The hashes of the entries were changed; the entries are as they were sealed.
    Leaves,
    /// Neither the entries nor the hashes that are stored of them lead to its root.
    Root,
    /// The checkpoint has another one in its place.
    Fork,
    /// The checkpoint has it and the database has not: history was replaced, or cut off.
    NotInDatabase,
    /// The database has it and the checkpoint has not.
    NotInCheckpoint,
    /// The line of the checkpoint is not one of a seal that follows the line before.
    Checkpoint(&'static str),
}

impl Place {
    fn of(log: &ExecutionLog) -> Self {
        Self {
            sequence: log.sequence,
            id: log.id,
            order_id: log.order_id,
            fill_id: log.fill_id,
            break_id: log.break_id,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ({} of order {}", self.sequence, self.id, self.order_id)?;
        if let Some(fill) = self.fill_id {
            write!(f, ", fill {fill}")?;
        }
        if let Some(broken) = self.break_id {
            write!(f, ", break {broken}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered(place) => {
                write!(f, "{place}: altered, it or what it attests is not what was sealed")
            }
            Self::Missing { sequence, seal } => {
                write!(f, "entry {sequence}: missing, seal {seal} covers it")
            }
            Self::Added(place) => {
                write!(f, "{place}: added, no seal covers it and none was to come with this number")
            }
            Self::Moved { place, sealed_as } => {
                write!(f, "{place}: reordered, it was sealed as entry {sealed_as}")
            }
            Self::Unreadable { sequence, why } => {
                write!(f, "entry {sequence}: altered, it or what it attests can't be read: {why}")
            }
            Self::NoSeals(first, last) if first == last => write!(f, "seal {first}: missing"),
            Self::NoSeals(first, last) => write!(f, "seals {first} to {last}: missing"),
            Self::Seal(id, flaw) => write!(f, "seal {id}: {flaw}"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "can't be read: {why}"),
            Self::Scheme(scheme) => {
                write!(
                    f,
                    "is of scheme {scheme}, which this build does not know; use a newer build"
                )
            }
            Self::Signature => f.write_str("the signature is not one of this seal"),
            Self::Key(key) => write!(f, "is signed with the key {key}, which is not to be trusted"),
            Self::Broken => f.write_str("broken link, it does not follow the seal before it"),
            Self::Count => f.write_str("does not cover as many entries as it says"),
            Self::Overlap => f.write_str("covers entries that a seal before it covers"),
            Self::Settled => f.write_str("takes back what a seal before it has settled"),
            Self::Leaves => {
                f.write_str("the hashes of its entries were changed; the entries are as sealed")
            }
            Self::Root => {
                f.write_str("neither its entries nor the hashes stored of them lead to its root")
            }
            Self::Fork => f.write_str("fork, the checkpoint has another one in its place"),
            Self::NotInDatabase => {
                f.write_str("history replaced, the checkpoint has it and the database has not")
            }
            Self::NotInCheckpoint => f.write_str("the checkpoint does not have it"),
            Self::Checkpoint(why) => write!(f, "the line of the checkpoint {why}"),
        }
    }
}

impl<R: Audits> Seals<'_, R> {
    /// Recomputes every leaf, root, link and signature, and tells what is not as it was sealed: which
    /// entry was altered, is missing, was added or stands in another place, which seal is broken, missing
    /// or another one than the checkpoint has. Memory does not grow with the log.
    ///
    /// In a [`snapshot`](crate::Session::snapshot) whoever writes or seals meanwhile is in nobody's way,
    /// and nothing is taken for tampering that only was under way. Read the checkpoint before the snapshot
    /// begins. This reads its file once more: what was written down before has to be in the database, and
    /// what is in the database has to have been written down by now.
    ///
    /// # Errors
    ///
    /// Those of the connection, and of [`Checkpoint::read`]. What is found is no error.
    pub fn verify(
        &mut self,
        extent: &Extent,
        tell: impl FnMut(Observation),
    ) -> Result<Verified, Error> {
        let mut verification = Verification::new(extent, tell);
        verification.begin(self)?;
        verification.checkpoint();
        verification.chain(self)?;
        verification.strays(self)?;
        Ok(verification.end())
    }
}

/// An entry that is not what its place was sealed with.
struct Mismatch {
    place: Place,
    leaf: Hash,
}

/// What comes of the entries of one seal.
#[derive(Default)]
struct Compared {
    leaves: Vec<Hash>,
    mismatches: Vec<Mismatch>,
    /// Numbers of which nothing is as it was sealed, with the leaves that were.
    vacant: Vec<(Hash, i64)>,
    findings: Vec<Finding>,
}

struct Verification<'e, T> {
    extent: &'e Extent,
    tell: T,
    verified: Verified,
    /// The checkpoint as it is since the database is looked at.
    written: Option<Checkpoint>,
    /// The key of the first seal, for who has not said which to trust.
    first_key: Option<PublicKey>,
    covered: Sequences,
    settled: i64,
    /// Up to where entries are passed over.
    passed: i64,
    /// Whether it is known of all numbers whether they are covered.
    is_whole: bool,
    /// What was sealed and stands no more where it was, by its leaf.
    vacant: HashMap<Hash, i64>,
    mismatches: Vec<Mismatch>,
}

impl<'e, T: FnMut(Observation)> Verification<'e, T> {
    fn new(extent: &'e Extent, tell: T) -> Self {
        Self {
            extent,
            tell,
            verified: Verified::default(),
            written: None,
            first_key: None,
            covered: Sequences::default(),
            settled: 0,
            passed: 0,
            is_whole: true,
            vacant: HashMap::new(),
            mismatches: Vec::new(),
        }
    }

    fn found(&mut self, finding: Finding) {
        self.verified.findings += 1;
        (self.tell)(Observation::Found(finding));
    }

    fn flaw(&mut self, seal: i64, flaw: Flaw) {
        self.found(Finding::Seal(seal, flaw));
    }

    fn trusts(&mut self, key: PublicKey) -> bool {
        match self.extent.keys.as_slice() {
            [] => *self.first_key.get_or_insert(key) == key,
            keys => keys.contains(&key),
        }
    }

    /// Says how much there is to do. With its query the snapshot begins.
    fn begin<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let entries: Option<i64> =
            seals::table.select(sum(seals::entries)).get_result(seals.conn)?;
        (self.tell)(Observation::Begun(entries.and_then(|n| n.try_into().ok()).unwrap_or(0)));
        self.written = self.extent.checkpoint.as_ref().map(Checkpoint::read_again).transpose()?;
        Ok(())
    }

    /// The checkpoint in itself.
    fn checkpoint(&mut self) {
        let Some(checkpoint) = &self.extent.checkpoint else { return };
        let mut before: Option<&Seal> = None;
        for seal in checkpoint.seals() {
            let follows =
                |before: &Seal| seal.id == before.id + 1 && seal.previous == before.hash();
            if !seal.is_signed() {
                self.flaw(seal.id, Flaw::Checkpoint("is not signed with the key that it names"));
            } else if !self.trusts(seal.public_key) {
                self.flaw(
                    seal.id,
                    Flaw::Checkpoint("is signed with a key that is not to be trusted"),
                );
            } else if !before.is_none_or(follows) {
                self.flaw(seal.id, Flaw::Checkpoint("does not follow the line before"));
            }
            before = Some(seal);
        }
    }

    /// Every seal with its entries.
    fn chain<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let mut last = 0;
        let mut before: Option<Seal> = None;
        loop {
            let ids: Vec<i64> = seals::table
                .filter(seals::id.gt(last))
                .select(seals::id)
                .order(seals::id)
                .limit(PAGE)
                .load(seals.conn)?;
            for id in &ids {
                if *id > last + 1 {
                    self.is_whole = false;
                    self.found(Finding::NoSeals(last + 1, *id - 1));
                }
                let link = before.take().filter(|before| before.id == *id - 1);
                before = self.seal(seals, *id, link)?;
                last = *id;
            }
            if (ids.len() as i64) < PAGE {
                break;
            }
        }
        self.held_against_checkpoint(last);
        Ok(())
    }

    /// What the one has at the end that the other has not.
    fn held_against_checkpoint(&mut self, last: i64) {
        let Some(checkpoint) = &self.extent.checkpoint else { return };
        for seal in checkpoint.seals().filter(|seal| seal.id > last) {
            self.flaw(seal.id, Flaw::NotInDatabase);
        }
        let written = self.written.as_ref().and_then(Checkpoint::last).map_or(0, |seal| seal.id);
        self.verified.is_ahead = last == written + 1;
        if last > written + 1 {
            (written + 1..=last).for_each(|id| self.flaw(id, Flaw::NotInCheckpoint));
        }
    }

    /// One seal, which is to follow another one if that is known; returns it if it can be read.
    fn seal<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
        id: i64,
        before: Option<Seal>,
    ) -> Result<Option<Seal>, Error> {
        self.verified.seals += 1;
        let read = Seal::query().find(id).first(seals.conn);
        let seal = match read {
            Ok(seal) => seal,
            Err(DieselError::DeserializationError(why)) => {
                self.is_whole = false;
                self.flaw(id, Flaw::Unreadable(why.to_string()));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if seal.scheme != SCHEME {
            self.is_whole = false;
            self.flaw(id, Flaw::Scheme(seal.scheme));
            return Ok(Some(seal));
        }
        if !seal.is_signed() {
            self.is_whole = false;
            self.flaw(id, Flaw::Signature);
        } else if !self.trusts(seal.public_key) {
            self.flaw(id, Flaw::Key(seal.public_key));
        }
        let previous = match &before {
            Some(before) => Some(before.hash()),
            None => (id == 1).then_some(Seal::NONE_BEFORE),
        };
        if previous.is_some_and(|hash| hash != seal.previous) {
            self.flaw(id, Flaw::Broken);
        }
        let line = self.written.as_ref().and_then(|checkpoint| checkpoint.get(id));
        if line.is_some_and(|line| *line != seal) {
            self.flaw(id, Flaw::Fork);
        }
        let is_wanted = match self.extent.since {
            None => true,
            Some(Since::Seal(first)) => id >= first,
            Some(Since::Moment(moment)) => seal.sealed_at >= moment,
        };
        let leaves = seals.leaves(id)?;
        if seal.covered.count() != leaves.len() as u64 || seal.entries as usize != leaves.len() {
            self.is_whole = false;
            self.flaw(id, Flaw::Count);
        } else if is_wanted {
            self.entries(seals, &seal, &leaves)?;
        } else {
            self.passed = seal.settled;
        }
        if !self.covered.absorb(&seal.covered) {
            self.flaw(id, Flaw::Overlap);
        }
        if seal.settled < self.settled {
            self.flaw(id, Flaw::Settled);
        }
        self.settled = self.settled.max(seal.settled);
        Ok(Some(seal))
    }

    /// The entries of a seal.
    fn entries<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
        seal: &Seal,
        stored: &[Hash],
    ) -> Result<(), Error> {
        let mut compared =
            Compared { leaves: Vec::with_capacity(stored.len()), ..Compared::default() };
        let numbers: Vec<i64> = seal.covered.iter().collect();
        for (numbers, sealed) in numbers.chunks(PAGE as usize).zip(stored.chunks(PAGE as usize)) {
            let (entries, unread) = Entry::numbered(seals.conn, numbers)?;
            compared.page(seal.id, numbers, sealed, &entries, unread);
            self.verified.entries += numbers.len() as u64;
            (self.tell)(Observation::Checked(numbers.len() as u64));
        }
        if tree::root(stored) != seal.root {
            let are_entries_whole = tree::root(&compared.leaves) == seal.root;
            self.flaw(seal.id, if are_entries_whole { Flaw::Leaves } else { Flaw::Root });
            if are_entries_whole {
                // Only by the hashes that were changed do they seem to be others.
                compared.mismatches.clear();
                compared.vacant.clear();
            }
        }
        compared.findings.into_iter().for_each(|finding| self.found(finding));
        for (leaf, sequence) in compared.vacant {
            if self.vacant.len() < MOST_MOVED {
                self.vacant.insert(leaf, sequence);
            }
        }
        for mismatch in compared.mismatches {
            if self.mismatches.len() < MOST_MOVED {
                self.mismatches.push(mismatch);
            } else {
                self.found(Finding::Altered(mismatch.place));
            }
        }
        Ok(())
    }

    /// Entries that no seal covers: those that are to be sealed yet, and those that should not be there.
    fn strays<R: Audits>(&mut self, seals: &mut Seals<'_, R>) -> Result<(), Error> {
        let mut after = self.passed;
        // Of what a seal that is gone or forged has covered, nothing can be said.
        while self.is_whole && after < self.settled {
            let numbers = self.uncovered(seals, after, self.settled)?;
            let Some(last) = numbers.last() else { break };
            after = *last;
            let (entries, unread) = Entry::numbered(seals.conn, &numbers)?;
            for entry in &entries {
                let place = Place::of(&entry.log);
                self.found(match self.vacant.get(&entry.leaf()) {
                    Some(sealed_as) => Finding::Moved { place, sealed_as: *sealed_as },
                    None => Finding::Added(place),
                });
            }
            for (sequence, why) in unread {
                self.found(Finding::Unreadable { sequence, why });
            }
        }
        let greatest: Option<i64> =
            execution_logs::table.select(max(execution_logs::sequence)).get_result(seals.conn)?;
        let mut after = self.settled;
        while after < greatest.unwrap_or(0) {
            let numbers = self.uncovered(seals, after, i64::MAX)?;
            let Some(last) = numbers.last() else { break };
            after = *last;
            self.verified.unsealed += numbers.len() as u64;
            if self.vacant.is_empty() {
                continue;
            }
            for entry in Entry::numbered(seals.conn, &numbers)?.0 {
                if let Some(sealed_as) = self.vacant.get(&entry.leaf()).copied() {
                    self.found(Finding::Moved { place: Place::of(&entry.log), sealed_as });
                }
            }
        }
        Ok(())
    }

    /// Numbers of entries beyond one and up to another that no seal covers, the least of them.
    fn uncovered<R: Audits>(
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

    /// Says of what is not as it was sealed whether it only stands elsewhere.
    fn end(mut self) -> Verified {
        for Mismatch { place, leaf } in std::mem::take(&mut self.mismatches) {
            self.found(match self.vacant.get(&leaf) {
                Some(sealed_as) => Finding::Moved { place, sealed_as: *sealed_as },
                None => Finding::Altered(place),
            });
        }
        self.verified
    }
}

impl Compared {
    /// Holds some entries against the leaves that were stored of them.
    fn page(
        &mut self,
        seal: i64,
        numbers: &[i64],
        sealed: &[Hash],
        entries: &[Entry],
        unread: Vec<Unread>,
    ) {
        let unread: HashMap<i64, String> = unread.into_iter().collect();
        let mut entries = entries.iter().map(|entry| (entry.leaf(), &entry.log)).peekable();
        for (sequence, sealed) in numbers.iter().zip(sealed) {
            let mut here = Vec::new();
            while let Some(entry) = entries.next_if(|(_, log)| log.sequence == *sequence) {
                here.push(entry);
            }
            // Of several with one number, which only a database without its index can have, at most one
            // was sealed.
            let kept = here.iter().position(|(leaf, _)| leaf == sealed).unwrap_or(0);
            if here.is_empty() {
                self.vacant.push((*sealed, *sequence));
                self.findings.push(match unread.get(sequence) {
                    Some(why) => Finding::Unreadable { sequence: *sequence, why: why.clone() },
                    None => Finding::Missing { sequence: *sequence, seal },
                });
                continue;
            }
            for (at, (leaf, log)) in here.into_iter().enumerate() {
                let place = Place::of(log);
                if at != kept {
                    self.findings.push(Finding::Added(place));
                    continue;
                }
                self.leaves.push(leaf);
                if leaf != *sealed {
                    self.vacant.push((*sealed, *sequence));
                    self.mismatches.push(Mismatch { place, leaf });
                }
            }
        }
    }
}
