//! Events: pieces, each an encoded event, chained as a log is. Whatever they say, an audit of the books ends; and whether it
//! reads blocks or loose entries, it finds the same.

#![no_main]

use fundledger::audit::{Depth, Evidence, Options, verify};
use fundledger::format::block::{Block, BlockBuilder};
use fundledger::format::record::Head;
use fundledger_fuzz::{audited, check, pieces};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut builder = BlockBuilder::new(Head::EMPTY);
    for event in pieces(input) {
        if builder.push(|buffer| buffer.extend_from_slice(event)).is_err() {
            return;
        }
    }
    let blocks = builder.take();
    let values = blocks.iter().flat_map(Block::to_values).map(|value| (value.key.to_vec(), value.value));
    let of_blocks = audited(values.collect::<Vec<_>>().into_iter());
    let entries: Vec<Vec<u8>> = blocks.iter().flat_map(Block::entries).map(<[u8]>::to_vec).collect();
    let options = Options { depth: Depth::Deep, ..Options::default() };
    let of_entries = verify(Evidence::Entries(Box::new(entries.into_iter().map(Ok))), &options);
    check(&of_entries);
    assert_eq!(of_blocks.faults, of_entries.faults);
    assert_eq!((of_blocks.verdict, of_blocks.tree), (of_entries.verdict, of_entries.tree));
});
