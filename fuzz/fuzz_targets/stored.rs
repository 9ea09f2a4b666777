//! Stored values: pieces, in turn a key and a value, with the checksum made good where the first byte says so. What the
//! auditor finds whole is whole for whoever wrote it, and not whole with a byte changed.

#![no_main]

use fundledger::audit::Verdict;
use fundledger::format::block::{Assembler, check_chain, parse_value};
use fundledger::format::record::Head;
use fundledger_fuzz::{audited, pieces};
use libfuzzer_sys::fuzz_target;

/// A value with the checksum that its bytes have.
fn mended(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() >= 12 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&value[..8]);
        hasher.update(&value[12..]);
        let checksum = hasher.finalize().to_be_bytes();
        value[8..12].copy_from_slice(&checksum);
    }
    value
}

fuzz_target!(|input: &[u8]| {
    let Some((is_mended, rest)) = input.split_first() else { return };
    let values: Vec<(Vec<u8>, Vec<u8>)> = pieces(rest)
        .chunks_exact(2)
        .map(|pair| (pair[0].to_vec(), if is_mended & 1 == 1 { mended(pair[1]) } else { pair[1].to_vec() }))
        .collect();
    let report = audited(values.clone().into_iter());
    if report.verdict != Verdict::Verified {
        return;
    }
    let mut assembler = Assembler::default();
    let mut head = Head::EMPTY;
    for (key, value) in &values {
        let part = parse_value(key, value).expect("a value that the auditor takes");
        if let Some(block) = assembler.push(part).expect("a part that continues") {
            check_chain(&block, head).expect("a block that continues");
            head = block.head;
        }
    }
    assert!(!assembler.is_partial());
    assert_eq!(report.head.map(|last| (last.sequence, last.hash)), Some((head.sequence, head.hash.0)));
    // Every byte counts: of a header's fields, of the checksum, of the entries.
    for place in [0, 4, 8, 11, 12, 44, 76, 200] {
        let mut changed = values.clone();
        for byte in changed.iter_mut().take(1).filter_map(|(_, value)| value.get_mut(place)) {
            *byte ^= 1;
        }
        let is_changed = changed != values;
        assert!(!is_changed || audited(changed.into_iter()).verdict != Verdict::Verified, "byte {place}");
    }
});
