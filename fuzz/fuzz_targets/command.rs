//! Commands as JSON lines: what is read is read again from how it is shown.

#![no_main]

use fundledger::cli::post::command_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((command, shown)) = command_of(input) else { return };
    let (again, shown_again) = command_of(shown.as_bytes()).expect("what is shown is a command");
    assert_eq!((again, shown_again), (command, shown));
});
