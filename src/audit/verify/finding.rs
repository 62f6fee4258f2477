//! The findings of a verification, and their texts.

use std::fmt;

use uuid::Uuid;

use crate::audit::key::PublicKey;
use crate::execution_logs::ExecutionLog;

/// A difference between the log and its seals; prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The entry, or a row that it attests, differs from what was sealed.
    Altered(EntryRef),
    /// No entry has this number, although a seal covers it.
    Missing {
        /// Sequence number of the entry that was sealed.
        sequence: i64,
        /// Number of the seal that covers it.
        seal: i64,
    },
    /// The entry was added later: no seal covers it, although its number is settled or another entry has the same.
    Added(EntryRef),
    /// The entry was sealed under another number.
    Moved {
        /// The entry, with the number that it has now.
        entry: EntryRef,
        /// The number that it had when it was sealed.
        sealed_as: i64,
    },
    /// The entry, or a row that it attests, holds a value that no client can have written.
    Unreadable {
        /// Sequence number of the entry.
        sequence: i64,
        /// The error of reading it.
        why: String,
    },
    /// The seals with the numbers from the first to the second are not in the database.
    MissingSeals(i64, i64),
    /// The seal with this number has a flaw.
    Seal(i64, SealFlaw),
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
    /// The seal does not hold the hash of the seal before it.
    BrokenLink,
    /// The seal's count of entries, its covered numbers and its stored hashes disagree.
    WrongCount,
    /// The seal covers a number that an earlier seal covers.
    Overlap,
    /// The settled number is less than that of an earlier seal.
    SettledDecreased,
    /// The stored hashes were changed; the entries themselves lead to the root.
    AlteredHashes,
    /// Neither the entries nor their stored hashes lead to the root.
    WrongRoot,
    /// The checkpoint file has a different seal with this number.
    Fork,
    /// The seal is in the checkpoint file and not in the database: history was replaced or cut off.
    NotInDatabase,
    /// The seal is in the database and not in the checkpoint file.
    NotInCheckpointFile,
    /// The seal's line in the checkpoint file is wrong in itself; the text says how.
    BadCheckpoint(&'static str),
}

/// An entry of the execution log and the rows that it attests, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRef {
    /// Sequence number of the entry.
    pub sequence: i64,
    /// Id of the entry.
    pub id: Uuid,
    /// Id of its order, whose terms a SUBMITTED entry attests.
    pub order_id: Uuid,
    /// Id of the fill that the entry attests.
    pub fill_id: Option<Uuid>,
    /// Id of the break that the entry attests.
    pub break_id: Option<Uuid>,
}

impl EntryRef {
    pub(super) fn of(entry: &ExecutionLog) -> Self {
        Self {
            sequence: entry.sequence,
            id: entry.id,
            order_id: entry.order_id,
            fill_id: entry.fill_id,
            break_id: entry.break_id,
        }
    }
}

impl fmt::Display for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ({} of order {}", self.sequence, self.id, self.order_id)?;
        if let Some(fill) = self.fill_id {
            write!(f, ", fill {fill}")?;
        }
        if let Some(id) = self.break_id {
            write!(f, ", break {id}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered(entry) => {
                write!(f, "{entry}: altered; it or a row that it attests is not what was sealed")
            }
            Self::Missing { sequence, seal } => {
                write!(f, "entry {sequence}: missing; seal {seal} covers it")
            }
            Self::Added(entry) => {
                write!(
                    f,
                    "{entry}: added; no seal covers it, although its number is settled or another entry has it"
                )
            }
            Self::Moved { entry, sealed_as } => {
                write!(f, "{entry}: reordered; it was sealed as entry {sealed_as}")
            }
            Self::Unreadable { sequence, why } => {
                write!(
                    f,
                    "entry {sequence}: altered; it or a row that it attests is unreadable: {why}"
                )
            }
            Self::MissingSeals(first, last) if first == last => write!(f, "seal {first}: missing"),
            Self::MissingSeals(first, last) => write!(f, "seals {first} to {last}: missing"),
            Self::Seal(id, flaw) => write!(f, "seal {id}: {flaw}"),
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
            Self::BadCheckpoint(why) => return write!(f, "its line in the checkpoint file {why}"),
            Self::BadSignature => "the signature does not match its content",
            Self::BrokenLink => "broken link; it does not hold the hash of the seal before it",
            Self::WrongCount => {
                "the number of entries that it states, its covered numbers and its stored hashes disagree"
            }
            Self::Overlap => "covers entries that an earlier seal covers",
            Self::SettledDecreased => "its settled number is less than that of an earlier seal",
            Self::AlteredHashes => {
                "the stored hashes of its entries were changed; the entries are as they were sealed"
            }
            Self::WrongRoot => "neither its entries nor their stored hashes lead to its root",
            Self::Fork => "fork; the checkpoint file has a different seal with this number",
            Self::NotInDatabase => {
                "history replaced; the checkpoint file has this seal and the database does not"
            }
            Self::NotInCheckpointFile => "the checkpoint file does not have this seal",
        })
    }
}
