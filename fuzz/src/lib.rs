//! What the targets share.

#![forbid(unsafe_code)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fundledger::audit::{Depth, Evidence, Options, Report, Verdict, verify};
use fundledger::format::note_key::{KeyKind, SignerKey};

/// Name of the log in the seeds.
pub const ORIGIN: &str = "ledger.example.org/funds";

/// The key of the log in the seeds.
pub fn log_key() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32])
}

/// The key of the witness in the seeds.
pub fn witness_key() -> SignerKey {
    SignerKey::of_kind("congress", &[2; 32], KeyKind::Cosigner)
}

/// Pieces of an input, each after its length in two bytes; the last may be cut short.
pub fn pieces(mut input: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let (piece, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}

/// Whether a text is base64 as its bytes are written, and as nothing else is.
pub fn is_canonical(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|bytes| STANDARD.encode(bytes) == text)
}

/// The same input with one bit flipped, where the input itself says.
pub fn flipped(input: &[u8], salt: u64) -> Vec<u8> {
    let mut changed = input.to_vec();
    let at = usize::try_from(salt).unwrap_or_default() % changed.len().max(1);
    if let Some(byte) = changed.get_mut(at) {
        *byte ^= 1 << (salt % 8);
    }
    changed
}

/// Looks at values as deep as an audit goes, and holds the report to what reports promise.
pub fn audited(values: impl Iterator<Item = (Vec<u8>, Vec<u8>)> + Send) -> Report {
    let options = Options { depth: Depth::Deep, ..Options::default() };
    let report = verify(Evidence::Blocks(Box::new(values.map(|(key, value)| Ok((key, value.into()))))), &options);
    check(&report);
    report
}

/// What every report promises.
pub fn check(report: &Report) {
    let is_sound = report.fault_count == 0 && report.unreadable.is_none();
    assert_eq!(report.verdict == Verdict::Verified, is_sound, "{report:?}");
    assert_eq!(report.fault_count == 0, report.faults.is_empty(), "{report:?}");
    let first = report.faults.iter().map(|fault| fault.sequence).min();
    assert!(report.first_bad_sequence <= first || first.is_none(), "{report:?}");
    if is_sound {
        let (events, head) = (report.events, report.head.expect("a sound log has a genesis"));
        assert_eq!(i64::try_from(events).ok(), head.sequence.checked_add(1), "{report:?}");
        assert_eq!(report.tree.map(|(size, _)| size), Some(events), "{report:?}");
    }
}
