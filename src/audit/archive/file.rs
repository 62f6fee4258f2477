//! The archive file: lines of JSON that lead to the root of a checkpoint.
//!
//! The first line is the header with the checkpoint. Then comes the whole tree from its first leaf to its last: a
//! record of the archive as its line, and the leaves between two such records as the roots of the largest perfect
//! subtrees that they make up. So a file is read once from the beginning to the end, with the memory of a frontier.
//! `docs/seals.md` describes it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::audit::bytes::Hash;
use crate::audit::checkpoint::Checkpoint;
use crate::audit::key::PublicKey;
use crate::audit::sealer::PAGE;
use crate::audit::sequences::SequenceSet;
use crate::audit::tree::{self, Frontier, Run};
use crate::error::Error;
use crate::files::{CompleteFile, NewFile};

const FORMAT: &str = "tradeblotter archive 1";

/// Bytes of a line at most. The longest record is a break with a message of 65,536 characters, each of which may be
/// escaped with six.
const MAX_LINE: u64 = 1 << 20;

/// Bytes of the records that are read at a time, about.
const MAX_PAGE: usize = 1 << 22;

/// An archive file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    path: PathBuf,
}

/// What a verified archive file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveContents {
    /// Every record but the traders was written before this time.
    pub before: DateTime<Utc>,
    /// The checkpoint to whose root the file leads.
    pub checkpoint: Checkpoint,
    /// The trusted key that signed the checkpoint.
    pub public_key: PublicKey,
    /// Number of the records that leave the database: entries, breaks and resolutions.
    pub records: u64,
    /// Number of the orders whose terms the entries attest.
    pub orders: u64,
    /// Number of the traders that the records name. They stay in the database too.
    pub traders: u64,
    /// Numbers of the records that leave the database.
    pub covered: SequenceSet,
    /// Size of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Hash,
}

impl ArchiveFile {
    /// Names an archive file. It is not read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Verifies that every record in the file is one of the tree, as it was sealed, and that one of these keys signed
    /// the head of the tree. It needs no database. Memory does not grow with the
    /// file, but for the ranges of its numbers.
    ///
    /// It does not show that no record was left out; [`remove_archived`](super::remove_archived) checks that before it
    /// removes one. So compare [`sha256`](ArchiveContents::sha256) with that of the [`Archive`](super::Archive).
    ///
    /// # Errors
    ///
    /// - [`Error::is_unproven`]: the file is not what was sealed; the text names the line or the key.
    /// - [`Error::is_file`]: it can't be read.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<ArchiveContents, Error> {
        let mut reader = self.open()?;
        while reader.next_record()?.is_some() {}
        reader.finish(keys)
    }

    /// Opens the file and reads its header.
    pub(super) fn open(&self) -> Result<ArchiveReader, Error> {
        let file = File::open(&self.path).map_err(|why| Error::file(self.path.display(), why))?;
        let mut reader = ArchiveReader {
            path: self.path.clone(),
            file: BufReader::new(file),
            hash: Sha256::new(),
            size: 0,
            line: 0,
            tree: Frontier::default(),
            header: None,
            counts: Counts::default(),
            covered: SequenceSet::default(),
        };
        let header = reader.next_line()?.and_then(|line| Header::parse(&line));
        reader.header = header;
        match reader.header {
            Some(_) => Ok(reader),
            None => Err(reader.unproven("the first line is not the header of an archive")),
        }
    }
}

/// The first line.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    before: String,
    checkpoint: String,
}

#[derive(Clone, Debug)]
struct Header {
    before: DateTime<Utc>,
    checkpoint: Checkpoint,
}

impl Header {
    fn line(&self) -> HeaderLine {
        HeaderLine {
            format: FORMAT.to_owned(),
            before: self.before.to_rfc3339_opts(SecondsFormat::Micros, true),
            checkpoint: self.checkpoint.to_string(),
        }
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let line: HeaderLine = serde_json::from_slice(line).ok()?;
        let before = DateTime::parse_from_rfc3339(&line.before).ok()?.to_utc();
        let checkpoint = line.checkpoint.parse().ok()?;
        (line.format == FORMAT).then_some(Self { before, checkpoint })
    }
}

