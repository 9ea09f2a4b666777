//! An audit's report as people read it.

use std::io::Write;

use super::render::hex;
use super::{Failure, Lang};
use crate::audit::{Carried, Check, Fault, FaultKind, Report, Verdict};
use crate::messages;
use crate::messages::cli as text;

/// Writes a report: the verdict, every fault, what was checked and, as important, what was not.
pub(super) fn write(out: &mut dyn Write, report: &Report, lang: Lang) -> Result<(), Failure> {
    let verdict = match report.verdict {
        Verdict::Verified => match report.anchored_size {
            None => text::verdict_verified(lang),
            Some(size) if report.unanchored_entries > 0 => {
                text::verdict_anchored_in_part(lang, report.unanchored_entries, size)
            }
            Some(_) => text::verdict_anchored(lang),
        },
        Verdict::Broken => text::verdict_broken(lang),
        Verdict::Incomplete => text::verdict_incomplete(lang),
    };
    writeln!(out, "{verdict}")?;
    for line in lines(report, lang) {
        writeln!(out, "  {line}")?;
    }
    for (title, checks) in
        [(text::report_checked(lang), &report.checked), (text::report_not_checked(lang), &report.not_checked)]
    {
        writeln!(out, "{title}")?;
        for check in checks {
            writeln!(out, "  - {}", meaning(*check, lang))?;
        }
    }
    Ok(())
}

fn lines(report: &Report, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(report.origin.as_ref().map(|origin| text::report_ledger(lang, origin)));
    lines.extend(report.is_development.then(|| text::report_development(lang)));
    lines.extend((report.first_sequence > 0).then(|| text::report_from(lang, report.first_sequence)));
    lines.push(text::report_events(lang, report.events));
    if let Some(head) = report.head {
        lines.push(text::report_last_sequence(lang, head.sequence));
        lines.push(text::report_head(lang, hex(&head.hash)));
    }
    lines.extend(report.tree.map(|(size, root)| text::report_root(lang, hex(&root), size)));
    lines.extend(report.anchored_size.map(|size| text::report_anchored(lang, size)));
    let unanchored = Some(report.unanchored_entries).filter(|count| *count > 0);
    lines.extend(unanchored.map(|count| text::report_unanchored(lang, count)));
    lines.extend(report.bundle.iter().flat_map(|bundle| carried(bundle, lang)));
    lines.extend(report.unreadable.as_ref().map(|why| text::report_unreadable(lang, why)));
    if let Some(sequence) = report.first_bad_sequence {
        lines.push(text::report_first_bad(lang, sequence));
        lines.push(text::report_faults(lang, report.fault_count));
    }
    lines.extend(report.faults.iter().map(|fault| told(fault, lang)));
    lines.extend(report.books_stopped_at.map(|sequence| text::report_books_stopped(lang, sequence)));
    lines
}

/// The bundle that the evidence came in: what it says of itself, and whose policy it carries.
fn carried(bundle: &Carried, lang: Lang) -> Vec<String> {
    let mut lines = vec![text::report_bundle(lang, bundle.tiles, bundle.values, bundle.version)];
    lines.extend(bundle.made_by.as_ref().map(|by| match &bundle.made_at {
        Some(at) => text::report_bundle_made_at(lang, by, at),
        None => text::report_bundle_made(lang, by),
    }));
    lines.extend(bundle.policy.as_ref().map(|policy| {
        let digest = hex(&policy.sha256);
        match policy.is_yours {
            None => text::report_bundle_policy(lang, digest),
            Some(true) => text::report_bundle_policy_same(lang, digest),
            Some(false) => text::report_bundle_policy_other(lang, digest),
        }
    }));
    lines
}

fn told(fault: &Fault, lang: Lang) -> String {
    let english = || fault.message.to_string();
    let facts = match lang {
        Lang::En => english(),
        Lang::Zh => messages::found_in_chinese(fault.message.sentence, &fault.message.values).unwrap_or_else(english),
    };
    text::report_fault(lang, facts, kind(fault.kind, lang), fault.sequence)
}

fn meaning(check: Check, lang: Lang) -> String {
    match check {
        Check::Blocks => text::check_blocks(lang),
        Check::Bundle => text::check_bundle(lang),
        Check::Store => text::check_store(lang),
        Check::Sequences => text::check_sequences(lang),
        Check::Chain => text::check_chain(lang),
        Check::Events => text::check_events(lang),
        Check::ClaimedHead => text::check_claimed_head(lang),
        Check::Numbering => text::check_numbering(lang),
        Check::Legs => text::check_legs(lang),
        Check::Balances => text::check_balances(lang),
        Check::Returns => text::check_returns(lang),
        Check::Contracts => text::check_contracts(lang),
        Check::Closings => text::check_closings(lang),
        Check::Duties => text::check_duties(lang),
        Check::Checkpoint => text::check_checkpoint(lang),
        Check::Signatures => text::check_signatures(lang),
        Check::EarlierKeys => text::check_earlier_keys(lang),
        Check::Witnesses => text::check_witnesses(lang),
        Check::Tiles => text::check_tiles(lang),
        Check::Anchoring => text::check_anchoring(lang),
        Check::Before => text::check_before(lang),
        Check::KeyedDigests => text::check_keyed_digests(lang),
        Check::Approvals => text::check_approvals(lang),
        Check::NamedPersons => text::check_named_persons(lang),
        Check::DecisionRules => text::check_decision_rules(lang),
    }
}

