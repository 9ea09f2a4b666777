//! Payments that wait for witnesses: held, released by proof, and what is wrong when somebody gets around it.

use super::money::check_story;
use super::story::{
    CLEARING, FUND_LOT, PLAN, Row, SOURCE, Story, TREASURY, UNALLOCATED, UNIT, USED, cleared, issued, payment,
    reversed, story,
};
use super::{Depth, audit, blocks, chained, hash, options, stored};
use crate::audit::note::NoteKey;
use crate::audit::policy::Policy;
use crate::audit::report::FaultKind as Kind;
use crate::audit::tree::Tree;
use crate::audit::{Anchors, Check, Options, verify};
use crate::format::checkpoint::{Checkpoint, proof_file};
use crate::format::note_key::{KeyKind, SignerKey};
use crate::format::tree::{Nodes, TreeHash, inclusion_proof};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{
    BudgetAllocated, CashReceived, LogKeyChange, LogKeyRotated, PaymentReleased, PlanApproved, PolicySet, PolicyTerms,
    PolicyWitnessing, ReleasedPayment, WitnessRule,
};

const FROM_MINOR: i64 = 5;
const LOT: i32 = 3;

/// Leaves in memory, as the maker of proofs wants them.
struct Leaves(Vec<TreeHash>);

impl Nodes for Leaves {
    type Error = std::convert::Infallible;

    fn node(&self, node: crate::format::tree::Node) -> Result<TreeHash, Self::Error> {
        let start = usize::try_from(node.index << node.level).unwrap();
        let mut tree = Tree::default();
        self.0[start..start + (1 << node.level)].iter().for_each(|leaf| tree.push(*leaf));
        Ok(tree.root())
    }
}

/// A story whose fund holds payments from some amount on.
fn holding() -> Story {
    let mut story = story();
    story.day += 1;
    let policy_set = story.at("policy");
    let defined = story.at("fund");
    let Some(Payload::FundDefined(fund)) = &mut story.events[defined].payload else { panic!() };
    fund.policy_id = "p".to_owned();
    let Some(Payload::PolicySet(set)) = &mut story.events[policy_set].payload else { panic!() };
    set.effective_from_day = i32::MAX;
    let terms = PolicyTerms {
        witnessing: Some(PolicyWitnessing { rule: WitnessRule::Hold.into(), from_amount_minor: FROM_MINOR }),
        ..PolicyTerms::default()
    };
    let set = PolicySet {
        policy_id: "p".into(),
        version: 2,
        effective_from_day: story.day,
        terms: Some(terms),
        ..PolicySet::default()
    };
    story.add("holding", Payload::PolicySet(set), &[]);
    story.add("issue more", issued(LOT), &[(SOURCE, LOT, 100), (UNALLOCATED, LOT, -100)]);
    let allocated = Payload::BudgetAllocated(BudgetAllocated::default());
    story.add("allocate last", allocated, &[(UNALLOCATED, LOT, 100), (UNIT, LOT, -100)]);
    story.add("plan last", Payload::PlanApproved(PlanApproved::default()), &[(UNIT, LOT, 100), (PLAN, LOT, -100)]);
    story.add(
        "last cash",
        Payload::CashReceived(CashReceived::default()),
        &[(TREASURY, 0, 100), (FUND_LOT, LOT, -100)],
    );
    story
}

fn rows(amount: i64) -> [Row; 4] {
    [(PLAN, LOT, amount), (USED, LOT, -amount), (FUND_LOT, LOT, amount), (CLEARING, 0, -amount)]
}

fn pay(story: &mut Story, label: &'static str, amount: i64) -> i64 {
    let at = story.add(label, payment(label), &rows(amount));
    story.events.last_mut().unwrap().policy_version = 2;
    at
}

fn clear(story: &mut Story, label: &'static str, amount: i64) {
    story.add("clear", cleared(&[label]), &[(CLEARING, 0, amount), (TREASURY, 0, -amount)]);
}

