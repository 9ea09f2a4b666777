//! The Merkle tree of RFC 6962, as an auditor checks it: grown leaf by leaf, and by the verification algorithms of RFC 9162,
//! sections 2.1.3.2 and 2.1.4.2. It shares nothing with the code that makes trees and proofs.

use sha2::{Digest, Sha256};

use super::frame::Hash;

/// Hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(leaf).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    let (ahead, behind) = bytes.split_at_mut(33);
    if let Some(place) = ahead.get_mut(1..) {
        place.copy_from_slice(left);
    }
    behind.copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// A tree that grows: a counter whose digits are the roots of complete subtrees.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// By height; there is one where the size has that bit.
    roots: Vec<Option<Hash>>,
}

impl Tree {
    /// Leaves so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// A tree of a size whose complete subtrees have these roots, the largest first.
    pub fn from_edge(size: u64, peaks: impl IntoIterator<Item = Hash, IntoIter: DoubleEndedIterator>) -> Self {
        let mut peaks = peaks.into_iter().rev();
        let heights = 0..u64::BITS.saturating_sub(size.leading_zeros());
        let roots = heights.map(|height| (size >> height & 1 == 1).then(|| peaks.next()).flatten()).collect();
        Self { size, roots }
    }

    /// Appends the hash of a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.grow(leaf, |_, _| {});
    }

    /// Appends the hash of a leaf; tells the height and hash of every node that it completes, the leaf itself first.
    pub(super) fn grow(&mut self, leaf: Hash, mut complete: impl FnMut(u32, &Hash)) {
        self.size = self.size.saturating_add(1);
        let mut carried = leaf;
        complete(0, &carried);
        for (height, digit) in (1..).zip(&mut self.roots) {
            let Some(left) = digit.take() else {
                *digit = Some(carried);
                return;
            };
            carried = node_hash(&left, &carried);
            complete(height, &carried);
        }
        self.roots.push(Some(carried));
    }

    /// The roots of the complete subtrees that the tree consists of, with their heights, the lowest first.
    pub(super) fn peaks(&self) -> impl Iterator<Item = (u32, &Hash)> {
        (0..).zip(&self.roots).filter_map(|(height, root)| Some((height, root.as_ref()?)))
    }

    /// The root over the leaves so far.
    pub fn root(&self) -> Hash {
        let right_to_left = self.roots.iter().flatten();
        let root = right_to_left
            .fold(None, |right: Option<Hash>, left| Some(right.map_or(*left, |right| node_hash(left, &right))));
        root.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// Whether a proof shows that a leaf is in the tree of a size and root, at an index (RFC 9162, section 2.1.3.2).
pub fn includes(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    let Some(mut last) = size.checked_sub(1).filter(|last| index <= *last) else { return false };
    let mut place = index;
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// The edge of the tree before a leaf, from a proof of the leaf: its siblings on the left are the roots of the complete
/// subtrees before it. `None` for what is no such proof. Nothing is proven by it: the tree that grows from it must have a
/// root that is known.
pub fn edge_before(index: u64, size: u64, proof: &[Hash]) -> Option<Tree> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
    let mut place = index;
    let mut left = Vec::new();
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            left.push(*sibling);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        }
        (place, last) = (place >> 1, last >> 1);
    }
    let is_whole = last == 0 && u32::try_from(left.len()) == Ok(index.count_ones());
    is_whole.then(|| Tree::from_edge(index, left.into_iter().rev()))
}

/// Whether a proof shows that the tree of one size and root is the beginning of another (RFC 9162, section 2.1.4.2). Of an
/// empty tree everything is a continuation, without a proof.
pub fn is_consistent((old_size, old_root): (u64, &Hash), (size, root): (u64, &Hash), proof: &[Hash]) -> bool {
    if old_size == 0 {
        return proof.is_empty() && *old_root == Tree::default().root();
    }
    if old_size == size {
        return proof.is_empty() && old_root == root;
    }
    let (Some(mut place), Some(mut last)) = (old_size.checked_sub(1), size.checked_sub(1)) else { return false };
    if old_size > size {
        return false;
    }
    // Of a complete tree the root itself begins the path.
    let (first, rest) = if old_size.is_power_of_two() && !proof.is_empty() {
        (old_root, proof)
    } else {
        let Some((first, rest)) = proof.split_first() else { return false };
        (first, rest)
    };
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    let (mut old, mut new) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, hash);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && old == *old_root && new == *root
}
