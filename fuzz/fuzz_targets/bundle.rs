//! Bundles, as an auditor gets them: nothing but a sound one verifies, and no changed one.

#![no_main]

use fundledger::audit::{Anchors, Bundle, Depth, Evidence, Options, Report, Verdict, verify};
use fundledger_fuzz::{check, flipped};
use libfuzzer_sys::fuzz_target;

fn audited(bytes: &[u8]) -> Option<Report> {
    let bundle = Bundle::new(bytes).ok()?;
    let anchors = Anchors { served: bundle.checkpoints(), ..Anchors::default() };
    let options = Options { depth: Depth::Deep, anchors, ..Options::default() };
    let report = verify(Evidence::Bundle(Box::new(bundle)), &options);
    check(&report);
    Some(report)
}

fuzz_target!(|input: &[u8]| {
    let Some(report) = audited(input) else { return };
    if report.verdict != Verdict::Verified {
        return;
    }
    let salt = report.tree.map_or(0, |(_, root)| u64::from_be_bytes(*root.first_chunk().unwrap()));
    for salt in [salt, salt / 3, salt / 7] {
        let changed = audited(&flipped(input, salt));
        assert!(changed.is_none_or(|report| report.verdict != Verdict::Verified), "bit {salt}");
    }
    let cut = input.split_last().and_then(|(_, cut)| audited(cut));
    assert!(cut.is_none_or(|report| report.verdict != Verdict::Verified), "the last byte is missing");
});