/// A key of a log: its first one has the seed 1.
fn log_key(origin: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(origin, &[seed; 32])
}

fn public(key: &SignerKey) -> NoteKey {
    NoteKey::parse(&key.verifier().to_string()).unwrap()
}

fn rotate(story: &mut Story, seed: u8, change: LogKeyChange) {
    let verifier_key = log_key("test", seed).verifier().to_string();
    let payload = Payload::LogKeyRotated(LogKeyRotated { verifier_key, change: change.into() });
    story.add("rotate", payload, &[]);
}

/// The proof of an event under a checkpoint over all before the next one.
fn proof(story: &Story, of: i64, origin: &str) -> String {
    let leaves = Leaves(chained(&story.events).iter().map(|entry| hash(entry)).collect());
    let (index, size) = (u64::try_from(of).unwrap(), u64::try_from(leaves.0.len()).unwrap());
    let mut tree = Tree::default();
    leaves.0.iter().for_each(|leaf| tree.push(*leaf));
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root: tree.root() };
    let witness = SignerKey::of_kind("congress", &[2; 32], KeyKind::Cosigner);
    let note = checkpoint.signed([&log_key(origin, 1)]) + &witness.cosignature_line(&checkpoint.text(), 7);
    proof_file(index, &inclusion_proof(&leaves, index, size).unwrap(), &note)
}

fn release(story: &mut Story, payments: &[(i64, i32)], tlog_proof: String) {
    let payments: Vec<_> = payments
        .iter()
        .map(|(sequence, operation)| ReleasedPayment { sequence: *sequence, operation: *operation })
        .collect();
    let last = payments.last().copied().unwrap_or_default();
    story.add("release", Payload::PaymentReleased(PaymentReleased { payments, tlog_proof }), &[]);
    let event = story.events.last_mut().unwrap();
    event.actor = "/ledger".to_owned();
    event.approvals.clear();
    event.request_id = format!("/released/{}/{}", last.sequence, last.operation);
}

#[test]
fn payments_wait_until_a_proof_releases_them() {
    let mut story = holding();
    pay(&mut story, "small", FROM_MINOR - 1);
    clear(&mut story, "small", FROM_MINOR - 1);
    let first = pay(&mut story, "first", FROM_MINOR);
    let second = pay(&mut story, "second", FROM_MINOR);
    let undone = pay(&mut story, "undone", FROM_MINOR);
    story.add("undo", reversed(undone, "undone"), &rows(-FROM_MINOR));
    let proven = proof(&story, second, "test");
    release(&mut story, &[(first, 0), (second, 0)], proven);
    clear(&mut story, "first", FROM_MINOR);
    clear(&mut story, "second", FROM_MINOR);
    assert_eq!(audit(blocks(&chained(&story.events), 8), Depth::Deep).faults, []);
}

/// A story whose held payment is released, or cleared, as it must not be.
fn refused(name: &str, expected: &[Kind], end: impl FnOnce(&mut Story, i64)) {
    let mut story = holding();
    let held = pay(&mut story, "held", FROM_MINOR);
    end(&mut story, held);
    let bad = if name == "cleared" { "clear" } else { "release" };
    check_story(&story, name, bad, expected);
}