/// The line that stands for leaves of records that are not in the archive.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SubtreeLine {
    subtree: u32,
    hash: String,
}

/// A record as a line of an archive.
pub(super) struct ArchivedRecord {
    pub number: i64,
    pub scheme: i16,
    /// The line that is hashed.
    pub line: String,
    /// The rows of the record, by their names in the line.
    pub rows: Map<String, Value>,
}

impl ArchivedRecord {
    fn parse(line: Vec<u8>) -> Option<Self> {
        let line = String::from_utf8(line).ok()?;
        let rows: Map<String, Value> = serde_json::from_str(&line).ok()?;
        let number = rows.get("number")?.as_i64()?;
        let scheme = rows.get("scheme")?.as_i64()?.try_into().ok()?;
        Some(Self { number, scheme, line, rows })
    }

    /// Returns whether it is the record of a trader, which stays in the database.
    pub fn is_trader(&self) -> bool {
        self.rows.contains_key("trader")
    }

    /// Returns whether it is the record of an archive, which no archive may have.
    fn is_archive(&self) -> bool {
        self.rows.contains_key("archive")
    }

    /// Returns when it was written, by the database's clock.
    fn created_at(&self) -> Option<DateTime<Utc>> {
        let row = ["entry", "break", "resolution"].iter().find_map(|name| self.rows.get(*name))?;
        row.get("created_at")?.as_str()?.parse().ok()
    }

    /// Returns whether it attests the terms of an order.
    fn has_terms(&self) -> bool {
        self.rows.get("terms").is_some_and(|terms| !terms.is_null())
    }
}

#[derive(Default)]
struct Counts {
    records: u64,
    orders: u64,
    traders: u64,
}

/// Reads an archive file once, from the beginning to the end.
pub(super) struct ArchiveReader {
    path: PathBuf,
    file: BufReader<File>,
    hash: Sha256,
    size: u64,
    /// Number of the line that was read last.
    line: u64,
    tree: Frontier,
    header: Option<Header>,
    counts: Counts,
    covered: SequenceSet,
}

impl ArchiveReader {
    /// Returns the time before which every record but the traders must have been written.
    fn before(&self) -> DateTime<Utc> {
        self.header.as_ref().map(|header| header.before).unwrap_or_default()
    }

    /// Returns the next record. It proves nothing until [`finish`](Self::finish) has found that the file leads to the
    /// root.
    fn next_record(&mut self) -> Result<Option<ArchivedRecord>, Error> {
        while let Some(line) = self.next_line()? {
            if !line.starts_with(b"{\"subtree\":") {
                self.tree.push(tree::leaf(&line));
                let record = ArchivedRecord::parse(line)
                    .filter(|record| !record.is_archive())
                    .ok_or_else(|| self.unproven("it is not a record"))?;
                if record.is_trader() {
                    self.counts.traders += 1;
                } else if record.created_at().is_none_or(|written| written >= self.before()) {
                    let why =
                        "the record was not written before the time that the first line states";
                    return Err(self.unproven(why));
                } else {
                    self.counts.records += 1;
                    self.covered.insert(record.number);
                }
                self.counts.orders += u64::from(record.has_terms());
                return Ok(Some(record));
            }
            let subtree: Option<SubtreeLine> = serde_json::from_slice(&line).ok();
            let hash = subtree.as_ref().and_then(|subtree| Hash::from_base64(&subtree.hash));
            let level = subtree.map(|subtree| subtree.subtree);
            let fits =
                level.zip(hash).is_some_and(|(level, hash)| self.tree.push_subtree(level, hash));
            if !fits {
                return Err(self.unproven("it is not a subtree of the tree"));
            }
        }
        Ok(None)
    }

