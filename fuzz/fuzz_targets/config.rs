//! Settings in TOML: what is accepted is accepted however often it is read, and no key is passed over.

#![no_main]

use fundledger::cli::settings::is_accepted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if is_accepted(text) {
        let twice = format!("not_a_key = 1\n{text}");
        assert!(!is_accepted(&twice), "a key that does not exist was passed over");
    }
});
