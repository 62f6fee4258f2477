//! The findings of a verification, and their texts.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::audit::checkpoint_file::FileDefect;
use crate::audit::key::PublicKey;
use crate::audit::record::{Content, Record};
use crate::catalog::SchemaDifference;
use crate::orders::rebuild::DifferingOrder;

/// A difference between the store and its seals, or between its tables; prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The schema check: an object of the schema is not as this build expects it.
    Schema(SchemaDifference),
    /// The seals: the record differs from what was sealed.
    Altered(RecordRef),
    /// The seals: no record has this number, although a seal covers it.
    Missing {
        /// Number of the record that was sealed.
        number: i64,
        /// Number of the seal that covers it.
        seal: i64,
    },
    /// The seals: the record was added later. No seal covers it, although its number is settled, another record
    /// has the same number, or no record may have it.
    Added(RecordRef),
    /// The seals: the record was sealed under another number.
    Moved {
        /// The record, with the number that it has now.
        record: RecordRef,
        /// The number that it had when it was sealed.
        sealed_as: i64,
    },
    /// The seals: the record holds a value that no client can have written.
    Unreadable {
        /// Number of the record.
        number: i64,
        /// The error of reading it.
        why: String,
    },
    /// The seals: a record is not sealed for longer than [`VerifyOptions::max_unsealed_age`] allows.
    ///
    /// [`VerifyOptions::max_unsealed_age`]: super::VerifyOptions::max_unsealed_age
    Overdue {
        /// The oldest such record.
        record: RecordRef,
        /// When it was written, by the database's clock.
        since: DateTime<Utc>,
    },
    /// The seals: the seals with the numbers from the first to the second are not in the database.
    MissingSeals(i64, i64),
    /// The seals: the seal with this number has a flaw.
    Seal(i64, SealFlaw),
    /// The checkpoint file: something is wrong with the file itself.
    CheckpointFile(FileDefect),
    /// The archives: what the archive with this id states is not so; the text says how.
    Archive(Uuid, String),
    /// The archives: the file that was given is not the file of an archive; the text says why.
    ArchiveFile {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The accounts: no entry attests the order with this id.
    UnattestedOrder(Uuid),
    /// The accounts: no entry attests the fill with this id.
    UnattestedFill(Uuid),
    /// The rebuild: the order differs from what its entries and fills give.
    Derived(DifferingOrder),
    /// The rebuild: the order with this id holds a value that no client can have written, or a row of it does.
    NotRebuilt {
        /// Id of the order.
        order_id: Uuid,
        /// The error of reading it.
        why: String,
    },
}

/// What is wrong with one seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealFlaw {
    /// A column holds a value that no seal can have.
    Unreadable(String),
    /// The scheme of the seal is unknown to this build.
    UnknownScheme(i16),
    /// The signature does not match the content.
    BadSignature,
    /// The seal is signed with a key that is not trusted.
    UntrustedKey(PublicKey),
    /// The seal is one of a tree with another name.
    OtherOrigin(String),
    /// The seal's covered numbers and its stored hashes disagree, or there are more than a seal may have.
    WrongCount,
    /// The size of the tree does not follow from the seal before it.
    WrongSize,
    /// The seal covers a number that an earlier seal covers.
    Overlap,
    /// The settled number is less than that of an earlier seal.
    SettledDecreased,
    /// The stored hashes were changed; the records themselves lead to the root.
    AlteredHashes,
    /// The stored frontier was changed; the records lead to the root.
    AlteredFrontier,
    /// Neither the records nor their stored hashes lead to the root.
    WrongRoot,
    /// The checkpoint file has a different seal with this number.
    Fork,
    /// The seal is in the checkpoint file and not in the database: history was replaced or cut off.
    NotInDatabase,
    /// The seal is in the database and not in the checkpoint file.
    NotInCheckpointFile,
    /// The seal's note in the checkpoint file is wrong in itself; the text says how.
    BadCheckpoint(&'static str),
    /// The seal's note in the checkpoint file has a cosignature of this witness that does not verify.
    BadCosignature(String),
}

/// A record: its number and the ids of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRef {
    /// Number of the record in the sequence of the log.
    pub number: i64,
    /// Id of the entry, break, resolution, trader or archive.
    pub id: Uuid,
    /// What the record is.
    pub kind: RecordKind,
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// An entry of the log.
    Entry {
        /// Id of its order, whose terms a SUBMITTED entry attests.
        order_id: Uuid,
        /// Id of the fill that the entry attests.
        fill_id: Option<Uuid>,
    },
    /// A break.
    Break,
    /// The resolution of a break.
    Resolution {
        /// Id of the break.
        break_id: Uuid,
    },
    /// A trader.
    Trader,
    /// An archive: records that left the database.
    Archive,
}

