//! Mapping files of `import`, each with a file that is read by it: every row is read or refused, whatever stands in it.

#![no_main]

use fundledger::cli::import::rows_of;
use fundledger_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let pieces = pieces(input);
    let [mapping, file @ ..] = pieces.as_slice() else { return };
    let Ok(mapping) = std::str::from_utf8(mapping) else { return };
    let file = file.concat();
    let lines = file.len();
    if let Some((readable, refused)) = rows_of(mapping, file.clone()) {
        assert!(file.starts_with(&[0x1f, 0x8b]) || readable + refused <= lines, "no more rows than bytes");
    }
});
