//! The growing Merkle tree of RFC 6962, over the hashes of records.
//!
//! Leaves and inner nodes are hashed with different prefixes, so that one cannot be passed off as the other,
//! and an odd last leaf is not duplicated. A range of leaves is named by the index of its first leaf and the
//! index after its last.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::bytes::Hash;

const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// Returns the hash of a leaf with this content.
pub fn leaf(content: &[u8]) -> Hash {
    digest(&[&LEAF, content])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    digest(&[&NODE, &left.0, &right.0])
}

/// Returns the SHA-256 hash of the concatenated parts.
pub fn digest(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().into())
}

/// The roots of the perfect subtrees that make up a tree, the largest first: enough to append leaves and to compute the
/// root, whatever the size of the tree.
///
/// A tree of 11 leaves has perfect subtrees of 8, 2 and 1 leaves: one for each binary one of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Returns the frontier of a tree of this size from its stored hashes; none if their number is another one.
    pub fn from_bytes(size: u64, stored: &[u8]) -> Option<Self> {
        let peaks = hashes(stored)?;
        (peaks.len() as u64 == u64::from(size.count_ones())).then_some(Self { size, peaks })
    }

    /// Returns the hashes as they are stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes(&self.peaks)
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.append(0, leaf);
    }

    /// Appends a perfect subtree of 2^`level` leaves. Returns whether the tree can have one there: its leaves must begin
    /// at a multiple of their number.
    #[must_use]
    pub fn push_subtree(&mut self, level: u32, root: Hash) -> bool {
        let fits = level < u64::BITS - 1 && self.size.is_multiple_of(1 << level);
        if fits {
            self.append(level, root);
        }
        fits
    }

    fn append(&mut self, level: u32, root: Hash) {
        let mut root = root;
        // Each perfect subtree that it completes is merged with its left neighbour of the same size.
        for _ in 0..(self.size >> level).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                root = node(&left, &root);
            }
        }
        self.peaks.push(root);
        self.size = self.size.saturating_add(1 << level);
    }

    /// Appends leaves.
    pub fn extend(&mut self, leaves: &[Hash]) {
        leaves.iter().for_each(|leaf| self.push(*leaf));
    }

    /// Returns the root of the tree; of no leaves, the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => digest(&[]),
            Some(last) => peaks.fold(*last, |right, left| node(left, &right)),
        }
    }

    /// Returns the frontier of the leaves of this tree that are in a range; none if they are not made up of whole
    /// perfect subtrees of it.
    fn of_range(&self, range: &Range<u64>) -> Option<Self> {
        let size = range.end.min(self.size).saturating_sub(range.start);
        let (mut start, mut peaks) = (0, Vec::new());
        for (peak, level) in self.peaks.iter().zip(levels(self.size)) {
            if start >= range.start && start < range.end {
                peaks.push(*peak);
            }
            start += 1 << level;
        }
        (peaks.len() as u64 == u64::from(size.count_ones())).then_some(Self { size, peaks })
    }
}

/// The largest perfect subtrees that a run of successive leaves is made up of, from the left.
pub struct Run {
    /// Index of the leaf that comes next.
    next: u64,
    subtrees: Vec<(u32, Hash)>,
}

impl Run {
    /// Begins at the first leaf of the tree.
    pub fn new() -> Self {
        Self { next: 0, subtrees: Vec::new() }
    }

    /// Adds the next leaf to the run.
    pub fn push(&mut self, leaf: Hash) {
        let (mut level, mut root) = (0, leaf);
        // An odd one is the right half of the subtree above, whose left half the run may have.
        while self.next >> level & 1 == 1
            && let Some((_, left)) = self.subtrees.pop_if(|(of, _)| *of == level)
        {
            (level, root) = (level + 1, node(&left, &root));
        }
        self.subtrees.push((level, root));
        self.next += 1;
    }

    /// Ends the run before the next leaf, which belongs to none, and returns its subtrees: height and root.
    pub fn end_before_leaf(&mut self) -> Vec<(u32, Hash)> {
        self.next += 1;
        self.end()
    }

    /// Ends the run and returns its subtrees.
    pub fn end(&mut self) -> Vec<(u32, Hash)> {
        std::mem::take(&mut self.subtrees)
    }
}

/// Returns the heights of the perfect subtrees of a tree, the greatest first.
fn levels(size: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).rev().filter(move |level| size >> level & 1 == 1)
}

/// Splits stored hashes; none if the last one is incomplete.
pub fn hashes(stored: &[u8]) -> Option<Vec<Hash>> {
    stored.chunks(32).map(|hash| hash.try_into().ok().map(Hash)).collect()
}

/// Joins hashes for storage.
pub fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The roots of ranges of leaves, computed from a frontier and the leaves that follow it. It holds a frontier for
/// each range and none of the leaves.
pub struct RangeRoots {
    next: u64,
    ranges: Vec<(Range<u64>, Option<Frontier>)>,
}

