//! Request ids stand once in a log. They are gathered while the chain is followed and compared at its end, sorted on all
//! cores: a set of millions would cost a miss of every cache for each.

use std::thread;

use super::frame::Fingerprint;

/// Ids are gathered apart by their first byte, so that each part can be sorted by itself.
const SHARDS: usize = 256;
/// Ids of a piece of a shard.
const PIECE: usize = 512;
/// Bits of a sequence beside the fingerprint: a million millions of entries; a larger one, which no log has, counts as the last.
const SEQUENCE_BITS: u32 = 40;
const SEQUENCE_MASK: u128 = (1 << SEQUENCE_BITS) - 1;

/// The ids of a log, with the events that have them.
pub(super) struct Requests {
    /// 16 bytes an event: the 88 bits of a fingerprint that follow its first byte, and the sequence. Two of a thousand
    /// million different ids agree in 96 bits of a keyed hash once in 10^11 audits.
    shards: Vec<Shard>,
}

/// In pieces, because a list that grows is copied over and over.
#[derive(Clone, Default)]
struct Shard(Vec<Vec<u128>>);

impl Shard {
    fn push(&mut self, id: u128) {
        if let Some(piece) = self.0.last_mut().filter(|piece| piece.len() < PIECE) {
            piece.push(id);
        } else {
            let mut piece = Vec::with_capacity(PIECE);
            piece.push(id);
            self.0.push(piece);
        }
    }

    /// The events whose ids an earlier one has.
    fn doubles(&mut self) -> Vec<i64> {
        let mut ids = std::mem::take(&mut self.0).concat();
        ids.sort_unstable();
        let pairs = ids.windows(2).filter_map(|pair| match pair {
            [one, other] if one >> SEQUENCE_BITS == other >> SEQUENCE_BITS => i64::try_from(other & SEQUENCE_MASK).ok(),
            _ => None,
        });
        pairs.collect()
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self { shards: vec![Shard::default(); SHARDS] }
    }
}

impl Requests {
    /// An event has an id.
    pub(super) fn note(&mut self, request: Fingerprint, sequence: i64) {
        let (shard, rest) = request.split();
        if let Some(shard) = self.shards.get_mut(usize::from(shard)) {
            shard.push((rest & !SEQUENCE_MASK) | u128::try_from(sequence).unwrap_or_default().min(SEQUENCE_MASK));
        }
    }

    /// The events whose ids an earlier one has, ascending.
    pub(super) fn doubles(mut self) -> Vec<i64> {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let a_worker = SHARDS.div_ceil(workers.max(1));
        let mut doubles: Vec<i64> = thread::scope(|threads| {
            let sorting: Vec<_> = self
                .shards
                .chunks_mut(a_worker)
                .map(|shards| threads.spawn(|| shards.iter_mut().flat_map(Shard::doubles).collect::<Vec<i64>>()))
                .collect();
            // A thread that failed would hide what it had: nothing in it can.
            sorting.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        doubles.sort_unstable();
        doubles
    }
}
