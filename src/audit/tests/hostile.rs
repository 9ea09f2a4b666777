//! Evidence that was written to mislead whoever reads the report, or to take more time and memory than there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bytes::events;
use super::{Depth, KeyValue, audit, blocks, chained, kinds, sealed};
use crate::audit::printable::{printable, printable_lines};
use crate::audit::{Evidence, FaultKind, Options, Unreadable, Verdict, verify};
use crate::pb::v1::event::Payload;

/// A log whose genesis names it so.
fn named(origin: &str) -> Vec<KeyValue> {
    let mut events = events();
    let Some(Payload::LedgerCreated(created)) = &mut events[0].payload else { panic!("no genesis") };
    origin.clone_into(&mut created.origin);
    blocks(&chained(&events), 6)
}

#[test]
fn an_origin_steers_no_terminal() {
    for (origin, shown) in [
        ("o\r\u{1b}[1AVERIFIED\n", "o\\u{d}\\u{1b}[1AVERIFIED\\u{a}"),
        ("o\u{9b}2J", "o\\u{9b}2J"),
        ("o\u{202e}x", "o\\u{202e}x"),
        ("o\u{7f}", "o\\u{7f}"),
    ] {
        let report = audit(named(origin), Depth::Chain);
        assert_eq!((report.verdict, kinds(&report)), (Verdict::Broken, vec![FaultKind::Genesis]), "{origin:?}");
        assert_eq!(report.origin.as_deref(), Some(shown));
    }
    let plain = audit(named("\u{8d26}\u{672c}/1"), Depth::Chain);
    assert_eq!((plain.verdict, plain.origin.as_deref()), (Verdict::Verified, Some("\u{8d26}\u{672c}/1")));
}

/// Whatever comes from the evidence into a fault, or into what could not be read.
#[test]
fn what_is_found_steers_no_terminal() {
    let mut events = events();
    "\u{1b}[2J".clone_into(&mut events[1].request_id);
    let report = audit(blocks(&chained(&events), 6), Depth::Chain);
    assert!(!report.faults.is_empty() && !report.faults[0].message.to_string().contains('\u{1b}'));
    let fact = fact!("{} is no public key of a log", "a\u{1b}b\u{200b}");
    assert_eq!(fact.to_string(), "a\\u{1b}b\\u{200b} is no public key of a log");
    let failing = [Err(Unreadable("tile \u{1b}[2J is cut".to_owned()))];
    let report = verify(Evidence::Entries(Box::new(failing.into_iter())), &Options::default());
    assert_eq!(report.unreadable.as_deref(), Some("tile \\u{1b}[2J is cut"));
    assert_eq!(
        (printable("\u{8d26} a\n"), printable_lines("a\nb\u{7}")),
        ("\u{8d26} a\\u{a}".into(), "a\nb\\u{7}".into())
    );
}

/// As many entries as fit into a value that is as large as it may be; what follows is no block any more.
#[test]
fn a_value_of_empty_entries_is_cut() {
    let mut value = sealed(0, 0, 1, 174, ([0; 32], [0; 32]), &[0; 2 * 174]);
    value.1.extend(vec![0; 1 << 20]);
    let report = audit(vec![value], Depth::Chain);
    assert!(report.events <= 174, "{}", report.events);
    assert!(report.faults.iter().any(|fault| fault.message.to_string() == "the entries do not fill the payload"));
}

/// Entries without a byte fill the hand-overs as others do: reading never runs far ahead of checking. They all follow nothing,
/// so that each link is looked up.
#[test]
fn empty_entries_do_not_heap_up() {
    const ENTRIES: u64 = 600_000;
    let progress = Arc::new(AtomicU64::new(0));
    let most = AtomicU64::new(0);
    let entries = (0..ENTRIES).map(|given| {
        most.fetch_max(given.saturating_sub(progress.load(Ordering::Relaxed)), Ordering::Relaxed);
        Ok(Vec::new())
    });
    let options = Options { progress: Some(Arc::clone(&progress)), ..Options::default() };
    let report = verify(Evidence::Entries(Box::new(entries)), &options);
    assert_eq!((report.verdict, report.events), (Verdict::Broken, ENTRIES));
    let most = most.into_inner();
    assert!(most < ENTRIES / 2, "{most} entries were read before one was checked");
}

/// Whoever reads the evidence fails, and not with an error: the audit says so, on every core, and nobody waits for ever.
#[test]
fn a_reader_that_panics_ends_the_audit() {
    let entries = chained(&events());
    let count = entries.len();
    let failing = (0..400_000_usize).map(|given| {
        assert!(given < 300_000, "the disk is gone");
        Ok(entries[given.min(count - 1)].clone())
    });
    let report = verify(Evidence::Entries(Box::new(failing)), &Options::default());
    assert_eq!(report.verdict, Verdict::Broken);
    assert_eq!(report.unreadable.as_deref(), Some("the audit itself failed; nothing can be said of the rest"));
}
