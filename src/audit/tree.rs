//! The Merkle tree of RFC 6962, over the hashes of entries.
//!
//! Leaves and inner nodes are hashed with different prefixes, so that one cannot be passed off as the other,
//! and an odd last leaf is not duplicated.

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

/// Returns the root of the tree over these leaves; of no leaves, the hash of the empty string.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => digest(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// Returns the inclusion proof of the leaf at `index`: the sibling hashes on its way to the root, from the leaf
/// upwards (RFC 9162, 2.1.3.1).
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if index < middle {
        (inclusion_proof(left, index), root(right))
    } else {
        (inclusion_proof(right, index - middle), root(left))
    };
    proof.push(sibling);
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

/// Returns the greatest power of two below `leaves`: the size of the left subtree.
fn split(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Hash, inclusion_proof, leaf, root, root_from_proof};

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
            assert_eq!(root(&leaves[..count]).to_string(), expected);
        }
    }

    #[test]
    fn a_proof_leads_to_the_root_from_its_own_index_only() {
        for count in 1..=33 {
            let leaves: Vec<Hash> = (0..count).map(|n: u8| leaf(&[n])).collect();
            let size = leaves.len() as u64;
            for index in 0..leaves.len() {
                let proof = inclusion_proof(&leaves, index);
                for claimed in 0..size {
                    let led_to = root_from_proof(&proof, leaves[index], claimed, size);
                    let leads = led_to == Some(root(&leaves));
                    assert_eq!(leads, claimed == index as u64, "{index} as {claimed} of {count}");
                }
                let mut longer = proof.clone();
                longer.push(leaves[0]);
                assert_eq!(root_from_proof(&longer, leaves[index], index as u64, size), None);
            }
        }
    }
}