/// The stable name, in Chinese with its meaning beside it.
fn kind(kind: FaultKind, lang: Lang) -> String {
    match kind {
        FaultKind::Framing => text::fault_framing(lang),
        FaultKind::Checksum => text::fault_checksum(lang),
        FaultKind::Sequence => text::fault_sequence(lang),
        FaultKind::Chain => text::fault_chain(lang),
        FaultKind::BlockHead => text::fault_block_head(lang),
        FaultKind::Genesis => text::fault_genesis(lang),
        FaultKind::Time => text::fault_time(lang),
        FaultKind::RequestId => text::fault_request_id(lang),
        FaultKind::Decode => text::fault_decode(lang),
        FaultKind::Books => text::fault_books(lang),
        FaultKind::Head => text::fault_head(lang),
        FaultKind::Root => text::fault_root(lang),
        FaultKind::Tile => text::fault_tile(lang),
        FaultKind::Signature => text::fault_signature(lang),
        FaultKind::Manifest => text::fault_manifest(lang),
        FaultKind::Witness => text::fault_witness(lang),
        FaultKind::Leg => text::fault_leg(lang),
        FaultKind::Unbalanced => text::fault_unbalanced(lang),
        FaultKind::NegativeBalance => text::fault_negative_balance(lang),
        FaultKind::NegativeLot => text::fault_negative_lot(lang),
        FaultKind::LotTotal => text::fault_lot_total(lang),
        FaultKind::LotUsed => text::fault_lot_used(lang),
        FaultKind::FundCash => text::fault_fund_cash(lang),
        FaultKind::OverReturn => text::fault_over_return(lang),
        FaultKind::Reversal => text::fault_reversal(lang),
        FaultKind::ClosedPeriod => text::fault_closed_period(lang),
        FaultKind::TrialBalance => text::fault_trial_balance(lang),
        FaultKind::SegregationOfDuties => text::fault_segregation_of_duties(lang),
        FaultKind::Approval => text::fault_approval(lang),
        FaultKind::Release => text::fault_release(lang),
        FaultKind::Numbering => text::fault_numbering(lang),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audit::{Carried, CarriedPolicy, Fact};

    fn report() -> Report {
        let message =
            Fact { sentence: "account {} holds {} of lot {}", values: ["7", "-5", "3"].map(str::to_owned).into() };
        Report {
            verdict: Verdict::Broken,
            first_sequence: 3,
            events: 10,
            head: None,
            tree: Some((10, [1; 32])),
            asked_root: None,
            anchored_size: Some(9),
            unanchored_entries: 1,
            bundle: Some(Carried {
                version: 3,
                made_by: Some("p".to_owned()),
                made_at: Some("t".to_owned()),
                values: 2,
                tiles: 1,
                policy: Some(CarriedPolicy { sha256: [2; 32], is_yours: None }),
            }),
            origin: Some("o".to_owned()),
            is_development: true,
            is_deep: true,
            first_bad_sequence: Some(4),
            faults: vec![Fault { sequence: 4, kind: FaultKind::NegativeLot, message }],
            fault_count: 1,
            checked: vec![Check::Chain],
            not_checked: vec![Check::Anchoring],
            books_stopped_at: Some(9),
            unreadable: Some("x".to_owned()),
            elapsed: Duration::ZERO,
        }
    }

    fn text(lang: Lang) -> String {
        let mut out = Vec::new();
        write(&mut out, &report(), lang).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The first line alone must not be taken for more than it is.
    #[test]
    fn the_verdict_says_how_far_the_log_is_anchored() {
        let first_line = |anchored_size, unanchored_entries| {
            let mut out = Vec::new();
            let report = Report { verdict: Verdict::Verified, anchored_size, unanchored_entries, ..report() };
            write(&mut out, &report, Lang::En).unwrap();
            let said = String::from_utf8(out).unwrap();
            let is_told = said.contains("vouched for by nobody but the ledger: the last 1 entries");
            assert_eq!(is_told, unanchored_entries == 1, "{said}");
            said.lines().next().unwrap().to_owned()
        };
        assert_eq!(first_line(Some(10), 0), "VERIFIED: self-consistent, and anchored outside");
        assert_eq!(first_line(None, 10), "VERIFIED: self-consistent, not externally anchored");
        let in_part = "VERIFIED: self-consistent; only the first 9 entries are anchored outside, the last 1 are not";
        assert_eq!(first_line(Some(9), 1), in_part);
    }

    #[test]
    fn a_report_is_in_one_language() {
        let english = text(Lang::En);
        assert!(english.starts_with("BROKEN\n  ledger: o\n"), "{english}");
        assert!(english.contains("\n  #4 [negative_lot]: account 7 holds -5 of lot 3\n"), "{english}");
        let chinese = text(Lang::Zh);
        assert!(chinese.contains("\n  #4 [negative_lot 批次余额为负]：账户 7 持有批次 3 的 -5\n"), "{chinese}");
        for line in chinese.lines() {
            assert!(line.chars().any(|char| ('\u{4e00}'..='\u{9fff}').contains(&char)), "{line}");
        }
        assert_eq!(english.lines().count(), chinese.lines().count());
    }
}