impl RangeRoots {
    /// Begins with the tree before the leaves.
    pub fn new(before: &Frontier, ranges: Vec<Range<u64>>) -> Self {
        let of_range = |range: Range<u64>| (range.clone(), before.of_range(&range));
        Self { next: before.size, ranges: ranges.into_iter().map(of_range).collect() }
    }

    /// Adds the next leaves of the tree.
    pub fn extend(&mut self, leaves: &[Hash]) {
        for leaf in leaves {
            for (range, frontier) in &mut self.ranges {
                if let Some(frontier) = frontier.as_mut().filter(|_| range.contains(&self.next)) {
                    frontier.push(*leaf);
                }
            }
            self.next += 1;
        }
    }

    /// Returns the root of each range, in the order in which they were given; none if leaves are missing.
    pub fn finish(self) -> Option<Vec<Hash>> {
        let root = |(range, frontier): (Range<u64>, Option<Frontier>)| {
            frontier.filter(|it| it.size == range.end - range.start).map(|it| it.root())
        };
        self.ranges.into_iter().map(root).collect()
    }
}

/// Returns the ranges whose roots make up the inclusion proof of a leaf in a tree of `size` leaves, from the leaf
/// upwards (RFC 9162, 2.1.3.1).
pub fn inclusion_proof(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut tree, mut proof) = (0..size, Vec::new());
    while tree.end - tree.start > 1 && tree.contains(&index) {
        let middle = tree.start + split(tree.end - tree.start);
        let (left, right) = (tree.start..middle, middle..tree.end);
        let sibling;
        (tree, sibling) = if index < middle { (left, right) } else { (right, left) };
        proof.push(sibling);
    }
    proof.reverse();
    proof
}

/// Returns the ranges whose roots make up the proof that a tree of `size` leaves begins with the tree of its first
/// `old` leaves (RFC 9162, 2.1.4.1). No proof is needed for `old` equal to 0 or `size`.
pub fn consistency_proof(old: u64, size: u64) -> Vec<Range<u64>> {
    let (mut tree, mut proof) = (0..size, Vec::new());
    if old == 0 || old >= size {
        return proof;
    }
    while tree.end != old {
        let middle = tree.start + split(tree.end - tree.start);
        let (left, right) = (tree.start..middle, middle..tree.end);
        let sibling;
        (tree, sibling) = if old <= middle { (left, right) } else { (right, left) };
        proof.push(sibling);
    }
    // Who has the old root needs no other if the old tree is a perfect one.
    if tree.start != 0 {
        proof.push(tree);
    }
    proof.reverse();
    proof
}

/// Returns the root that an inclusion proof leads to from `leaf`, at `index` in a tree of `leaves` leaves
/// (RFC 9162, 2.1.3.2); none if a proof for this position must have another length.
pub fn root_from_proof(proof: &[Hash], leaf: Hash, index: u64, leaves: u64) -> Option<Hash> {
    if index >= leaves {
        return None;
    }
    let (mut index, mut last, mut root) = (index, leaves - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if index % 2 == 1 || index == last {
            root = node(sibling, &root);
            // The last node of a level may have no sibling there and move up unchanged.
            while index % 2 == 0 && index != 0 {
                index /= 2;
                last /= 2;
            }
        } else {
            root = node(&root, sibling);
        }
        index /= 2;
        last /= 2;
    }
    (last == 0).then_some(root)
}

/// Returns whether a consistency proof leads from the root of the first `old` leaves to the root of all `size` leaves
/// (RFC 9162, 2.1.4.2).
pub fn is_consistent(proof: &[Hash], old: (u64, Hash), new: (u64, Hash)) -> bool {
    let ((old_size, old_root), (size, root)) = (old, new);
    if old_size == 0 || old_size >= size {
        return proof.is_empty() && (old_size == 0 || old == new);
    }
    let first = if old_size.is_power_of_two() { Some(old_root) } else { None };
    let mut nodes = first.into_iter().chain(proof.iter().copied());
    let Some(first) = nodes.next() else { return false };
    let (mut index, mut last) = (old_size - 1, size - 1);
    while index % 2 == 1 {
        index /= 2;
        last /= 2;
    }
    let (mut led_to_old, mut led_to_new) = (first, first);
    for sibling in nodes {
        if last == 0 {
            return false;
        }
        if index % 2 == 1 || index == last {
            led_to_old = node(&sibling, &led_to_old);
            led_to_new = node(&sibling, &led_to_new);
            while index % 2 == 0 && index != 0 {
                index /= 2;
                last /= 2;
            }
        } else {
            led_to_new = node(&led_to_new, &sibling);
        }
        index /= 2;
        last /= 2;
    }
    last == 0 && led_to_old == old_root && led_to_new == root
}

