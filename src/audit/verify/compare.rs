//! Comparison of the entries of one seal with the leaf hashes that it stores.

use std::collections::HashMap;

use super::finding::{EntryRef, Finding};
use crate::audit::bytes::Hash;
use crate::audit::entry::{AttestedEntry, UnreadableEntry};

/// An entry whose leaf differs from the one that was sealed under its number.
pub(super) struct Mismatch {
    pub entry: EntryRef,
    pub leaf: Hash,
}

/// The result so far of the comparison of one seal.
#[derive(Default)]
pub(super) struct Comparison {
    /// Leaves of the entries as they are now.
    pub leaves: Vec<Hash>,
    pub mismatches: Vec<Mismatch>,
    /// Sealed leaves that no entry with their number has now, each with that number.
    pub lost: Vec<(Hash, i64)>,
    pub findings: Vec<Finding>,
}

impl Comparison {
    /// Compares one page: `sealed` holds the stored leaf of each of the `numbers`, and `entries` what the log
    /// has under them, in the order of the numbers.
    pub fn compare_page(
        &mut self,
        seal: i64,
        numbers: &[i64],
        sealed: &[Hash],
        entries: &[AttestedEntry],
        unreadable: Vec<UnreadableEntry>,
    ) {
        let unreadable: HashMap<i64, String> =
            unreadable.into_iter().map(|it| (it.sequence, it.why)).collect();
        let mut entries = entries.iter().map(|entry| (entry.leaf(), &entry.log)).peekable();
        for (sequence, sealed) in numbers.iter().zip(sealed) {
            let mut candidates = Vec::new();
            while let Some(entry) = entries.next_if(|(_, log)| log.sequence == *sequence) {
                candidates.push(entry);
            }
            // Several entries have one number only if the unique index was dropped. At most one of them
            // was sealed.
            let original =
                candidates.iter().position(|(leaf, _)| leaf == sealed).unwrap_or_default();
            if candidates.is_empty() {
                self.lost.push((*sealed, *sequence));
                self.findings.push(match unreadable.get(sequence) {
                    Some(why) => Finding::Unreadable { sequence: *sequence, why: why.clone() },
                    None => Finding::Missing { sequence: *sequence, seal },
                });
                continue;
            }
            for (index, (leaf, log)) in candidates.into_iter().enumerate() {
                let entry = EntryRef::of(log);
                if index != original {
                    self.findings.push(Finding::Added(entry));
                    continue;
                }
                self.leaves.push(leaf);
                if leaf != *sealed {
                    self.lost.push((*sealed, *sequence));
                    self.mismatches.push(Mismatch { entry, leaf });
                }
            }
        }
    }
}