impl RecordRef {
    pub(super) fn of(record: &Record) -> Self {
        let (id, kind) = match &record.content {
            Content::Entry { log, .. } => {
                (log.id, RecordKind::Entry { order_id: log.order_id, fill_id: log.fill_id })
            }
            Content::Break(broken) => (broken.id, RecordKind::Break),
            Content::Resolution(it) => (it.id, RecordKind::Resolution { break_id: it.break_id }),
            Content::Trader(trader) => (trader.id, RecordKind::Trader),
            Content::Archive(archive) => (archive.id, RecordKind::Archive),
        };
        Self { number: record.number, id, kind }
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, id, kind } = self;
        match kind {
            RecordKind::Entry { order_id, fill_id: None } => {
                write!(f, "entry {number} ({id} of order {order_id})")
            }
            RecordKind::Entry { order_id, fill_id: Some(fill) } => {
                write!(f, "entry {number} ({id} of order {order_id}, fill {fill})")
            }
            RecordKind::Break => write!(f, "break {id} (number {number})"),
            RecordKind::Resolution { break_id } => {
                write!(f, "resolution {id} of break {break_id} (number {number})")
            }
            RecordKind::Trader => write!(f, "trader {id} (number {number})"),
            RecordKind::Archive => write!(f, "archive {id} (number {number})"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(difference) => write!(f, "schema: {difference}"),
            Self::Altered(record) => {
                write!(f, "{record}: altered; it or a row that it attests is not what was sealed")
            }
            Self::Missing { number, seal } => {
                write!(f, "number {number}: missing; seal {seal} covers a record with it")
            }
            Self::Added(record) => write!(
                f,
                "{record}: added; no seal covers it, although its number is settled, taken or impossible"
            ),
            Self::Moved { record, sealed_as } => {
                write!(f, "{record}: reordered; it was sealed with the number {sealed_as}")
            }
            Self::Unreadable { number, why } => {
                write!(
                    f,
                    "number {number}: altered; the record or a row that it attests is unreadable: {why}"
                )
            }
            Self::Overdue { record, since } => write!(
                f,
                "{record}: not sealed since {}; is the sealer running?",
                since.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            Self::MissingSeals(first, last) if first == last => write!(f, "seal {first}: missing"),
            Self::MissingSeals(first, last) => write!(f, "seals {first} to {last}: missing"),
            Self::Seal(id, flaw) => write!(f, "seal {id}: {flaw}"),
            Self::CheckpointFile(defect) => defect.fmt(f),
            Self::Archive(id, why) => write!(f, "archive {id}: {why}"),
            Self::ArchiveFile { path, why } => {
                write!(f, "archive file {}: {why}", path.display())
            }
            Self::UnattestedOrder(id) => {
                write!(f, "order {id}: added; no entry of the log submits it")
            }
            Self::UnattestedFill(id) => {
                write!(f, "fill {id}: added; no entry of the log records it")
            }
            Self::Derived(order) => write!(f, "rebuild: {order}"),
            Self::NotRebuilt { order_id, why } => {
                write!(f, "rebuild: order {order_id}: it or a row of it is unreadable: {why}")
            }
        }
    }
}

impl fmt::Display for SealFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable(why) => return write!(f, "unreadable: {why}"),
            Self::UnknownScheme(scheme) => {
                return write!(f, "scheme {scheme} is unknown to this build; use a newer build");
            }
            Self::UntrustedKey(key) => {
                return write!(f, "signed with the key {key}, which is not trusted");
            }
            Self::OtherOrigin(origin) => {
                return write!(f, "it is one of the tree {origin}, and not of the one before it");
            }
            Self::BadCheckpoint(why) => return write!(f, "its note in the checkpoint file {why}"),
            Self::BadCosignature(witness) => {
                return write!(
                    f,
                    "the cosignature of {witness} in the checkpoint file does not verify"
                );
            }
            Self::BadSignature => "the signature does not match its content",
            Self::WrongCount => {
                "the numbers that it covers and its stored hashes disagree, or are more than 65536"
            }
            Self::WrongSize => "the size of its tree does not follow from the seal before it",
            Self::Overlap => "covers records that an earlier seal covers",
            Self::SettledDecreased => "its settled number is less than that of an earlier seal",
            Self::AlteredHashes => {
                "the stored hashes of its records were changed; the records are as they were sealed"
            }
            Self::AlteredFrontier => {
                "its stored frontier was changed; its records lead to its root"
            }
            Self::WrongRoot => "neither its records nor their stored hashes lead to its root",
            Self::Fork => "fork; the checkpoint file has a different seal with this number",
            Self::NotInDatabase => {
                "history replaced; the checkpoint file has this seal and the database does not"
            }
            Self::NotInCheckpointFile => "the checkpoint file does not have this seal",
        })
    }
}
