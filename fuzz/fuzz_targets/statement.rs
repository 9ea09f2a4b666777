//! Bank statements: a mapping and CSV, or no mapping and camt.053. What is taken adds up.

#![no_main]

use fundledger::cli::reconcile::statement_of;
use fundledger_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let pieces = pieces(input);
    let [mapping, file @ ..] = pieces.as_slice() else { return };
    let Ok(mapping) = std::str::from_utf8(mapping) else { return };
    let mapping = Some(mapping).filter(|mapping| !mapping.is_empty());
    let Some((amounts, opening, closing)) = statement_of(mapping, &file.concat()) else { return };
    assert!(amounts.iter().all(|amount| *amount != 0 && amount.unsigned_abs() < 1 << 53));
    let sum: i128 = amounts.iter().map(|amount| i128::from(*amount)).sum();
    assert!(opening.is_none_or(|opening| i128::from(opening) + sum == i128::from(closing)));
});
