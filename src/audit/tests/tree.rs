//! The auditor's tree and proofs against the writer's, and against every small change of them.

use std::convert::Infallible;

use super::Hash;
use crate::audit::tree::{Tree, includes, is_consistent, leaf_hash};
use crate::format::tree::{Node, Nodes, consistency_proof, inclusion_proof, root};

const SIZE: u64 = 130;

struct Bytes(Vec<Hash>);

impl Bytes {
    fn new() -> Self {
        Self((0..=255_u8).map(|byte| leaf_hash(&[byte])).collect())
    }

    fn root(&self, size: u64) -> Hash {
        root(&self.0[..usize::try_from(size).unwrap()])
    }
}

impl Nodes for Bytes {
    type Error = Infallible;

    fn node(&self, Node { level, index }: Node) -> Result<Hash, Infallible> {
        let start = usize::try_from(index << level).unwrap();
        Ok(root(&self.0[start..start + (1 << level)]))
    }
}

/// Every proof with one thing changed: a hash, one fewer, one more, two in the other order.
fn changed(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![[proof, &[[9; 32]]].concat(), [&[[9; 32]], proof].concat()];
    for at in 0..proof.len() {
        let mut other = proof.to_vec();
        other[at][at % 32] ^= 1;
        all.push(other);
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        all.push(shorter);
        if at > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(at - 1, at);
            all.push(swapped);
        }
    }
    all
}

#[test]
fn roots_and_inclusion_proofs_of_every_tree_agree_with_the_writer() {
    let bytes = Bytes::new();
    let mut tree = Tree::default();
    assert_eq!(tree.root(), bytes.root(0));
    for size in 1..=SIZE {
        tree.push(bytes.0[usize::try_from(size - 1).unwrap()]);
        let root = tree.root();
        assert_eq!((tree.size(), root), (size, bytes.root(size)));
        for index in 0..size {
            let leaf = bytes.0[usize::try_from(index).unwrap()];
            let proof = inclusion_proof(&bytes, index, size).unwrap();
            assert!(includes(index, size, &leaf, &proof, &root), "{index} of {size}");
            // Other leaves, places, sizes and proofs.
            assert!(!includes(index, size, &[1; 32], &proof, &root));
            assert!(!includes(index, size, &leaf, &proof, &[1; 32]));
            assert!(!includes(size, size, &leaf, &proof, &root));
            assert!(!includes(index + 1, size, &leaf, &proof, &root), "{index} of {size}");
            assert!(!includes(u64::MAX, size, &leaf, &proof, &root));
            assert!(!includes(index, 0, &leaf, &proof, &root));
            for other in changed(&proof) {
                assert!(!includes(index, size, &leaf, &other, &root), "{index} of {size}");
            }
        }
    }
}

#[test]
fn consistency_proofs_of_every_pair_agree_with_the_writer() {
    let bytes = Bytes::new();
    for size in 1..=SIZE {
        let root = bytes.root(size);
        for old_size in 0..=size {
            let old_root = bytes.root(old_size);
            let proof = consistency_proof(&bytes, old_size, size).unwrap();
            let holds = |old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]| is_consistent(old, new, proof);
            assert!(holds((old_size, &old_root), (size, &root), &proof), "{old_size} to {size}");
            assert!(!holds((old_size, &[1; 32]), (size, &root), &proof), "{old_size} to {size}");
            if old_size > 0 {
                assert!(!holds((old_size, &old_root), (size, &[1; 32]), &proof), "{old_size} to {size}");
            }
            assert_eq!(holds((size, &root), (old_size, &old_root), &proof), old_size == size);
            for other in changed(&proof) {
                assert!(!holds((old_size, &old_root), (size, &root), &other), "{old_size} to {size}");
            }
        }
    }
}