/// Returns the greatest power of two below a number of leaves that is greater than 1: the size of the left subtree.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ops::Range;

    use super::{
        Frontier, Hash, RangeRoots, Run, consistency_proof, inclusion_proof, is_consistent, leaf,
        root_from_proof,
    };

    fn tree(leaves: &[Hash]) -> Frontier {
        let mut tree = Frontier::default();
        tree.extend(leaves);
        tree
    }

    /// Whatever leaves are left out, the subtrees that stand for them lead to the same root, and are few.
    #[test]
    fn leaves_between_runs_of_subtrees_lead_to_the_same_root() {
        let leaves = leaves(67);
        for first in 0..leaves.len() {
            for count in 0..leaves.len() - first {
                let (mut run, mut led_to, mut stated) = (Run::new(), Frontier::default(), 0);
                let mut state = |led_to: &mut Frontier, subtrees: Vec<(u32, Hash)>| {
                    for (level, root) in subtrees {
                        assert!(led_to.push_subtree(level, root));
                        stated += 1;
                    }
                };
                for (index, leaf) in leaves.iter().enumerate() {
                    if (first..first + count).contains(&index) {
                        state(&mut led_to, run.end_before_leaf());
                        led_to.push(*leaf);
                    } else {
                        run.push(*leaf);
                    }
                }
                state(&mut led_to, run.end());
                assert_eq!(led_to, tree(&leaves), "{first} {count}");
                assert!(stated <= 2 * 7, "{stated} subtrees");
            }
        }
    }

    #[test]
    fn a_subtree_is_refused_where_a_tree_can_have_none() {
        let mut tree = tree(&leaves(6));
        let before = tree.clone();
        for level in [2, 3, 63, 64, u32::MAX] {
            assert!(!tree.push_subtree(level, leaf(b"")), "{level}");
            assert_eq!(tree, before);
        }
        assert!(tree.push_subtree(1, leaf(b"")));
        assert_eq!(tree.size(), 8);
    }

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|n| leaf(&[n])).collect()
    }

    /// The test vectors of the reference implementation of Certificate Transparency.
    #[test]
    fn roots_are_those_of_rfc_6962() {
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let leaves: Vec<Hash> = inputs.iter().map(|hex| leaf(&hex::decode(hex).unwrap())).collect();
        for (count, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(tree(&leaves[..count]).root().to_string(), expected);
        }
    }

    #[test]
    fn a_frontier_is_read_as_it_was_stored_and_for_its_own_size_only() {
        for count in 0..=40 {
            let tree = tree(&leaves(count));
            let stored = tree.to_bytes();
            assert_eq!(Frontier::from_bytes(tree.size(), &stored), Some(tree.clone()));
            assert_eq!(Frontier::from_bytes(2 * tree.size() + 1, &stored), None);
            if count > 0 {
                assert_eq!(Frontier::from_bytes(tree.size(), &stored[1..]), None);
            }
        }
    }

    /// The roots of ranges, computed from a tree that was stored at `stored` leaves and the leaves after it.
    fn roots(leaves: &[Hash], stored: usize, ranges: Vec<Range<u64>>) -> Option<Vec<Hash>> {
        let mut roots = RangeRoots::new(&tree(&leaves[..stored]), ranges);
        roots.extend(&leaves[stored..]);
        roots.finish()
    }

    #[test]
    fn a_proof_leads_to_the_root_from_its_own_index_only() {
        for count in 1..=33 {
            let leaves = leaves(count);
            let (size, root) = (leaves.len() as u64, tree(&leaves).root());
            for index in 0..leaves.len() {
                // The leaf itself must come after the stored part, as in the seal that covers it.
                for stored in 0..=index {
                    let ranges = inclusion_proof(index as u64, size);
                    let proof = roots(&leaves, stored, ranges).unwrap();
                    for claimed in 0..size {
                        let led_to = root_from_proof(&proof, leaves[index], claimed, size);
                        let leads = led_to == Some(root);
                        assert_eq!(
                            leads,
                            claimed == index as u64,
                            "{index} as {claimed} of {count}"
                        );
                    }
                    let mut longer = proof.clone();
                    longer.push(leaves[0]);
                    let led_to = root_from_proof(&longer, leaves[index], index as u64, size);
                    assert_eq!(led_to, None);
                }
            }
        }
    }

    #[test]
    fn a_consistency_proof_leads_from_the_old_root_to_the_new_one_and_from_no_other() {
        for count in 1..=33_u8 {
            let leaves = leaves(count);
            let new = (u64::from(count), tree(&leaves).root());
            for old_size in 0..=usize::from(count) {
                let old = (old_size as u64, tree(&leaves[..old_size]).root());
                let ranges = consistency_proof(old.0, new.0);
                let proof = roots(&leaves, old_size, ranges).unwrap();
                assert!(is_consistent(&proof, old, new), "{old_size} of {count}");
                if old_size > 0 {
                    let another = (old.0, leaf(b"another"));
                    assert!(!is_consistent(&proof, another, new), "{old_size} of {count}");
                    let another = (new.0, leaf(b"another"));
                    assert!(!is_consistent(&proof, old, another), "{old_size} of {count}");
                }
                let mut longer = proof.clone();
                longer.push(leaves[0]);
                assert!(!is_consistent(&longer, old, new), "{old_size} of {count}");
            }
        }
    }
}
