//! Merkle trees of RFC 6962, section 2.1: hashes, the growing edge of a tree, and proofs. Leaves and nodes have prefixes of
//! their own, so that neither can pass for the other.
//!
//! This is the half that makes proofs; the half that checks them is the auditor's own (`audit::tree`).

use sha2::{Digest, Sha256};

use super::record::HASH_BYTES;

/// A hash of a leaf or of a node.
pub type TreeHash = [u8; HASH_BYTES];

/// Hash of a leaf: SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> TreeHash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// Hash of a node: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Root over leaf hashes, in order; of none, the hash of nothing.
pub fn root(leaves: &[TreeHash]) -> TreeHash {
    let mut edge = Edge::default();
    for leaf in leaves {
        edge.push(*leaf, |_, _| {});
    }
    edge.root()
}

/// The growing edge of a tree: the roots of its complete subtrees, the largest first. It is all that appending needs, and
/// gives the root of the tree as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    peaks: Vec<TreeHash>,
}

impl Edge {
    /// The edge of a tree that is stored: reads at most 63 nodes.
    pub fn read<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let mut edge = Self { size, peaks: Vec::new() };
        let mut start = 0_u64;
        for level in (0..u64::BITS).rev() {
            if size >> level & 1 == 1 {
                edge.peaks.push(nodes.node(Node { level, index: start >> level })?);
                start = start.saturating_add(1 << level);
            }
        }
        Ok(edge)
    }

    /// Leaves in the tree.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; tells every node that it completes, the leaf itself first.
    pub fn push(&mut self, leaf: TreeHash, mut complete: impl FnMut(Node, &TreeHash)) {
        let mut node = Node { level: 0, index: self.size };
        let mut hash = leaf;
        complete(node, &hash);
        while node.index & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            node = Node { level: node.level.saturating_add(1), index: node.index >> 1 };
            complete(node, &hash);
        }
        self.peaks.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root of the tree.
    pub fn root(&self) -> TreeHash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Sha256::digest([]).into() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// Where a complete subtree stands: it covers the leaves from `index · 2^level` on, `2^level` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its height; leaves have 0.
    pub level: u32,
    /// Its place among the nodes of that height, from 0.
    pub index: u64,
}

/// The nodes of a tree, wherever they are kept.
pub trait Nodes {
    /// Why a node cannot be read.
    type Error;

    /// The hash of a complete subtree.
    fn node(&self, node: Node) -> Result<TreeHash, Self::Error>;
}

/// The hashes that show that a leaf is in the tree of a size, the leaf's sibling first (RFC 6962, section 2.1.1). The index
/// must be below the size; none are given otherwise.
pub fn inclusion_proof<N: Nodes + ?Sized>(nodes: &N, index: u64, size: u64) -> Result<Vec<TreeHash>, N::Error> {
    let (mut start, mut end) = (0, size);
    let mut siblings = Vec::new();
    if index >= size {
        return Ok(Vec::new());
    }
    while end.saturating_sub(start) > 1 {
        let middle = split(start, end);
        if index < middle {
            siblings.push((middle, end));
            end = middle;
        } else {
            siblings.push((start, middle));
            start = middle;
        }
    }
    siblings.into_iter().rev().map(|(start, end)| subtree(nodes, start, end)).collect()
}

