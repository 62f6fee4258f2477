//! The check of what left the database: the archives, and their files.

use diesel::prelude::*;
use diesel::result::Error as DieselError;

use super::finding::Finding;
use super::{Verification, VerifyEvent};
use crate::audit::archive::{Archive, ArchiveContents};
use crate::audit::seal::{Seal, Seals};
use crate::database::role::Audits;
use crate::error::Error;
use crate::schema::{archives, seals};

impl<T: FnMut(VerifyEvent)> Verification<'_, T> {
    /// Reads which records have left. A row that is not as it was sealed is found with the other records.
    pub(super) fn read_archives<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
    ) -> Result<(), Error> {
        let read = Archive::query().order((archives::sequence, archives::id)).load(seals.conn);
        self.archives = match read {
            // Then the row is a finding, and so is each record that left with it.
            Err(DieselError::DeserializationError(_)) => Vec::new(),
            read => read?,
        };
        for archive in &self.archives {
            self.archived.merge(&archive.covered);
            (self.on_event)(VerifyEvent::Archived(archive.clone()));
        }
        Ok(())
    }

    /// Verifies that only sealed records have left, and each file that was given.
    pub(super) fn verify_archives<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
    ) -> Result<(), Error> {
        let archives = std::mem::take(&mut self.archives);
        for archive in &archives {
            if self.is_coverage_known && !self.covered.includes(&archive.covered) {
                let why = "it states records that no seal covers";
                self.report(Finding::Archive(archive.id, why.to_owned()));
            }
        }
        let mut files: Vec<ArchiveContents> = Vec::new();
        for file in &self.options.archive_files {
            match file.verify(self.trusted_keys()) {
                Ok(contents) => files.push(contents),
                Err(why) => {
                    let path = file.path().to_owned();
                    self.report(Finding::ArchiveFile { path, why: why.to_string() });
                }
            }
        }
        if self.options.archive_files.is_empty() {
            return Ok(());
        }
        for archive in &archives {
            let Some(file) = files.iter().find(|file| file.sha256 == archive.sha256) else {
                let why = format!("none of the given files has its SHA-256, {}", archive.sha256);
                self.report(Finding::Archive(archive.id, why));
                continue;
            };
            let head = file.checkpoint.head();
            let seal =
                Seal::query().filter(seals::id.eq(head.seal)).first(seals.conn).optional()?;
            if file.covered != archive.covered || head.seal != archive.seal {
                let why = "its file holds other records, or leads to another seal";
                self.report(Finding::Archive(archive.id, why.to_owned()));
            } else if seal.is_none_or(|seal| seal.head() != *head) {
                let why =
                    format!("its file leads to another seal {} than the database has", head.seal);
                self.report(Finding::Archive(archive.id, why));
            }
        }
        Ok(())
    }
}
