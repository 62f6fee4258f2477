//! Writing of an archive file.

use std::path::Path;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::file::{ArchiveFile, ArchiveWriter};
use super::{ArchiveContents, select};
use crate::audit::key::PublicKey;
use crate::audit::record::{Record, Tables};
use crate::audit::scheme::Scheme;
use crate::audit::seal::{Seals, StoredSeal};
use crate::audit::sealer::PAGE;
use crate::audit::sequences::SequenceSet;
use crate::audit::tree;
use crate::database::postgres;
use crate::database::role::Audits;
use crate::error::Error;
use crate::schema::seals;

impl<R: Audits> Seals<'_, R> {
    /// Writes a new archive file with every order chain that ended before this time, and all that belongs to it: the
    /// entries with the terms and fills that they attest, the breaks and their resolutions, and the traders that they
    /// name. Returns what the file holds; none, and no file, if nothing can leave.
    ///
    /// A chain stays if one of its orders is open, or if anything of it was written at this time or later, or is not
    /// sealed yet. An open break stays. So does everything that is linked to what stays: a break that was booked to
    /// another order links the two.
    ///
    /// The database is not changed; [`remove_archived`](super::remove_archived) is a second step. The file has mode
    /// 600, replaces no other, and has its name once it is complete and on disk. Memory does not grow with the store,
    /// but for the ranges of numbers that leave.
    ///
    /// Run it in a [`snapshot`](crate::Session::snapshot).
    ///
    /// # Errors
    ///
    /// - [`Error::is_not_found`]: nothing is sealed yet.
    /// - [`Error::is_unproven`]: the last seal is not signed with one of these keys, or a seal or a record that would
    ///   leave is not as it was sealed.
    /// - [`Error::is_file`]: the file exists, or can't be written.
    /// - Those of the connection.
    pub fn archive(
        &mut self,
        before: DateTime<Utc>,
        path: &Path,
        keys: &[PublicKey],
    ) -> Result<Option<ArchiveContents>, Error> {
        postgres::pin_schema(self.conn)?;
        let last = self.last()?.ok_or_else(|| Error::not_found("seal", "with a number"))?;
        self.stored_and_verified(last.id, keys)?;
        let sealed = self.all_covered()?;
        let tables = Tables::find(self.conn)?;
        let leaving = select::leaving(self.conn, tables, before, &sealed)?;
        if leaving.bounds().is_none() {
            return Ok(None);
        }
        let mut writer = ArchiveWriter::create(path, before, last.checkpoint())?;
        let mut previous = None;
        for id in 1..=last.id {
            let seal = self.stored(id).optional()?.ok_or_else(|| Error::not_found("seal", id))?;
            if let Some(flaw) = seal.flaw(previous.as_ref(), &[seal.seal.public_key]) {
                return Err(seal.seal.refused(&flaw));
            }
            self.write_seal(&mut writer, tables, &seal, &leaving)?;
            previous = Some(seal);
        }
        let complete = writer.complete()?;
        let contents = ArchiveFile::new(complete.temporary_path()).verify(keys)?;
        complete.publish()?;
        Ok(Some(contents))
    }

    /// Returns the numbers that the seals cover.
    fn all_covered(&mut self) -> QueryResult<SequenceSet> {
        let covered: Vec<SequenceSet> = seals::table.select(seals::covered).load(self.conn)?;
        Ok(SequenceSet::union(&covered))
    }

    /// Writes the leaves of one seal: the records that leave as their lines.
    fn write_seal(
        &mut self,
        writer: &mut ArchiveWriter,
        tables: Tables,
        stored: &StoredSeal,
        leaving: &SequenceSet,
    ) -> Result<(), Error> {
        let scheme = Scheme::find(stored.seal.scheme)
            .ok_or_else(|| stored.seal.refused("has an unknown scheme"))?;
        let numbers: Vec<i64> = stored.seal.covered.iter().collect();
        for (numbers, leaves) in numbers.chunks(PAGE).zip(stored.leaves.chunks(PAGE)) {
            let wanted: Vec<i64> =
                numbers.iter().copied().filter(|number| leaving.contains(*number)).collect();
            let records = match wanted.is_empty() {
                true => Vec::new(),
                false => tables.load(self.conn, &wanted)?.0,
            };
            let mut records = records.into_iter().peekable();
            for (number, leaf) in numbers.iter().zip(leaves) {
                if !leaving.contains(*number) {
                    writer.leaf(*leaf);
                    continue;
                }
                let of_number = |record: &Record| record.number == *number;
                let line = records.next_if(of_number).map(|record| scheme.line(&record));
                match line.filter(|line| tree::leaf(line.as_bytes()) == *leaf) {
                    Some(line) if records.next_if(of_number).is_none() => writer.record(&line)?,
                    _ => {
                        return Err(Error::unproven(format!(
                            "number {number}: the record is not as it was sealed, so nothing is archived; run \
                             blotter verify for details"
                        )));
                    }
                }
            }
        }
        Ok(())
    }
}
