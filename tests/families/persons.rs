//! A person's way through schemes: closing, recovery in parts, restoring, month ends, and what a restart keeps.

use fundledger::pb::v1;
use serde_json::{Value, json};

use crate::world::{World, on};

fn benefit(id: &str, person: &str, month: i32, pool: i64, personal: i64) -> Value {
    json!({ "payBenefit": { "paymentId": id, "fundId": "EP", "person": person, "itemCode": "pension", "year": 2026,
        "month": month, "poolMinor": pool, "personalMinor": personal } })
}

fn recovered(id: &str, amount: i64, reference: &str) -> Value {
    json!({ "recoverBenefit": { "paymentId": id, "amountMinor": amount, "bankReference": reference,
        "reasonCode": "OVERPAID" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_recovered_goes_back_where_it_came_from() {
    let mut world = World::after("s3-pension").await;
    let (pool, own) = (world.minor("pool").await, world.minor("personal.R1").await);
    world.accept(&on("2026-03-01", "paid", benefit("B-2", "R1", 2, 245_000, 86_331))).await;
    // A third of it: each claim gets a third of what it gave, to the fen.
    world.accept(&on("2026-03-02", "part", recovered("B-2", 110_444, "r-1"))).await;
    assert_eq!(world.minor("pool").await, pool - 245_000 + 81_667);
    assert_eq!(world.minor("personal.R1").await, own - 86_331 + 28_777);
    // Paid in part still: not twice.
    assert_eq!(
        world.refuse(&on("2026-03-02", "twice", benefit("B-3", "R1", 2, 1, 0))).await.reason,
        "DUPLICATE_BENEFIT"
    );
    world.accept(&on("2026-03-03", "rest", recovered("B-2", 220_887, "r-2"))).await;
    assert_eq!((world.minor("pool").await, world.minor("personal.R1").await), (pool, own));
    world.accept(&on("2026-03-04", "again", benefit("B-3", "R1", 2, 245_000, 86_331))).await;
    world.verify().await;
    // After a restart the same is known.
    assert_eq!(
        world.refuse(&on("2026-03-05", "known", benefit("B-4", "R1", 2, 1, 0))).await.reason,
        "DUPLICATE_BENEFIT"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn facts_bar_later_months_until_they_are_lifted() {
    let mut world = World::after("s3-pension").await;
    let fact = |fact: &str, year: i32, month: i32, day: i32, fund: &str| {
        json!({ "recordEligibility": { "person": "R1", "fact": format!("ELIGIBILITY_FACT_{fact}"), "fundId": fund,
            "effectiveOn": { "year": year, "month": month, "day": day }, "source": "justice" } })
    };
    world.accept(&on("2026-02-20", "sentence", fact("IMPRISONED", 2026, 3, 2, "EP"))).await;
    // March has begun before; April has not.
    world.accept(&on("2026-04-01", "march", benefit("B-3", "R1", 3, 1, 0))).await;
    assert_eq!(world.refuse(&on("2026-04-01", "april", benefit("B-4", "R1", 4, 1, 0))).await.reason, "INELIGIBLE");
    world.accept(&on("2026-06-20", "free", fact("RESTORED", 2026, 6, 1, ""))).await;
    world.accept(&on("2026-06-30", "june", benefit("B-6", "R1", 6, 1, 0))).await;
    assert_eq!(world.refuse(&on("2026-06-30", "may", benefit("B-5", "R1", 5, 1, 0))).await.reason, "INELIGIBLE");
    let unknown = fact("MOVED", 2026, 7, 1, "no-such");
    assert_eq!(world.refuse(&on("2026-06-30", "unknown", unknown)).await.reason, "FUND_NOT_FOUND");
    // A frozen payee is not paid either.
    let freeze = json!({ "freeze": { "caseId": "C-1", "legalBasis": "审计法第三十八条", "payee": "R1" } });
    world.accept(&on("2026-07-01", "freeze", freeze)).await;
    assert_eq!(world.refuse(&on("2026-07-31", "july", benefit("B-7", "R1", 7, 1, 0))).await.reason, "FROZEN");
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_relation_that_moved_away_can_come_back() {
    let mut world = World::after("s3-pension").await;
    let close = json!({ "closeAccount": { "accountId": "personal.E2" } });
    world.accept(&on("2026-03-01", "close", close.clone())).await;
    assert_eq!(world.refuse(&on("2026-03-01", "close-2", close)).await.reason, "ACCOUNT_CLOSED");
    let open = json!({ "openAccount": { "accountId": "personal.E2.new", "fundId": "EP", "kind": "ACCOUNT_KIND_PERSONAL",
        "person": "E2" } });
    world.accept(&on("2026-03-02", "open", open)).await;
    let back = json!({ "transferRelation": { "fundId": "EP", "person": "E2", "direction": "TRANSFER_DIRECTION_IN",
        "wageBaseMinor": 61_000_000, "personalMinor": 5_080_000, "amountMinor": 12_400_000, "accountId": "fiscal",
        "peerId": "agency-b", "bankReference": "转入 1" } });
    world.accept(&on("2026-03-03", "back", back)).await;
    // The month contributed for before is the person's, whatever account it went to.
    let again = json!({ "receiveContribution": { "fundId": "EP", "employer": "W1", "year": 2026, "month": 1,
        "kind": "CONTRIBUTION_KIND_REGULAR", "contributions": [{ "person": "E2", "baseMinor": 1_000_000 }],
        "amountMinor": 240_000, "bankReference": "again" } });
    assert_eq!(world.refuse(&on("2026-03-04", "again", again)).await.reason, "DUPLICATE_CONTRIBUTION");
    world.balances_are(&[("personal.E2.new", "50,800.00"), ("personal.E2", "0.00"), ("fiscal", "687,200.00")]).await;
    world.verify().await;
    // The closed account stays closed after a restart.
    let interest = json!({ "creditInterest": { "fundId": "EP", "year": 2026, "accountIds": ["personal.E3"] } });
    world.accept(&on("2026-12-31", "interest", interest)).await;
    let closed = json!({ "creditInterest": { "fundId": "EP", "year": 2026, "accountIds": ["personal.E2"] } });
    assert_eq!(world.refuse(&on("2026-12-31", "closed", closed)).await.reason, "ACCOUNT_CLOSED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_month_closes_with_an_empty_income_account() {
    let mut world = World::after("s3-pension").await;
    let contribution = json!({ "receiveContribution": { "fundId": "EP", "employer": "W1", "year": 2026, "month": 2,
        "kind": "CONTRIBUTION_KIND_REGULAR", "contributions": [{ "person": "E1", "baseMinor": 800_000 }],
        "amountMinor": 192_000, "bankReference": "缴费" } });
    world.accept(&on("2026-02-20", "contribution", contribution)).await;
    let close = json!({ "closePeriod": { "fundId": "EP", "year": 2026, "month": 2 } });
    let refused = world.refuse(&on("2026-03-01", "close-1", close.clone())).await;
    assert_eq!(refused.reason, "ZERO_BALANCE_NOT_CLEARED");
    assert!(refused.facts.contains("account=income"), "{refused:?}");
    let moved = json!({ "moveFunds": { "fromAccountId": "income", "toAccountId": "fiscal", "amountMinor": 192_000,
        "bankReference": "划转" } });
    let sequence = world.accept(&on("2026-02-28", "moved", moved)).await;
    world.accept(&on("2026-03-01", "close-2", close)).await;
    // What moved in the closed month is undone in the open one.
    let undo = json!({ "reverseEvent": { "originalSequence": sequence, "reasonCode": "WRONG_ACCOUNT" } });
    assert_eq!(world.refuse(&on("2026-02-28", "undo-1", undo.clone())).await.reason, "PERIOD_CLOSED");
    world.accept(&on("2026-03-02", "undo-2", undo.clone())).await;
    assert_eq!(world.refuse(&on("2026-03-02", "undo-3", undo)).await.reason, "ALREADY_REVERSED");
    world.balances_are(&[("income", "1,920.00")]).await;
    // A contribution has no reversal: it is a fact.
    let fact = json!({ "reverseEvent": { "originalSequence": sequence - 2, "reasonCode": "WRONG_ACCOUNT" } });
    assert_eq!(world.refuse(&on("2026-03-02", "undo-4", fact)).await.reason, "NOT_REVERSIBLE");
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whom_events_are_about_finds_them() {
    use v1::event::Payload;
    let world = World::after("s3-pension").await;
    let rows: [(&str, &[&str]); 3] = [
        ("R2", &["BenefitPaid", "EligibilityRecorded", "BenefitRecovered"]),
        ("W1", &["ContributionReceived"]),
        ("E2", &["RelationTransferred"]),
    ];
    for (person, expected) in rows {
        let request = v1::ListEventsRequest { payee: person.to_owned(), ..Default::default() };
        let mut kinds = Vec::new();
        for sequence in world.listed(request).await {
            kinds.push(match world.event(sequence).await.payload.unwrap() {
                Payload::BenefitPaid(_) => "BenefitPaid",
                Payload::EligibilityRecorded(_) => "EligibilityRecorded",
                Payload::BenefitRecovered(_) => "BenefitRecovered",
                Payload::ContributionReceived(_) => "ContributionReceived",
                Payload::RelationTransferred(_) => "RelationTransferred",
                other => panic!("{person}: {other:?}"),
            });
        }
        assert_eq!(kinds, expected, "{person}");
    }
}

/// 2.6 % of 499,081.63 for two months: whoever skips a month owes its interest still.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn interest_of_a_month_that_was_skipped_is_due() {
    let mut world = World::after("s4-housing").await;
    let repay = |key: &str, month: i32, amount: i64| {
        let order = json!({ "repayLoan": { "loanId": "L-A-1", "year": 2026, "month": month, "amountMinor": amount,
            "bankReference": key } });
        on("2026-10-10", key, order)
    };
    let refused = world.refuse(&repay("little", 10, 216_269)).await;
    assert_eq!(refused.reason, "REPAYMENT_OUT_OF_RANGE");
    assert!(refused.facts.contains("interest_minor=216269"), "{refused:?}");
    let (surplus, owed) = (world.minor("surplus").await, world.minor("loans").await);
    assert_eq!(owed, 49_908_163);
    world.accept(&repay("two-months", 10, 400_340)).await;
    assert_eq!(world.minor("surplus").await, surplus + 216_269);
    assert_eq!(world.minor("loans").await, owed - (400_340 - 216_269));
    world.verify().await;
    // After a restart: one month's again.
    let refused = world.refuse(&repay("next", 11, 1)).await;
    assert!(refused.facts.contains("interest_minor=107736"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_money_of_somebody_who_is_frozen_does_not_leave_by_another_agency() {
    let mut world = World::after("s3-pension").await;
    let transfer = |key: &str, direction: &str, personal: i64, amount: i64| {
        let order = json!({ "transferRelation": { "fundId": "EP", "person": "E3", "accountId": "fiscal",
            "direction": format!("TRANSFER_DIRECTION_{direction}"), "personalMinor": personal, "amountMinor": amount,
            "peerId": "agency-b", "bankReference": key } });
        on("2026-03-01", key, order)
    };
    let freeze = json!({ "freeze": { "caseId": "case-1", "legalBasis": "民事诉讼法§253", "payee": "E3" } });
    world.accept(&on("2026-03-01", "freeze", freeze)).await;
    let own = world.minor("personal.E3").await;
    let refused = world.refuse(&transfer("out", "OUT", 0, own)).await;
    assert_eq!(refused.reason, "FROZEN");
    assert!(refused.facts.contains("case=case-1"), "{refused:?}");
    world.accept(&transfer("in", "IN", 5, 5)).await;
    world.accept(&on("2026-03-02", "lift", json!({ "unfreeze": { "caseId": "case-1" } }))).await;
    world.accept(&transfer("out-2", "OUT", 0, own + 5)).await;
    world.verify().await;
}
