//! What a disk may hold after a power cut: of what was not synced, anything.
//!
//! - Bytes that were written and not synced are there, or not, or some sectors of them are: each write by itself, in any order.
//! - A file that was cut or grew and was not synced has its old or its new length.
//! - Names that were made, moved or removed in a directory come to be in order, up to some point, each directory by itself;
//!   those before its last sync are there.

use std::collections::BTreeMap;

use super::disk::{Step, Tree};
use super::random::Random;

/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// Nothing is lost: the machine only forgot what it was doing.
    Nothing,
    /// Of each file's writes the first so many survive, and of the next some sectors.
    Tail,
    /// Each write survives, is lost or is torn by itself.
    Any,
}

/// The disk after a power cut before `steps[end]`.
pub fn image(steps: &[Step], end: usize, loss: Loss, random: &mut Random) -> Tree {
    let mut tree = Tree::default();
    let done = &steps[..end];
    // Where each file and directory was synced last; what lies outside the test's own directory is not its doing.
    let mut synced: BTreeMap<u64, usize> = BTreeMap::from([(1, end)]);
    for (at, step) in done.iter().enumerate() {
        match step {
            Step::Sync { node } => drop(synced.insert(*node, at)),
            Step::Make { node, is_directory, .. } => tree.add(*node, *is_directory),
            _ => {}
        }
    }
    // For each file and directory, how much of what came after that survives.
    let mut unsynced: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, step) in done.iter().enumerate() {
        if let Some(node) = changed(step).filter(|node| synced.get(node).is_none_or(|synced| *synced < at)) {
            *unsynced.entry(node).or_default() += 1;
        }
    }
    let survive: BTreeMap<u64, usize> = unsynced
        .iter()
        .map(|(node, count)| {
            let kept = match loss {
                Loss::All => 0,
                Loss::Nothing => *count,
                Loss::Tail | Loss::Any => random.below(count + 1),
            };
            (*node, kept)
        })
        .collect();
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, step) in done.iter().enumerate() {
        let Some(node) = changed(step) else { continue };
        if synced.get(&node).is_some_and(|synced| *synced > at) {
            tree.apply(step);
            continue;
        }
        let number = seen.entry(node).or_default();
        *number += 1;
        let kept = survive.get(&node).copied().unwrap_or_default();
        let is_of_file = matches!(step, Step::Write { .. } | Step::Resize { .. });
        let fate = match loss {
            Loss::Any if is_of_file => random.below(3),
            _ if *number <= kept => 0,
            Loss::Tail if is_of_file && *number == kept + 1 => 2,
            _ => 1,
        };
        match (fate, step) {
            (0, step) => tree.apply(step),
            (2, Step::Write { node, offset, bytes }) => tear(&mut tree, *node, *offset, bytes, random),
            _ => {}
        }
    }
    tree
}

/// Whose bytes or names a step changes.
fn changed(step: &Step) -> Option<u64> {
    match step {
        Step::Write { node, .. } | Step::Resize { node, .. } => Some(*node),
        Step::Make { parent, .. } | Step::Remove { parent, .. } | Step::Rename { to: (parent, _), .. } => Some(*parent),
        Step::Sync { .. } | Step::Told(_) => None,
    }
}

/// Writes some sectors of what was to be written.
fn tear(tree: &mut Tree, node: u64, offset: usize, bytes: &[u8], random: &mut Random) {
    let mut start = 0;
    while start < bytes.len() {
        let end = ((offset + start) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - offset).min(bytes.len());
        if random.below(2) == 0 {
            tree.write(node, offset + start, &bytes[start..end]);
        }
        start = end;
    }
}
