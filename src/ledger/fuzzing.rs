//! For fuzz/: the state as a snapshot has it.

use super::snapshot;
use crate::domain::state::State;
use crate::domain::time::UtcNanos;
use crate::format::fingerprint::FingerprintTable;

fn bytes_of(state: &State, booked_at: UtcNanos) -> Vec<u8> {
    snapshot::take(state, &FingerprintTable::default(), booked_at).state().to_vec()
}

/// The state of these bytes as it would be written again; `None` where they are no state. What is written is read as the same.
pub fn state_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let (state, booked_at) = snapshot::decode(bytes).ok()?;
    let written = bytes_of(&state, booked_at);
    assert!(snapshot::decode(&written) == Ok((state, booked_at)), "another state is read than was written");
    Some(written)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::audit::read_bundle;
    use crate::domain::ids::Sequence;
    use crate::format::block::{Assembler, parse_value};
    use crate::format::codec;
    use crate::format::record::split_entry;

    /// What the target `snapshot` starts from, beside the views of `tests/fuzz_seeds.rs`: `UPDATE_SEEDS=1` writes it anew.
    #[test]
    fn seeds_are_states_of_the_fixtures() {
        for fixture in ["every_event", "families"] {
            let (mut state, mut booked_at, mut sequence) = (State::default(), UtcNanos(0), 0);
            let mut assembler = Assembler::default();
            for item in read_bundle(format!("tests/format_fixtures/v1/{fixture}.bundle")).unwrap() {
                let (key, value) = item.unwrap();
                let Some(block) = assembler.push(parse_value(&key, &value).unwrap()).unwrap() else { continue };
                for entry in block.entries() {
                    let event = codec::decode(split_entry(entry).unwrap().1).unwrap();
                    state.apply(Sequence(sequence), &event);
                    (booked_at, sequence) = (event.booked_at, sequence + 1);
                }
            }
            let bytes = bytes_of(&state, booked_at);
            assert_eq!(state_again(&bytes).as_ref(), Some(&bytes), "{fixture}");
            assert_eq!(state_again(&bytes[1..]), None, "{fixture}");
            let path = format!("fuzz/seeds/snapshot/{fixture}_state");
            let seed = [&[0], bytes.as_slice()].concat();
            if std::env::var_os("UPDATE_SEEDS").is_some() {
                fs::create_dir_all("fuzz/seeds/snapshot").unwrap();
                fs::write(&path, &seed).unwrap();
            }
            assert!(fs::read(&path).unwrap_or_default() == seed, "UPDATE_SEEDS=1 cargo test writes {path} anew");
        }
    }
}
