//! The worked scenario S1 (an earmarked grant, two lots, two years), posted to a real ledger. The golden numbers are those
//! of the reference model; they are compared by label and amount, never by sequence.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod support;

use fundledger::domain::command::Order;
use fundledger::domain::event::{Event, Payload};
use fundledger::domain::refusal::{Reason, Refusal};
use fundledger::ledger::Outcome;
use fundledger::projection::Views;
use fundledger::projection::trace::NodeKind;
use support::ledger::TestLedger;
use support::orders::{
    Who, accounts, allocate, carry, cash, clear, close_period, commit, define, freeze_amount, fund, give_back, issue,
    lot_on, on, pay, payee, plan, recall, unfreeze,
};

const C: &str = "LOT-C";
const P: &str = "LOT-P";

/// `S1_before_yearend`: balances by lot.
const BEFORE_YEAR_END: &[(&str, &[(&str, &str)])] = &[
    (
        C,
        &[
            ("a.src", "5,000,000.00"),
            ("a.A.unit", "2,100,000.00"),
            ("a.B.unit", "800,000.00"),
            ("a.A.plan", "600,000.00"),
            ("a.A.commit", "600,000.00"),
            ("a.A.used", "900,000.00"),
            ("c.fund", "4,100,000.00"),
        ],
    ),
    (
        P,
        &[
            ("a.src", "2,000,000.00"),
            ("a.A.unit", "900,000.00"),
            ("a.B.unit", "200,000.00"),
            ("a.A.plan", "350,000.00"),
            ("a.A.used", "550,000.00"),
            ("c.fund", "1,450,000.00"),
        ],
    ),
];
const TREASURY_BEFORE_YEAR_END: &str = "5,550,000.00";

/// `S1`.
const CARRIED_C: &str = "4,100,000.00";
const CARRIED_P: &str = "1,450,000.00";
const RECALLED_C: &str = "1,100,000.00";
const PAID_C: &str = "3,900,000.00";
const PAID_P: &str = "2,000,000.00";
const TRACE_C: &[(&str, &str)] = &[("V1", "900,000.00"), ("V1", "3,000,000.00")];
const TRACE_P: &[(&str, &str)] = &[("V2", "600,000.00"), ("V2", "-50,000.00"), ("V2", "1,450,000.00")];
const TREASURY_END: &str = "0.00";
const FUND_END: &str = "0.00";
const USED: &str = "5,900,000.00";
const EVENTS: usize = 24;
const REFUSED: &[Reason] = &[
    Reason::DuplicateDocument,
    Reason::InsufficientBalance,
    Reason::LotInsufficient,
    Reason::SegregationOfDuties,
    Reason::PeriodClosed,
];
const ISSUED: &[(&str, &str)] = &[(C, "5,000,000.00"), (P, "2,000,000.00")];

/// Fen as the scenario file writes them.
fn yuan(minor: i64) -> String {
    let whole = (minor.abs() / 100).to_string();
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{grouped}.{:02}", if minor < 0 { "-" } else { "" }, minor.abs() % 100)
}

/// Whether an event moves money or authority; set-up and closes do not count among the 24.
fn is_movement(event: &Event) -> bool {
    !event.decision.legs.is_empty()
}

struct Scenario {
    at: TestLedger,
    posted: usize,
    refused: Vec<Refusal>,
}

impl Scenario {
    async fn give(&mut self, who: &Who, order: &Order) -> Outcome {
        self.posted += 1;
        self.at.one(who.command(&format!("s1-{}", self.posted), order)).await
    }

    async fn post(&mut self, who: Who, order: impl Into<Order>) {
        let order = order.into();
        match self.give(&who, &order).await {
            Outcome::Accepted(receipt) => assert!(!receipt.replayed),
            other => panic!("{order:?}: {other:?}"),
        }
    }

    async fn refuse(&mut self, who: Who, order: impl Into<Order>) {
        let order = order.into();
        match self.give(&who, &order).await {
            Outcome::Refused { refusal, sequence: Some(_), replayed: false } => self.refused.push(refusal),
            other => panic!("{order:?}: {other:?}"),
        }
    }

    /// Pays, and clears the payment on the same day.
    async fn pay(&mut self, who: Who, name: &str, order: impl Into<Order>) {
        self.post(who.clone(), order).await;
        self.post(who, clear(&[name], &format!("clearing of {name}"))).await;
    }
}

fn balance(views: &Views, account: &str) -> String {
    yuan(views.books.account(views.books.account_named(account).unwrap()).unwrap().balance_minor)
}

