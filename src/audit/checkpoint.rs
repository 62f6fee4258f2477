//! Checkpoints: published tree heads, in the format of <https://c2sp.org/tlog-checkpoint>.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use super::bytes::Hash;
use super::key::PublicKey;
use super::note::{Note, NoteSignature, Signed, VerifierKey, check_name};
use crate::error::Error;

/// The head of the tree after one seal: what is signed.
///
/// It prints as the text of a checkpoint. The first three lines are those that every transparency log has: origin, size
/// and root. The other lines are what this store needs to verify its records against them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TreeHead {
    /// Name of the tree.
    pub origin: String,
    /// Number of leaves.
    pub size: i64,
    /// Root of the tree (RFC 6962).
    pub root: Hash,
    /// Number of the seal.
    pub seal: i64,
    /// The scheme by which the records of this seal are encoded; see [`SCHEME`](super::SCHEME).
    pub scheme: i16,
    /// The least and the greatest number of the records of this seal.
    pub covered: (i64, i64),
    /// Hash of all numbers of the records of this seal; see [`SequenceSet::hash`](super::SequenceSet::hash).
    pub covered_hash: Hash,
    /// The settled number: no further record will ever be committed with this or a lesser number.
    pub settled: i64,
    /// When the seal was made, by the sealer's clock, to the microsecond.
    pub sealed_at: DateTime<Utc>,
}

impl fmt::Display for TreeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.covered;
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root.to_base64())?;
        writeln!(f, "tradeblotter seal {} scheme {}", self.seal, self.scheme)?;
        writeln!(f, "covered {first} {last} {}", self.covered_hash.to_base64())?;
        writeln!(f, "settled {}", self.settled)?;
        writeln!(f, "sealed {}", self.sealed_at.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl TreeHead {
    /// Parses what `Display` writes, and nothing else; none if the text is anything else.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let (seal, scheme) =
            lines.next()?.strip_prefix("tradeblotter seal ")?.split_once(" scheme ")?;
        let mut covered = lines.next()?.strip_prefix("covered ")?.split(' ');
        let (first, last) = (covered.next()?.parse().ok()?, covered.next()?.parse().ok()?);
        let head = Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root: Hash::from_base64(root)?,
            seal: seal.parse().ok()?,
            scheme: scheme.parse().ok()?,
            covered: (first, last),
            covered_hash: Hash::from_base64(covered.next()?)?,
            settled: lines.next()?.strip_prefix("settled ")?.parse().ok()?,
            sealed_at: lines.next()?.strip_prefix("sealed ")?.parse().ok()?,
        };
        // A number with a leading zero, a time in another notation or another line would be another text.
        (check_name(origin).is_ok() && head.to_string() == text).then_some(head)
    }
}

/// A published seal: a tree head with the signature of its key, and perhaps those of witnesses.
///
/// It prints and parses as a signed note, which public tools for transparency logs read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub(super) head: TreeHead,
    pub(super) note: Note,
}

impl Checkpoint {
    /// Returns the checkpoint of a tree head, with this signature.
    pub(super) fn new(head: TreeHead, signature: NoteSignature) -> Self {
        Self { note: Note { text: head.to_string(), signatures: vec![signature] }, head }
    }

    /// Returns the tree head. It proves nothing until a trusted key has signed it.
    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Returns the text that is signed: the tree head as lines.
    pub fn text(&self) -> &str {
        &self.note.text
    }

    /// Returns which of these keys of the log has signed the checkpoint; none if none has.
    pub fn signed_with(&self, keys: &[PublicKey]) -> Option<PublicKey> {
        let has_signed = |key: &&PublicKey| {
            let key = VerifierKey::log(&self.head.origin, **key);
            self.note.is_signed_with(&key) == Signed::Yes
        };
        keys.iter().find(has_signed).copied()
    }

    /// Returns whether this witness has cosigned the checkpoint; none if one of its cosignatures does not verify.
    pub fn is_cosigned_by(&self, witness: &VerifierKey) -> Option<bool> {
        match self.note.is_signed_with(witness) {
            Signed::Yes => Some(true),
            Signed::No => Some(false),
            Signed::Wrongly => None,
        }
    }

    /// Parses a signed note; the reason for a refusal completes "the note …".
    pub(super) fn parse(note: &str) -> Result<Self, &'static str> {
        let note = Note::parse(note)?;
        let head = TreeHead::parse(&note.text).ok_or("is not a checkpoint of this store")?;
        Ok(Self { head, note })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    /// Parses what `Display` writes, with any signature lines; refuses anything else with
    /// [`Error::is_unproven`].
    fn from_str(note: &str) -> Result<Self, Error> {
        Self::parse(note).map_err(|why| Error::unproven(format!("the note {why}")))
    }
}
