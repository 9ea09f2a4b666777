//! Events found again by what they carry: a notice, a loan, a batch, the case of a freeze, an entry of the bank's.

use fundledger::pb::v1::ListEventsRequest;
use serde_json::{Value, json};

use crate::relief::{payout, set_up};
use crate::server::run;
use crate::world::{World, on, scenario};

/// The lines of a scenario with this value under this name, by sequence.
fn lines_with(name: &str, field: &str, value: &str) -> Vec<i64> {
    let carries = |line: &Value| line.as_object().unwrap().values().any(|payload| payload[field] == value);
    (1..).zip(scenario(name)).filter(|(_, line)| carries(line)).map(|(sequence, _)| sequence).collect()
}

/// The values that a scenario has under a name, each once.
fn values(name: &str, field: &str) -> Vec<String> {
    let lines = scenario(name);
    let payloads = lines.iter().flat_map(|line| line.as_object().unwrap().values());
    let mut found: Vec<String> = payloads.filter_map(|payload| payload[field].as_str().map(str::to_owned)).collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn notices_and_entries_of_the_bank_find_their_events() {
    let world = World::after("s5-nontax").await;
    let notices = values("s5-nontax", "noticeId");
    assert!(!notices.is_empty());
    for notice_id in notices {
        let expected = lines_with("s5-nontax", "noticeId", &notice_id);
        assert!(expected.len() >= 3, "{notice_id}: {expected:?}");
        assert_eq!(world.listed(ListEventsRequest { notice_id, ..Default::default() }).await, expected);
    }
    for bank_reference in values("s5-nontax", "bankReference") {
        let expected = lines_with("s5-nontax", "bankReference", &bank_reference);
        assert_eq!(expected.len(), 1, "{bank_reference}");
        assert_eq!(world.listed(ListEventsRequest { bank_reference, ..Default::default() }).await, expected);
    }
    let unknown = ListEventsRequest { notice_id: "nobody's".to_owned(), ..Default::default() };
    assert!(world.listed(unknown).await.is_empty());
    let url = world.served.url();
    let notice = &values("s5-nontax", "noticeId")[0];
    let shown = run(&["events", "--server", &url, "--notice", notice, "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.lines().count(), lines_with("s5-nontax", "noticeId", notice).len() + 1, "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_loan_finds_what_was_lent_and_repaid() {
    let mut world = World::after("s4-housing").await;
    let loan_id = values("s4-housing", "loanId").remove(0);
    let expected = lines_with("s4-housing", "loanId", &loan_id);
    assert!(expected.len() >= 2, "{expected:?}");
    let by_loan = ListEventsRequest { loan_id, ..Default::default() };
    assert_eq!(world.listed(by_loan.clone()).await, expected);
    world.verify().await;
    assert_eq!(world.listed(by_loan).await, expected, "the index is read again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_finds_its_payouts_and_what_undid_them() {
    let mut world = World::new();
    world.accept_all(&set_up()).await;
    let first = world.accept(&payout("P-1", "H0001", 1, "")).await;
    let second = world.accept(&payout("P-2", "H0002", 2, "")).await;
    let mut other = payout("P-3", "H0003", 1, "");
    other["executePayment"]["payout"]["batchId"] = json!("2026-09");
    let third = world.accept(&other).await;
    let clear = json!({ "clearPayments": { "paymentIds": ["P-1"], "bankReference": "清算" } });
    let cleared = world.accept(&on("2026-08-11", "clear", clear)).await;
    let back = json!({ "returnPayment": { "paymentId": "P-1", "amountMinor": 200_000, "bankReference": "退票",
        "reasonCode": "ACCOUNT_CLOSED" } });
    let returned = world.accept(&on("2026-08-12", "back", back)).await;
    let undo = json!({ "reverseEvent": { "originalSequence": second, "reasonCode": "WRONG_PERSON" } });
    let reversed = world.accept(&on("2026-08-12", "undo", undo)).await;
    let again = world.accept(&payout("P-4", "H0001", 1, "P-1")).await;
    let of_batch = |id: &str| ListEventsRequest { batch_id: id.to_owned(), ..Default::default() };
    assert_eq!(world.listed(of_batch("2026-08")).await, [first, second, returned, reversed, again]);
    assert_eq!(world.listed(of_batch("2026-09")).await, [third]);
    let one = ListEventsRequest { payee: "H0001".to_owned(), ..of_batch("2026-08") };
    assert_eq!(world.listed(one).await, [first, returned, again], "of one person");
    for (entry, sequence) in [("清算", cleared), ("退票", returned)] {
        let by_entry = ListEventsRequest { bank_reference: entry.to_owned(), ..Default::default() };
        assert_eq!(world.listed(by_entry).await, [sequence]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_case_finds_what_it_froze() {
    let mut world = World::new();
    world.accept_all(&set_up()).await;
    let freeze = json!({ "freeze": { "caseId": "discipline-7", "legalBasis": "监察法§23", "lotId": "LOT-R" } });
    let frozen = world.accept(&on("2026-08-05", "freeze", freeze)).await;
    let lifted = world.accept(&on("2026-08-06", "lift", json!({ "unfreeze": { "caseId": "discipline-7" } }))).await;
    let by_case = ListEventsRequest { case_id: "discipline-7".to_owned(), ..Default::default() };
    assert_eq!(world.listed(by_case).await, [frozen, lifted]);
}