fn of_lot(views: &Views, account: &str, lot: &str) -> String {
    let account = views.books.account(views.books.account_named(account).unwrap()).unwrap();
    yuan(account.lot_minor(views.books.lot_named(lot).unwrap()))
}

/// Every account that holds something of a lot, with what it holds.
fn all_of_lot(views: &Views, lot: &str) -> Vec<(String, String)> {
    let number = views.books.lot_named(lot).unwrap();
    let held = views.books.accounts().map(|(_, account)| (account.account_id.to_string(), account.lot_minor(number)));
    let mut held: Vec<_> = held.filter(|(_, minor)| *minor != 0).map(|(name, minor)| (name, yuan(minor))).collect();
    held.sort();
    held
}

/// The branches of a forward trace add up to what was issued, at every level that has branches.
fn check_forward_traces(at: &TestLedger) {
    for (lot, issued) in ISSUED {
        let tree = at.trace_lot(lot);
        assert_eq!(yuan(tree.nodes[0].amount_minor), *issued, "{lot}");
        for (at, node) in tree.nodes.iter().enumerate() {
            let branches: Vec<i64> =
                tree.nodes.iter().filter(|child| child.parent == Some(at)).map(|child| child.amount_minor).collect();
            if !branches.is_empty() {
                assert_eq!(branches.iter().sum::<i64>(), node.amount_minor, "{lot}: {:?}", node.kind);
            }
        }
    }
}

/// Payments from a lot and what came back, in the order of the log.
fn trace(at: &TestLedger, lot: &str) -> Vec<(String, String)> {
    let payees = ["V1", "V2", "V3", "V9"];
    let name = |found| payees.iter().find(|name| payee(name) == found).unwrap().to_string();
    let tree = at.trace_lot(lot);
    let mut movements = Vec::new();
    for node in &tree.nodes {
        if let NodeKind::Movement(_) = node.kind {
            let NodeKind::Payee(found) = tree.nodes[node.parent.unwrap()].kind else { panic!("{node:?}") };
            movements.push((node.event.as_ref().unwrap().0, name(found), yuan(node.amount_minor)));
        }
    }
    movements.sort();
    movements.into_iter().map(|(_, name, amount)| (name, amount)).collect()
}

fn owned(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(label, amount)| ((*label).to_owned(), (*amount).to_owned())).collect()
}

