//! Retention: records that are no longer kept in the database leave it for a file that proves them.
//!
//! 1. [`Seals::archive`](super::Seals::archive) writes a file with every order chain that ended before a time, and all
//!    that belongs to it. The database is not changed.
//! 2. [`ArchiveFile::verify`] checks the file with nothing but a public key.
//! 3. [`remove_archived`] checks it again, against the rows, and removes them in one transaction, which inserts an
//!    [`Archive`]: what left, and the hash of the file. Their leaves stay in the tree.
//! 4. [`restore_archive`] inserts the rows again, in the same database or in another one, to read them.

mod file;
mod remove;
mod restore;
mod select;
mod write;

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

pub use self::file::{ArchiveContents, ArchiveFile};
pub use self::remove::remove_archived;
pub use self::restore::restore_archive;

use self::file::ArchivedRecord;
use super::bytes::Hash;
use super::record::{Record, Tables};
use super::scheme::Scheme;
use super::sequences::SequenceSet;
use crate::error::Error;
use crate::schema::archives;

/// An archive: records that left the database for a file, in one transaction.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[diesel(table_name = archives)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Archive {
    /// Unique archive identifier.
    pub id: Uuid,
    /// Every one of the records was written before this time.
    pub before: DateTime<Utc>,
    /// How many records left.
    pub records: i64,
    /// Their numbers.
    pub covered: SequenceSet,
    /// The seal to whose root the file leads.
    pub seal: i64,
    /// Size of the file in bytes.
    pub size: i64,
    /// SHA-256 of the file.
    pub sha256: Hash,
    /// When they were removed, by the database's clock.
    pub created_at: DateTime<Utc>,
    /// Login that removed them.
    pub acted_by: String,
    /// Number in the sequence of the log, by which the row is sealed.
    pub sequence: i64,
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, before, records, created_at, acted_by, size, sha256, sequence, .. } = self;
        let time = |time: &DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        write!(
            f,
            "archive {id} (number {sequence}): {records} records written before {}, removed on {} by {acted_by}; file \
             of {size} bytes, SHA-256 {sha256}",
            time(before),
            time(created_at)
        )
    }
}

/// Returns the rows of these records, each of which must be as the file has it.
fn stored(
    conn: &mut PgConnection,
    tables: Tables,
    page: &[ArchivedRecord],
) -> Result<Vec<Record>, Error> {
    let numbers: Vec<i64> = page.iter().map(|record| record.number).collect();
    let (records, _) = tables.load(conn, &numbers)?;
    let mut by_number: HashMap<i64, Vec<Record>> = HashMap::new();
    for record in records {
        by_number.entry(record.number).or_default().push(record);
    }
    let as_in_file = |archived: &ArchivedRecord| {
        let mut records = by_number.remove(&archived.number).unwrap_or_default();
        // Several records have one number only if a superuser wrote it.
        let record = records.pop().filter(|_| records.is_empty())?;
        (Scheme::find(archived.scheme)?.line(&record) == archived.line).then_some(record)
    };
    let found: Result<Vec<Record>, i64> = page
        .iter()
        .map(as_in_file)
        .zip(&numbers)
        .map(|(record, number)| record.ok_or(*number))
        .collect();
    found.map_err(|number| {
        Error::unproven(format!(
            "the database does not have the record with the number {number} as the file has it, so nothing was changed; if prices or symbols were widened in the database that it left, widen them here first (blotter widen)"
        ))
    })
}
