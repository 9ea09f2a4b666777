//! Request ids stand once in a log. They are gathered while the chain is followed and compared at its end, sorted on all
//! cores: a set of millions would cost a miss of every cache for each.

use std::thread;

use super::frame::Fingerprint;

/// Ids are gathered apart by their first byte, so that each part can be sorted by itself.
const SHARDS: usize = 256;

/// The ids of a log, with the events that have them.
pub(super) struct Requests {
    shards: Vec<Vec<(Fingerprint, i64)>>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { shards: vec![Vec::new(); SHARDS] }
    }
}

impl Requests {
    /// An event has an id.
    pub(super) fn note(&mut self, request: Fingerprint, sequence: i64) {
        if let Some(shard) = self.shards.get_mut(usize::from(request.first_byte())) {
            shard.push((request, sequence));
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
                .map(|shards| {
                    threads.spawn(|| shards.iter_mut().flat_map(|shard| in_shard(shard)).collect::<Vec<i64>>())
                })
                .collect();
            // A thread that failed would hide what it had: nothing in it can.
            sorting.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        doubles.sort_unstable();
        doubles
    }
}

fn in_shard(shard: &mut [(Fingerprint, i64)]) -> Vec<i64> {
    shard.sort_unstable();
    let pairs = shard.windows(2).filter_map(|pair| match pair {
        [(one, _), (other, sequence)] if one == other => Some(*sequence),
        _ => None,
    });
    pairs.collect()
}
