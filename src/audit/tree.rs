//! The Merkle tree of RFC 6962: a leaf and a node can't be taken for one another, and the last leaf is not
//! doubled where there is no other one beside it.

use sha2::{Digest, Sha256};

use super::bytes::Hash;

const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// The hash of a leaf that holds this.
pub fn leaf(content: &[u8]) -> Hash {
    digest(&[&LEAF, content])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    digest(&[&NODE, &left.0, &right.0])
}

/// SHA-256 of these, one after the other.
pub fn digest(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash(hasher.finalize().into())
}

/// The root over these leaves.
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

/// What it takes, beside the leaf at this place, to compute the root: from the leaf upwards.
pub fn path(leaves: &[Hash], place: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, beside) = if place < middle {
        (self::path(left, place), root(right))
    } else {
        (self::path(right, place - middle), root(left))
    };
    path.push(beside);
    path
}

/// The root of a tree of so many leaves that has this leaf at this place; none if the path is not one of
/// such a tree.
pub fn root_by(path: &[Hash], leaf: Hash, place: u64, leaves: u64) -> Option<Hash> {
    if place >= leaves {
        return None;
    }
    let (mut place, mut last, mut root) = (place, leaves - 1, leaf);
    for beside in path {
        if last == 0 {
            return None;
        }
        if place % 2 == 1 || place == last {
            root = node(beside, &root);
            // A leaf at the end has nothing beside it on some levels.
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            root = node(&root, beside);
        }
        place /= 2;
        last /= 2;
    }
    (last == 0).then_some(root)
}

/// The greatest power of two that is less.
fn split(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Hash, leaf, path, root, root_by};

    /// Those of the reference implementation of Certificate Transparency.
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
    fn every_path_leads_to_the_root_from_its_own_place_only() {
        for count in 1..=33 {
            let leaves: Vec<Hash> = (0..count).map(|n: u8| leaf(&[n])).collect();
            let size = leaves.len() as u64;
            for place in 0..leaves.len() {
                let path = path(&leaves, place);
                for claimed in 0..size {
                    let leads = root_by(&path, leaves[place], claimed, size) == Some(root(&leaves));
                    assert_eq!(leads, claimed == place as u64, "{place} as {claimed} of {count}");
                }
                let mut longer = path.clone();
                longer.push(leaves[0]);
                assert_eq!(root_by(&longer, leaves[place], place as u64, size), None);
            }
        }
    }
}