/// The hashes that show that the tree of one size is the beginning of the tree of another (RFC 6962, section 2.1.2); none
/// where the sizes are equal or the first is 0. The first must not be above the second; none are given otherwise.
pub fn consistency_proof<N: Nodes + ?Sized>(nodes: &N, old_size: u64, size: u64) -> Result<Vec<TreeHash>, N::Error> {
    let mut parts = Vec::new();
    if old_size == 0 || old_size >= size {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, size);
    // Whether the old tree is known to whoever checks: as long as nothing to the left was cut off.
    let mut is_whole = true;
    while end != old_size {
        let middle = split(start, end);
        if old_size <= middle {
            parts.push((middle, end));
            end = middle;
        } else {
            parts.push((start, middle));
            start = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        parts.push((start, end));
    }
    parts.into_iter().rev().map(|(start, end)| subtree(nodes, start, end)).collect()
}

/// Where a tree over leaves divides: the left part is the largest power of two that leaves something for the right.
const fn split(start: u64, end: u64) -> u64 {
    let count = end.saturating_sub(start);
    start.saturating_add(count.div_ceil(2).next_power_of_two())
}

/// The hash of a tree over neighbouring leaves, one that occurs within a larger tree.
fn subtree<N: Nodes + ?Sized>(nodes: &N, start: u64, end: u64) -> Result<TreeHash, N::Error> {
    let count = end.saturating_sub(start);
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return nodes.node(Node { level, index: start >> level });
    }
    let middle = split(start, end);
    Ok(node_hash(&subtree(nodes, start, middle)?, &subtree(nodes, middle, end)?))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::format::hexadecimal;

    /// The eight inputs that the reference implementations of RFC 6962 test with, and the roots over the first n of them.
    #[test]
    fn roots_are_those_of_the_reference_vectors() {
        let inputs: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let leaves: Vec<_> = inputs.iter().map(|input| leaf_hash(input)).collect();
        for (count, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(hexadecimal::of(&root(&leaves[..count])), expected, "{count}");
        }
    }

    /// A tree of single bytes in memory: leaf i is the byte i.
    struct Bytes(Vec<TreeHash>);

    impl Bytes {
        fn new(size: u8) -> Self {
            Self((0..size).map(|byte| leaf_hash(&[byte])).collect())
        }
    }

    impl Nodes for Bytes {
        type Error = std::convert::Infallible;

        fn node(&self, Node { level, index }: Node) -> Result<TreeHash, Self::Error> {
            let start = usize::try_from(index << level).unwrap();
            Ok(root(&self.0[start..start + (1 << level)]))
        }
    }

    fn hex_lines(hashes: &[TreeHash]) -> String {
        hashes.iter().flat_map(|hash| [" ".to_owned(), hexadecimal::of(hash)]).collect()
    }

    /// Whether a subtree of these leaves occurs in trees: a power of two that holds it begins where it begins. Of no leaves
    /// there is one everywhere.
    fn is_subtree(start: u64, end: u64) -> bool {
        start == end || start.is_multiple_of((end - start).next_power_of_two())
    }

    /// The rolling hashes of draft-ietf-plants-merkle-tree-certs over every subtree of trees up to 130 leaves, and over every
    /// inclusion proof in them.
    #[test]
    fn subtrees_and_proofs_are_those_of_the_published_test_vectors() {
        let tree = Bytes::new(130);
        let (mut subtrees, mut proofs) = (Sha256::new(), Sha256::new());
        for end in 0..=130_u64 {
            for start in (0..=end).filter(|start| is_subtree(*start, end)) {
                let hash = root(&tree.0[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()]);
                subtrees.update(format!("[{start}, {end}) {}\n", hexadecimal::of(&hash)));
                let part = Bytes(tree.0[usize::try_from(start).unwrap()..].to_vec());
                for index in start..end {
                    let proof = inclusion_proof(&part, index - start, end - start).unwrap();
                    proofs.update(format!("{index} [{start}, {end}){}\n", hex_lines(&proof)));
                }
            }
        }
        let (subtrees, proofs) = (hexadecimal::of(&subtrees.finalize()), hexadecimal::of(&proofs.finalize()));
        assert_eq!(subtrees, "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81");
        assert_eq!(proofs, "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f");
    }

    #[test]
    fn an_edge_grows_as_the_root_over_all_leaves_does() {
        let tree = Bytes::new(130);
        let mut edge = Edge::default();
        let mut complete = 0;
        for (size, leaf) in (1..).zip(&tree.0) {
            edge.push(*leaf, |node, hash| {
                complete += 1;
                assert_eq!(*hash, tree.node(node).unwrap(), "{node:?}");
            });
            assert_eq!(edge, Edge::read(&tree, size).unwrap());
            assert_eq!(edge.root(), subtree(&tree, 0, size).unwrap());
        }
        assert_eq!(complete, 130 + 65 + 32 + 16 + 8 + 4 + 2 + 1);
    }
}