    /// Returns the next records, up to [`PAGE`] of them; none after the last one.
    pub fn next_page(&mut self) -> Result<Option<Vec<ArchivedRecord>>, Error> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < PAGE
            && bytes < MAX_PAGE
            && let Some(record) = self.next_record()?
        {
            bytes += record.line.len();
            page.push(record);
        }
        Ok((!page.is_empty()).then_some(page))
    }

    /// Verifies, after the last record, that the file leads to the root of its checkpoint and that one of these keys
    /// signed it.
    pub fn finish(self, keys: &[PublicKey]) -> Result<ArchiveContents, Error> {
        let unproven = |why: &str| Error::unproven(format!("{}: {why}", self.path.display()));
        let Some(Header { before, checkpoint }) = self.header.clone() else {
            return Err(unproven("it has no header"));
        };
        let Some(public_key) = checkpoint.signed_with(keys) else {
            return Err(unproven("its checkpoint is not signed with one of the given keys"));
        };
        let head = checkpoint.head();
        if i64::try_from(self.tree.size()) != Ok(head.size) || self.tree.root() != head.root {
            return Err(unproven(
                "its lines do not lead to the root of its checkpoint: one was changed, added or removed",
            ));
        }
        if self.covered.count() != self.counts.records {
            return Err(unproven("two of its records have the same number"));
        }
        let Counts { records, orders, traders } = self.counts;
        let (covered, size) = (self.covered, self.size);
        let sha256 = Hash(self.hash.finalize().into());
        Ok(ArchiveContents {
            before,
            checkpoint,
            public_key,
            records,
            orders,
            traders,
            covered,
            size,
            sha256,
        })
    }

    /// Returns the next line without its line feed; none at the end of the file.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut line = Vec::new();
        self.file
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|why| Error::file(self.path.display(), why))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        self.size += line.len() as u64;
        self.hash.update(&line);
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            _ => Err(self.unproven("it is too long, or the file was cut off in it")),
        }
    }

    /// Returns the error of the line that was read last.
    pub fn unproven(&self, why: &str) -> Error {
        Error::unproven(format!("{}: line {}: {why}", self.path.display(), self.line))
    }
}

/// Writes a new archive file from the leaves of a tree, in their order.
pub(super) struct ArchiveWriter {
    path: PathBuf,
    file: NewFile,
    run: Run,
}

impl ArchiveWriter {
    pub fn create(
        path: &Path,
        before: DateTime<Utc>,
        checkpoint: Checkpoint,
    ) -> Result<Self, Error> {
        let file = NewFile::create(path)?;
        let mut writer = Self { path: path.to_owned(), file, run: Run::new() };
        writer.write(&Header { before, checkpoint }.line())?;
        Ok(writer)
    }

    /// Appends a record of the archive.
    pub fn record(&mut self, line: &str) -> Result<(), Error> {
        let subtrees = self.run.end_before_leaf();
        self.subtrees(subtrees)?;
        self.write_line(line.as_bytes())
    }

    /// Appends the leaf of a record that is not in the archive.
    pub fn leaf(&mut self, leaf: Hash) {
        self.run.push(leaf);
    }

    /// Flushes the file to disk. It has its name when it is published.
    pub fn complete(mut self) -> Result<CompleteFile, Error> {
        let subtrees = self.run.end();
        self.subtrees(subtrees)?;
        self.file.complete()
    }

    fn subtrees(&mut self, subtrees: Vec<(u32, Hash)>) -> Result<(), Error> {
        subtrees.into_iter().try_for_each(|(subtree, root)| {
            self.write(&SubtreeLine { subtree, hash: root.to_base64() })
        })
    }

    fn write(&mut self, line: &impl serde::Serialize) -> Result<(), Error> {
        let line = serde_json::to_vec(line)
            .map_err(|why| Error::file(self.path.display(), std::io::Error::from(why)))?;
        self.write_line(&line)
    }

    fn write_line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.file
            .write_all(line)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|why| Error::file(self.path.display(), why))
    }
}
