//! Logs for the auditor's tests: an encoder of blocks that shares nothing with the ledger's, and a story that uses every
//! type of event.
#![expect(clippy::arithmetic_side_effects, reason = "numbers of small tests; an overflow traps")]

mod bundles;
mod bytes;
mod complaints;
mod conduct;
mod contracts;
mod families;
mod family_story;
mod glance;
mod hostile;
mod money;
mod notes;
mod releases;
mod speed;
mod story;
mod tree;

use prost::Message;
use sha2::{Digest, Sha256};

use super::{Depth, Evidence, FaultKind, Options, Report, verify};
use crate::pb::v1::Event;

type Hash = [u8; 32];

pub(super) fn hash(entry: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(entry).finalize().into()
}

/// Chains events to entries.
pub(super) fn chained(events: &[Event]) -> Vec<Vec<u8>> {
    let mut link = [0; 32];
    events
        .iter()
        .map(|event| {
            let entry = [&link[..], &event.encode_to_vec()].concat();
            link = hash(&entry);
            entry
        })
        .collect()
}

/// One stored value, sealed with its checksum.
pub(super) fn sealed(
    sequence: i64,
    part: u8,
    parts: u8,
    count: usize,
    heads: (Hash, Hash),
    payload: &[u8],
) -> KeyValue {
    let mut value = vec![1, part, parts, 0];
    value.extend(u16::try_from(count).unwrap().to_be_bytes());
    value.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    value.extend([0; 4]);
    value.extend(heads.0);
    value.extend(heads.1);
    value.extend(payload);
    reseal(&mut value);
    ([&sequence.to_be_bytes()[..], &[part]].concat(), value)
}

/// Mends the checksum.
pub(super) fn reseal(value: &mut [u8]) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&value[..8]);
    hasher.update(&value[12..]);
    value[8..12].copy_from_slice(&hasher.finalize().to_be_bytes());
}

/// Puts entries into blocks of `per_block`, with true heads; a long entry into parts.
pub(super) fn blocks(entries: &[Vec<u8>], per_block: usize) -> Vec<KeyValue> {
    let mut values = Vec::new();
    let mut previous = [0; 32];
    let mut sequence = 0;
    let is_long = |entry: &Vec<u8>| entry.len() > 5_922;
    let mut rest = entries;
    while !rest.is_empty() {
        let short = rest.iter().take(per_block).take_while(|entry| !is_long(entry)).count();
        let (block, after) = rest.split_at(short.max(1));
        let head = hash(block.last().unwrap());
        let payload: Vec<u8> = block
            .iter()
            .flat_map(|entry| [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], entry].concat())
            .collect();
        let parts = u8::try_from(payload.chunks(5_924).count()).unwrap();
        for (part, payload) in (0..).zip(payload.chunks(5_924)) {
            values.push(sealed(sequence, part, parts, block.len(), (previous, head), payload));
        }
        previous = head;
        sequence += i64::try_from(block.len()).unwrap();
        rest = after;
    }
    values
}

pub(super) fn options(depth: Depth) -> Options {
    Options { depth, ..Options::default() }
}

/// Stored values, while they can still be changed.
pub(super) type KeyValue = (Vec<u8>, Vec<u8>);

pub(super) fn stored(values: Vec<KeyValue>) -> Evidence<'static> {
    Evidence::Blocks(Box::new(values.into_iter().map(|(key, value)| Ok((key, value.into())))))
}

pub(super) fn audit(values: Vec<KeyValue>, depth: Depth) -> Report {
    verify(stored(values), &options(depth))
}

/// The kinds found, each once, in the order of the report.
pub(super) fn kinds(report: &Report) -> Vec<FaultKind> {
    let mut kinds: Vec<FaultKind> = report.faults.iter().map(|fault| fault.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