#[tokio::test]
async fn s1_earmarked_grant_two_lots_two_years() {
    let mut s = Scenario { at: TestLedger::new(), posted: 0, refused: Vec::new() };
    s.post(on("2026-01-01"), define(fund("SP1"))).await;
    for account in accounts("SP1", "a", "c") {
        s.post(on("2026-01-01"), account).await;
    }

    for (lot, minor, number) in [(C, 500_000_000, "财农〔2026〕12号"), (P, 200_000_000, "浙财农〔2026〕8号")]
    {
        s.post(on("2026-03-05"), issue(lot_on(lot, number), "a.unalloc", minor)).await;
        s.post(on("2026-03-06"), cash(lot, minor, &format!("cash of {lot}"))).await;
    }
    s.refuse(on("2026-03-07"), issue(lot_on("LOT-X", "财农〔2026〕12号"), "a.unalloc", 1)).await;
    for (unit, lot, minor) in [
        ("a.A.unit", C, 420_000_000),
        ("a.A.unit", P, 180_000_000),
        ("a.B.unit", C, 80_000_000),
        ("a.B.unit", P, 20_000_000),
    ] {
        s.post(on("2026-03-20"), allocate("a.unalloc", unit, minor, &[(lot, minor)])).await;
    }
    s.refuse(on("2026-03-21"), allocate("a.unalloc", "a.A.unit", 1, &[(C, 1)])).await;
    let planned = plan("a.A.unit", "a.A.plan", 300_000_000, &[(C, 210_000_000), (P, 90_000_000)]);
    s.post(on("2026-04-01"), planned).await;
    let committed = commit("a.A.plan", "a.A.commit", 150_000_000, &[(C, 150_000_000)], "K1", "V1");
    s.post(on("2026-04-20"), committed).await;
    let first = pay("p1", "a.A.commit", 90_000_000, &[(C, 90_000_000)], "V1").under("K1");
    s.pay(on("2026-06-30"), "p1", first).await;
    s.pay(on("2026-07-10"), "p2", pay("p2", "a.A.plan", 60_000_000, &[(P, 60_000_000)], "V2")).await;
    s.post(on("2026-07-15"), give_back("p2", 5_000_000, "return of p2")).await;
    s.post(on("2026-09-01"), freeze_amount("case-1", "a.A.plan", 30_000_000, &[(C, 30_000_000)])).await;
    s.refuse(on("2026-09-02"), pay("p3", "a.A.plan", 60_000_000, &[(C, 60_000_000)], "V3")).await;
    assert_eq!(balance(&s.at.views(), "a.A.plan"), "650,000.00", "an ordinary balance check would have let it through");
    s.post(on("2026-10-01"), unfreeze("case-1")).await;
    s.refuse(on("2026-10-02").by("c1"), plan("a.A.unit", "a.A.plan", 1, &[(C, 1)])).await;

    let views = s.at.views();
    for (lot, golden) in BEFORE_YEAR_END {
        let mut golden = owned(golden);
        golden.sort();
        assert_eq!(all_of_lot(&views, lot), golden, "{lot}");
    }
    assert_eq!(balance(&views, "c.treasury"), TREASURY_BEFORE_YEAR_END);
    check_forward_traces(&s.at);

    s.post(on("2026-12-31"), carry(C, 2026)).await;
    s.post(on("2026-12-31"), carry(P, 2026)).await;
    let views = s.at.views();
    assert_eq!(of_lot(&views, "a.carry", C), CARRIED_C);
    assert_eq!(of_lot(&views, "a.carry", P), CARRIED_P);
    for month in 1..=12 {
        s.post(on("2027-01-05"), close_period("SP1", 2026, month)).await;
    }
    s.refuse(on("2026-12-30"), pay("p9", "a.carry", 1, &[(C, 1)], "V9").unit("A")).await;
    let later = pay("p4", "a.carry", 300_000_000, &[(C, 300_000_000)], "V1").unit("A");
    s.pay(on("2027-05-01"), "p4", later).await;
    let later = pay("p5", "a.carry", 145_000_000, &[(P, 145_000_000)], "V2").unit("A");
    s.pay(on("2027-05-02"), "p5", later).await;
    s.post(on("2027-12-31"), recall(C)).await;

    let views = s.at.views();
    assert_eq!(of_lot(&views, "a.recalled", C), RECALLED_C);
    assert_eq!(of_lot(&views, "a.A.used", C), PAID_C);
    assert_eq!(of_lot(&views, "a.A.used", P), PAID_P);
    assert_eq!(balance(&views, "a.A.used"), USED);
    assert_eq!(balance(&views, "c.treasury"), TREASURY_END);
    assert_eq!(balance(&views, "c.fund"), FUND_END);
    assert_eq!(balance(&views, "c.clear"), "0.00");
    assert_eq!(trace(&s.at, C), owned(TRACE_C));
    assert_eq!(trace(&s.at, P), owned(TRACE_P));
    check_forward_traces(&s.at);

    let events = s.at.events();
    assert_eq!(events.iter().filter(|event| is_movement(event)).count(), EVENTS);
    let recorded: Vec<Refusal> = events.iter().filter_map(Event::refusal).cloned().collect();
    assert_eq!(recorded, s.refused, "a refusal is recorded as it was answered");
    assert_eq!(s.refused.iter().map(|refusal| refusal.reason).collect::<Vec<_>>(), REFUSED);
    let facts = |at: usize| s.refused[at].to_string();
    assert_eq!(facts(0), "DUPLICATE_DOCUMENT document_number=财农〔2026〕12号 issuer=MOF original_sequence=19");
    assert_eq!(facts(1), "INSUFFICIENT_BALANCE account=a.unalloc asked_minor=1 available_minor=0");
    assert_eq!(facts(2), "LOT_INSUFFICIENT account=a.A.plan asked_minor=60000000 available_minor=30000000 lot=LOT-C");
    assert_eq!(facts(3), "SEGREGATION_OF_DUTIES actor=c1 maker=c1");
    assert_eq!(facts(4), "PERIOD_CLOSED business_date=2026-12-30 first_open_date=2027-01-01 fund=SP1");

    // Closing seals the balances as they were: no month moved anything in between, so all twelve digests agree.
    let sealed: Vec<[u8; 32]> = events
        .iter()
        .filter_map(|event| match &event.decision.payload {
            Payload::PeriodClosed { trial_balance_sha256, .. } => Some(*trial_balance_sha256),
            _ => None,
        })
        .collect();
    assert_eq!(sealed.len(), 12);
    assert!(sealed.iter().all(|digest| *digest == sealed[0] && *digest != [0; 32]));
}
