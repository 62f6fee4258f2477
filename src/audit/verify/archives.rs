//! The check of what left the database: the archives, and their files.

use diesel::prelude::*;
use diesel::result::Error as DieselError;
use rangemap::RangeInclusiveMap;

use super::finding::Finding;
use super::{Verification, VerifyEvent};
use crate::audit::archive::{Archive, ArchiveContents};
use crate::audit::seal::{Seal, Seals};
use crate::database::role::Audits;
use crate::error::Error;
use crate::schema::{archives, seals};

/// The archives of a database, and how many of their records it has.
#[derive(Default)]
pub(super) struct Archived {
    archives: Vec<ArchiveCount>,
    /// The last archive that each number left for, by its position.
    last: RangeInclusiveMap<i64, usize>,
    /// Records that the database does not have.
    pub absent: u64,
}

struct ArchiveCount {
    archive: Archive,
    present: u64,
    absent: u64,
}

impl Archived {
    /// Adds the archive after those that were added before it: a record that was restored may have left again.
    fn add(&mut self, archive: Archive) {
        let position = self.archives.len();
        self.last.extend(archive.covered.ranges().map(|range| (range, position)));
        self.archives.push(ArchiveCount { archive, present: 0, absent: 0 });
    }

    /// Counts a sealed record. Returns whether it is absent because it has left.
    pub fn account_for(&mut self, number: i64, is_absent: bool) -> bool {
        let position = self.last.get(&number).copied();
        let Some(count) = position.and_then(|position| self.archives.get_mut(position)) else {
            return false;
        };
        if is_absent {
            count.absent += 1;
            self.absent += 1;
        } else {
            count.present += 1;
        }
        is_absent
    }
}

impl<T: FnMut(VerifyEvent)> Verification<'_, T> {
    /// Reads which records have left. A row that is not as it was sealed is found with the other records.
    pub(super) fn read_archives<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
    ) -> Result<(), Error> {
        let read = Archive::query().order((archives::sequence, archives::id)).load(seals.conn);
        let read: Vec<Archive> = match read {
            // Then the row is a finding, and so is each record that left with it.
            Err(DieselError::DeserializationError(_)) => Vec::new(),
            read => read?,
        };
        for archive in read {
            (self.on_event)(VerifyEvent::Archived(archive.clone()));
            self.archived.add(archive);
        }
        Ok(())
    }

    /// Verifies that what the archives state is so, and that each file which was given is the file of one.
    pub(super) fn verify_archives<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
    ) -> Result<(), Error> {
        let archives = std::mem::take(&mut self.archived.archives);
        self.verified.archived = self.archived.absent;
        for ArchiveCount { archive, present, absent } in &archives {
            let mut report = |why: String| self.report(Finding::Archive(archive.id, why));
            if u64::try_from(archive.records) != Ok(archive.covered.count()) {
                report("it states another number of records than it has numbers".to_owned());
            }
            // They leave together and come back together.
            if *present > 0 && *absent > 0 {
                report(format!(
                    "{absent} of its records are not in the database, and {present} are; restore all from its file"
                ));
            }
            if self.is_coverage_known && !self.covered.includes(&archive.covered) {
                let why = "it states records that no seal covers";
                self.report(Finding::Archive(archive.id, why.to_owned()));
            }
        }
        if self.options.archive_files.is_empty() {
            return Ok(());
        }
        let files = self.verify_archive_files(&archives);
        for ArchiveCount { archive, .. } in &archives {
            let why = match files.iter().find(|file| file.sha256 == archive.sha256) {
                None => Some("none of the given files has its SHA-256"),
                Some(file) => difference(seals, archive, file)?,
            };
            if let Some(why) = why {
                self.report(Finding::Archive(archive.id, why.to_owned()));
            }
        }
        Ok(())
    }

    /// Verifies each file that was given; returns what they hold.
    fn verify_archive_files(&mut self, archives: &[ArchiveCount]) -> Vec<ArchiveContents> {
        let mut files = Vec::new();
        for file in &self.options.archive_files {
            let why = match file.verify(self.trusted_keys()) {
                Ok(contents) => {
                    let is_known = archives.iter().any(|it| it.archive.sha256 == contents.sha256);
                    files.push(contents);
                    (!is_known).then(|| "no archive of the database has its SHA-256".to_owned())
                }
                Err(why) => Some(why.to_string()),
            };
            if let Some(why) = why {
                self.report(Finding::ArchiveFile { path: file.path().to_owned(), why });
            }
        }
        files
    }
}

/// Returns how an archive differs from its file, if it does.
fn difference<R: Audits>(
    seals: &mut Seals<'_, R>,
    archive: &Archive,
    file: &ArchiveContents,
) -> Result<Option<&'static str>, Error> {
    let head = file.checkpoint.head();
    let seal = Seal::query().filter(seals::id.eq(head.seal)).first(seals.conn).optional()?;
    let is_same = file.covered == archive.covered
        && Ok(file.records) == u64::try_from(archive.records)
        && Ok(file.size) == u64::try_from(archive.size)
        && file.before == archive.before
        && head.seal == archive.seal;
    Ok(if !is_same {
        Some("its file has other records, or another time, size or seal than it states")
    } else if seal.is_none_or(|seal| seal.head() != *head) {
        Some("its file leads to another head than the seal has")
    } else {
        None
    })
}
