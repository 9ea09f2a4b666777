//! The command: what it takes, what it refuses, and that what it did before still goes.

use std::fs;

use crate::ledgers::{Ledger, content};
use crate::server::{errors, run};

#[test]
fn sources_funds_and_sequences() {
    let ledger = Ledger::after("s6-investment");
    let whole = fs::read(ledger.export("hledger", &[])).unwrap();
    let data = ledger.data();
    let data = data.to_str().unwrap();
    let (bundle, from_bundle) = (ledger.beside("bundle"), ledger.beside("from-bundle"));
    let (bundle, path) = (bundle.to_str().unwrap(), from_bundle.to_str().unwrap());
    content(&run(&["export", "--data", data, "--bundle", bundle])).unwrap();
    content(&run(&["export", "--as", "hledger", "--output", path, bundle])).unwrap();
    assert!(fs::read(&from_bundle).unwrap() == whole, "a bundle says the same");
    content(&run(&["export", "--as", "hledger", "--output", path, "--data", data])).unwrap();
    assert!(fs::read(&from_bundle).unwrap() == whole, "--data names the ledger as well");
    content(&run(&["export", "--as", "hledger", "--output", path, data, "--fund", "INV"])).unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("; fund: INV\n"), "{text}");
    content(&run(&["export", "--as", "hledger", "--output", path, data, "--as-of", "20"])).unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("; sequence: 20\n") && !text.contains("(21)"), "{text}");
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let ledger = Ledger::after("s6-investment");
    let data = ledger.data();
    let data = data.to_str().unwrap();
    let path = ledger.beside("refused");
    let written = path.to_str().unwrap();
    for (arguments, code, said) in [
        (vec!["export", "--as", "hledger", data], 2, "--output"),
        (vec!["export", "--output", written, data], 2, "--as"),
        (vec!["export", "--data", data], 2, "--bundle"),
        (vec!["export", "--as", "nothing", "--output", written, data], 2, "hledger"),
        (vec!["export", "--as", "hledger", "--output", written, data, "--fund", "NO"], 2, "NO"),
        (vec!["export", "--as", "hledger", "--output", written, data, "--as-of", "100000"], 2, "ends at sequence"),
        (vec!["export", "--as", "hledger", "--output", written, data, "--from", "2026-02-30"], 2, "--from"),
        (
            vec!["export", "--as", "hledger", "--output", written, data, "--from", "2026-02-01", "--to", "2026-01-01"],
            2,
            "--to",
        ),
        (vec!["export", "--as", "hledger", "--output", written, "/nowhere/at/all"], 3, "/nowhere/at/all"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(said), "{arguments:?}: {}", errors(&output));
        assert!(!path.exists(), "{arguments:?}");
    }
}

/// Nothing is made of a log that is not what it was.
#[test]
fn a_broken_log_is_not_exported() {
    let ledger = Ledger::after("s6-investment");
    let bundle = ledger.beside("bundle");
    content(&run(&["export", "--data", ledger.data().to_str().unwrap(), "--bundle", bundle.to_str().unwrap()]))
        .unwrap();
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(3).position(|window| window == b"INV").unwrap();
    bytes[at] = b'X';
    fs::write(&bundle, bytes).unwrap();
    let path = ledger.beside("written");
    let output = run(&["export", "--as", "hledger", "--output", path.to_str().unwrap(), bundle.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(!path.exists());
}