#[test]
fn nothing_gets_around_witnesses() {
    refused("cleared", &[Kind::Books], |story, _| clear(story, "held", FROM_MINOR));
    refused("no proof", &[Kind::Release], |story, held| release(story, &[(held, 0)], String::new()));
    refused("of another entry", &[Kind::Release], |story, held| {
        let other = proof(story, held - 1, "test");
        release(story, &[(held, 0)], other);
    });
    refused("of another log", &[Kind::Release], |story, held| {
        let other = proof(story, held, "elsewhere");
        release(story, &[(held, 0)], other);
    });
    refused("of another history", &[Kind::Release], |story, held| {
        let at = usize::try_from(held).unwrap();
        story.events[at].booked_at_ns += 1;
        let other = proof(story, held, "test");
        story.events[at].booked_at_ns -= 1;
        release(story, &[(held, 0)], other);
    });
    refused("what did not wait", &[Kind::Release], |story, held| {
        let proven = proof(story, held, "test");
        release(story, &[(held - 1, 0), (held, 0)], proven);
    });
    refused("an operation that is none", &[Kind::Release], |story, held| {
        let proven = proof(story, held, "test");
        release(story, &[(held, 1)], proven);
    });
    refused("from the future", &[Kind::Release], |story, held| {
        // The checkpoint covers the release itself.
        release(story, &[(held, 0)], String::new());
        let proven = proof(story, held, "test");
        let Some(Payload::PaymentReleased(released)) = &mut story.events.last_mut().unwrap().payload else { panic!() };
        released.tlog_proof = proven;
    });
}

/// Of a release under a checkpoint that no key of the auditor's signed: nothing can be said where none of them signed then, by
/// what the log says; the auditor's witnesses vouch for it whoever signed; else it is wrong.
#[test]
fn releases_under_earlier_keys_are_not_broken() {
    let mut story = holding();
    let held = pay(&mut story, "held", FROM_MINOR);
    let proven = proof(&story, held, "test");
    release(&mut story, &[(held, 0)], proven);
    rotate(&mut story, 3, LogKeyChange::Announced);
    rotate(&mut story, 1, LogKeyChange::Retired);
    // Long after the change.
    let later = pay(&mut story, "later", FROM_MINOR);
    let keys = |seeds: &[u8]| -> Vec<NoteKey> { seeds.iter().map(|seed| public(&log_key("test", *seed))).collect() };
    let policy = |witness: u8| {
        let witness = SignerKey::of_kind("congress", &[witness; 32], KeyKind::Cosigner).verifier();
        let log = log_key("test", 3).verifier();
        Policy::parse(&format!("log {log}\nwitness congress {witness}\nquorum congress\n")).ok()
    };
    let audited = |story: &Story, anchors: Anchors| {
        let values = blocks(&chained(&story.events), 8);
        let options = Options { anchors, ..options(Depth::Deep) };
        let report = verify(stored(values), &options);
        let is_wrong = report.faults.iter().any(|fault| fault.kind == Kind::Release);
        (is_wrong, report.not_checked.contains(&Check::EarlierKeys))
    };
    let with_keys = |story: &Story, seeds: &[u8]| audited(story, Anchors { keys: keys(seeds), ..Anchors::default() });
    assert_eq!(with_keys(&story, &[]), (false, false));
    assert_eq!(with_keys(&story, &[1]), (false, false));
    assert_eq!(with_keys(&story, &[3]), (false, true), "from before the key was announced");
    assert_eq!(with_keys(&story, &[1, 3]), (false, false));
    assert_eq!(
        with_keys(&story, &[4]),
        (true, false),
        "never a key of the log: it would have signed from the beginning"
    );
    let stranger = Anchors { keys: vec![public(&log_key("elsewhere", 3))], ..Anchors::default() };
    assert_eq!(audited(&story, stranger), (true, false), "a key of another log");
    let with_policy = |witness: u8| audited(&story, Anchors { policy: policy(witness), ..Anchors::default() });
    assert_eq!(with_policy(2), (false, false), "the witness has seen it");
    assert_eq!(with_policy(5), (true, false), "another witness has not");
    // The first key may not sign any more once the other has long been announced.
    for at in 0..5_000 {
        story.add("filler", Payload::CashReceived(CashReceived::default()), &[(TREASURY, 0, 1), (FUND_LOT, LOT, -1)]);
        story.events.last_mut().unwrap().request_id = format!("filler-{at}");
    }
    let proven = proof(&story, later, "test");
    release(&mut story, &[(later, 0)], proven);
    assert_eq!(with_keys(&story, &[3]), (true, true));
    assert_eq!(with_keys(&story, &[1]), (false, false));
}
