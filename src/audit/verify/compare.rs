//! Comparison of the records of one seal with the leaf hashes that it stores.

use std::collections::HashMap;

use super::archives::Archived;
use super::finding::{Finding, RecordRef};
use crate::audit::bytes::Hash;
use crate::audit::record::{Record, Unreadable};
use crate::audit::scheme::Scheme;

/// The leaf that was sealed under a number, and is not the leaf of any record with that number now.
pub(super) struct LostLeaf {
    pub number: i64,
    pub scheme: Scheme,
    pub leaf: Hash,
}

impl LostLeaf {
    /// Returns whether it is the leaf of this record, under the number that it had when it was sealed.
    pub fn is_of(&self, record: &Record) -> bool {
        let sealed = Record { number: self.number, content: record.content.clone() };
        self.scheme.leaf(&sealed) == self.leaf
    }
}

/// The result so far of the comparison of one seal.
pub(super) struct Comparison {
    seal: i64,
    scheme: Scheme,
    /// Leaves of the records as they are now.
    pub leaves: Vec<Hash>,
    /// Records whose leaf differs from the one that was sealed under their number.
    pub mismatches: Vec<Record>,
    pub lost: Vec<LostLeaf>,
    pub findings: Vec<Finding>,
}

impl Comparison {
    pub fn new(seal: i64, scheme: Scheme, records: usize) -> Self {
        Self {
            seal,
            scheme,
            leaves: Vec::with_capacity(records),
            mismatches: Vec::new(),
            lost: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Compares one page: `sealed` holds the stored leaf of each of the `numbers`, and `records` what the store
    /// has under them, in the order of the numbers. Records in `archived` need not be there.
    pub fn compare_page(
        &mut self,
        numbers: &[i64],
        sealed: &[Hash],
        archived: &mut Archived,
        records: Vec<Record>,
        unreadable: Vec<Unreadable>,
    ) {
        let mut unreadable: HashMap<i64, String> =
            unreadable.into_iter().map(|it| (it.number, it.why)).collect();
        let mut records =
            records.into_iter().map(|record| (self.scheme.leaf(&record), record)).peekable();
        for (number, sealed) in numbers.iter().zip(sealed) {
            let mut candidates = Vec::new();
            while let Some(candidate) = records.next_if(|(_, record)| record.number == *number) {
                candidates.push(candidate);
            }
            // Several records have one number only if a superuser wrote it. At most one of them was sealed.
            let original =
                candidates.iter().position(|(leaf, _)| leaf == sealed).unwrap_or_default();
            let is_absent = candidates.is_empty() && !unreadable.contains_key(number);
            if archived.account_for(*number, is_absent) {
                self.leaves.push(*sealed);
                continue;
            }
            let lost = LostLeaf { number: *number, scheme: self.scheme, leaf: *sealed };
            if candidates.is_empty() {
                self.lost.push(lost);
                self.findings.push(match unreadable.remove(number) {
                    Some(why) => Finding::Unreadable { number: *number, why },
                    None => Finding::Missing { number: *number, seal: self.seal },
                });
                continue;
            }
            let mut lost = Some(lost);
            for (index, (leaf, record)) in candidates.into_iter().enumerate() {
                if index != original {
                    self.findings.push(Finding::Added(RecordRef::of(&record)));
                    continue;
                }
                self.leaves.push(leaf);
                if leaf != *sealed {
                    self.lost.extend(lost.take());
                    self.mismatches.push(record);
                }
            }
        }
    }
}
