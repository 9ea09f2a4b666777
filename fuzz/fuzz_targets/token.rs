//! Page tokens: one that is taken is one that is made, and is bound to its parameters.

#![no_main]

use fundledger::grpc::fuzzing::token_again;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(again) = token_again(text, &[b"fund", b"lot"]) else { return };
    assert!(again.eq_ignore_ascii_case(text), "{again}");
    assert_eq!(token_again(text, &[b"fun", b"dlot"]), None);
    assert_eq!(token_again(text, &[]), None);
});
