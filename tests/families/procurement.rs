//! Procurement: from a tender to a project's final account, what registered contracts hold payments to, and what is refused.

use fundledger::pb::v1;
use serde_json::{Value, json};

use crate::server::run;
use crate::world::{World, on, scenario};

const DIGEST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const BUILDER: &str = "建工集团";
const OCID: &str = "ocds-213czf-school-1";

/// A good command of each kind, for the test of fields too.
pub(crate) fn samples() -> Vec<Value> {
    vec![
        tender("T-1", 1_900_000_000),
        award("T-1", BUILDER, 1_860_000_000),
        contract("K-1", "T-1", BUILDER, 1_860_000_000),
        amend("K-1", 1),
        settle("K-1", 1_815_000_000, 54_450_000),
        json!({ "approveFinalAccount": { "projectId": "school-1", "fundId": "INV", "amountMinor": 1_815_000_000,
            "surplusSequences": [1, 2], "documentNumber": "决算 1", "documentSha256": DIGEST } }),
    ]
}

fn tender(id: &str, ceiling: i64) -> Value {
    json!({ "openTender": { "tenderId": id, "fundId": "INV", "unitId": "bureau", "projectId": "school-1",
        "method": "PROCUREMENT_METHOD_OPEN_TENDER", "ceilingMinor": ceiling, "ocid": OCID,
        "documentNumber": "招标公告 1", "documentSha256": DIGEST } })
}

fn award(id: &str, supplier: &str, amount: i64) -> Value {
    json!({ "awardTender": { "tenderId": id, "supplier": supplier, "amountMinor": amount,
        "documentNumber": "中标通知书 1", "documentSha256": DIGEST } })
}

fn contract(id: &str, tender: &str, supplier: &str, amount: i64) -> Value {
    json!({ "registerContract": { "contractId": id, "fundId": "INV", "unitId": "bureau", "projectId": "school-1",
        "tenderId": tender, "supplier": supplier, "amountMinor": amount,
        "signedOn": { "year": 2026, "month": 1, "day": 20 }, "documentNumber": "合同 1", "documentSha256": DIGEST } })
}

/// A contract that no tender came before.
fn direct(id: &str, supplier: &str, amount: i64) -> Value {
    let mut contract = contract(id, "", supplier, amount);
    contract["registerContract"]["method"] = json!("PROCUREMENT_METHOD_SINGLE_SOURCE");
    contract
}

fn amend(id: &str, change: i64) -> Value {
    json!({ "amendContract": { "contractId": id, "changeMinor": change, "documentNumber": "补充合同 1",
        "documentSha256": DIGEST } })
}

fn settle(id: &str, amount: i64, retained: i64) -> Value {
    let mut settlement = json!({ "settleContract": { "contractId": id, "amountMinor": amount,
        "retentionMinor": retained, "documentNumber": "结算 1", "documentSha256": DIGEST } });
    if retained > 0 {
        settlement["settleContract"]["retentionUntil"] = json!({ "year": 2027, "month": 12, "day": 30 });
    }
    settlement
}

fn final_account(amount: i64, surplus: &[i64]) -> Value {
    json!({ "approveFinalAccount": { "projectId": "school-1", "fundId": "INV", "amountMinor": amount,
        "surplusSequences": surplus, "documentNumber": "决算 1", "documentSha256": DIGEST } })
}

fn commit(id: &str, payee: &str, amount: i64) -> Value {
    json!({ "commitAuthority": { "contractId": id, "payee": payee,
        "movement": { "fromAccountId": "unit", "toAccountId": "committed", "amountMinor": amount } } })
}

fn pay(id: &str, contract: &str, payee: &str, amount: i64) -> Value {
    json!({ "executePayment": { "paymentId": id, "fromAccountId": "committed", "amountMinor": amount, "payee": payee,
        "purpose": "construction", "projectId": "school-1", "contractId": contract,
        "method": "PAYMENT_METHOD_DIRECT" } })
}

/// A ledger with the scenario up to its commitment, which is not given.
async fn before_commitment() -> World {
    let mut world = World::new();
    for line in scenario("s6-investment").iter().take_while(|line| line.get("commitAuthority").is_none()) {
        world.accept(line).await;
    }
    world
}

async fn contract_of(world: &World, contract_id: &str) -> v1::Contract {
    let (contract_id, min_sequence) = (contract_id.to_owned(), Some(world.last));
    let request = v1::GetContractRequest { contract_id, min_sequence };
    world.served.query().await.get_contract(request).await.unwrap().into_inner().contract.unwrap()
}

async fn project(world: &World) -> v1::Project {
    let request = v1::ListProjectsRequest { min_sequence: Some(world.last), ..Default::default() };
    let mut found = world.served.query().await.list_projects(request).await.unwrap().into_inner().projects;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The scenario S6, with what was tendered, registered and settled beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_school_goes_from_its_tender_to_its_final_account() {
    let mut world = before_commitment().await;
    let opened = world.accept(&on("2026-01-10", "tender", tender("T-1", 1_900_000_000))).await;
    let awarded = world.accept(&on("2026-01-15", "award", award("T-1", BUILDER, 1_860_000_000))).await;
    let registered = world.accept(&on("2026-01-20", "contract", contract("K-1", "T-1", BUILDER, 1_860_000_000))).await;
    let mut returned = Vec::new();
    for line in scenario("s6-investment").iter().skip_while(|line| line.get("commitAuthority").is_none()) {
        // The scenario's own id is none that a registry gave.
        let mut line = line.clone();
        if line.get("commitAuthority").is_some() {
            assert_eq!(world.refuse(&line).await.reason, "OCID_MISMATCH");
            line["requestId"] = json!("commit-again");
            line["commitAuthority"]["ocid"] = json!(OCID);
        }
        match line["executePayment"]["paymentId"].as_str() {
            Some("P-3") => {
                world.accept(&on("2027-06-30", "settle", settle("K-1", 1_815_000_000, 54_450_000))).await;
            }
            Some("P-4") => {
                let mut early = line.clone();
                early["requestId"] = json!("early");
                early["businessDate"] = json!({ "year": 2027, "month": 12, "day": 29 });
                let refused = world.refuse(&early).await;
                assert_eq!(refused.reason, "RETENTION_HELD");
                assert!(refused.facts.contains("available_minor=0"), "{refused:?}");
                assert!(refused.facts.contains("retention_until=2027-12-30"), "{refused:?}");
            }
            _ => {}
        }
        let sequence = world.accept(&line).await;
        if line.get("recoverLapsed").is_some() {
            returned.push(sequence);
        }
    }
    let found = project(&world).await;
    assert_eq!((found.estimate_minor, found.final_minor, found.left_minor), (2_000_000_000, 0, 185_000_000));
    let over = world.refuse(&on("2027-12-31", "final-1", final_account(1_814_999_999, &[]))).await;
    assert_eq!((over.reason.as_str(), over.facts.contains("paid_minor=1815000000")), ("OVER_ESTIMATE", true));
    let closed = world.accept(&on("2027-12-31", "final-2", final_account(1_815_000_000, &returned))).await;
    let found = project(&world).await;
    assert_eq!((found.contracted_minor, found.paid_minor, found.returned_minor), (1_815_000_000, 1_815_000_000, 0));
    assert_eq!((found.left_minor, found.surplus_minor, found.final_sequence), (0, 185_000_000, closed));
    assert_eq!(found.surplus_sequences, returned);
    // It stands in for the estimate.
    let more = world.refuse(&on("2027-12-31", "more", pay("P-9", "K-1", BUILDER, 1))).await;
    assert_eq!((more.reason.as_str(), more.facts.contains("available_minor=0")), ("OVER_ESTIMATE", true));
    let found = contract_of(&world, "K-1").await;
    assert!(found.registered);
    assert_eq!((found.ocid.as_str(), found.tender_id.as_str()), (OCID, "T-1"));
    assert_eq!(found.method(), v1::ProcurementMethod::OpenTender);
    assert_eq!(
        (found.amount_minor, found.price_minor, found.retention_minor),
        (1_860_000_000, 1_815_000_000, 54_450_000)
    );
    assert_eq!((found.committed_minor, found.paid_minor, found.left_minor), (0, 1_815_000_000, 0));
    let sequences = [found.tender_opened_sequence, found.tender_awarded_sequence, found.registered_sequence];
    assert_eq!(sequences, [opened, awarded, registered]);
    // What is about them is found by them.
    let by_tender = v1::ListEventsRequest { case_id: "T-1".to_owned(), ..Default::default() };
    assert_eq!(world.listed(by_tender).await, [opened, awarded, registered]);
    let by_document = v1::ListEventsRequest { document_number: "合同 1".to_owned(), ..Default::default() };
    assert_eq!(world.listed(by_document).await, [registered]);
    let by_contract = v1::ListEventsRequest { contract_id: "K-1".to_owned(), ..Default::default() };
    let of_contract = world.listed(by_contract).await;
    assert_eq!(of_contract.first(), Some(&registered));
    assert!(of_contract.contains(&found.settled_sequence));
    let before = (found, project(&world).await);
    world.verify().await;
    assert_eq!((contract_of(&world, "K-1").await, project(&world).await), before, "after a restart");
}

/// A command that must be refused: its payload, the reason, and a part of the facts.
type Row = (Value, &'static str, &'static str);

async fn all_refused(world: &mut World, name: &str, rows: Vec<Row>) {
    for (at, (payload, reason, fact)) in rows.into_iter().enumerate() {
        let line = on("2026-02-01", &format!("refused-{name}-{at}"), payload);
        let refused = world.refuse(&line).await;
        assert_eq!(refused.reason, reason, "{line}: {refused:?}");
        assert!(refused.facts.contains(fact), "{line}: {refused:?}");
    }
}

fn changed(mut payload: Value, command: &str, field: &str, value: impl Into<Value>) -> Value {
    payload[command][field] = value.into();
    payload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_contract_is_what_was_awarded() {
    let mut world = before_commitment().await;
    let rows = vec![
        (changed(tender("T-1", 1_000), "openTender", "fundId", "xx"), "FUND_NOT_FOUND", "fund=xx"),
        (changed(tender("T-1", 1_000), "openTender", "unitId", "xx"), "UNIT_NOT_FOUND", "unit=xx"),
        (award("T-1", BUILDER, 1_000), "TENDER_NOT_FOUND", "tender=T-1"),
        (contract("K-1", "T-1", BUILDER, 1_000), "TENDER_NOT_FOUND", "tender=T-1"),
        (amend("K-1", 1), "CONTRACT_NOT_FOUND", "contract=K-1"),
        (settle("K-1", 1, 0), "CONTRACT_NOT_FOUND", "contract=K-1"),
    ];
    all_refused(&mut world, "unknown", rows).await;
    world.accept(&on("2026-02-01", "tender", tender("T-1", 1_000))).await;
    let rows = vec![
        (tender("T-1", 1_000), "TENDER_EXISTS", "tender=T-1"),
        (contract("K-1", "T-1", BUILDER, 1_000), "TENDER_UNAWARDED", "tender=T-1"),
        (award("T-1", BUILDER, 1_001), "OVER_TENDER", "asked_minor=1001 available_minor=1000"),
    ];
    all_refused(&mut world, "opened", rows).await;
    world.accept(&on("2026-02-01", "award", award("T-1", BUILDER, 900))).await;
    let other = changed(contract("K-1", "T-1", BUILDER, 900), "registerContract", "ocid", "ocds-213czf-other");
    let rows = vec![
        (award("T-1", BUILDER, 900), "AWARD_EXISTS", "tender=T-1"),
        (contract("K-1", "T-1", "别家公司", 900), "PAYEE_MISMATCH", "contract=K-1"),
        (contract("K-1", "T-1", BUILDER, 901), "OVER_TENDER", "asked_minor=901 available_minor=900"),
        (other, "OCID_MISMATCH", "expected=ocds-213czf-school-1"),
    ];
    all_refused(&mut world, "awarded", rows).await;
    // Dual control, as the policy asks for.
    let mut alone = on("2026-02-01", "alone", contract("K-1", "T-1", BUILDER, 500));
    alone["checkers"] = json!([]);
    assert_eq!(world.refuse(&alone).await.reason, "APPROVAL_MISSING");
    world.accept(&on("2026-02-01", "contract-1", contract("K-1", "T-1", BUILDER, 500))).await;
    let rows = vec![
        (contract("K-1", "T-1", BUILDER, 100), "CONTRACT_REGISTERED", "contract=K-1"),
        // Of an award there is no more than was awarded, in however many contracts.
        (contract("K-2", "T-1", BUILDER, 401), "OVER_TENDER", "available_minor=400"),
    ];
    all_refused(&mut world, "registered", rows).await;
    world.accept(&on("2026-02-01", "contract-2", contract("K-2", "T-1", BUILDER, 400))).await;
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_committed_and_paid_stays_within_a_registered_contract() {
    let mut world = before_commitment().await;
    world.accept(&on("2026-02-01", "contract", direct("K-1", BUILDER, 1_000))).await;
    let other_ocid = changed(commit("K-1", BUILDER, 1), "commitAuthority", "ocid", "ocds-213czf-2");
    let rows = vec![
        (commit("K-1", "别家公司", 1), "PAYEE_MISMATCH", "contract=K-1"),
        (commit("K-1", BUILDER, 1_001), "OVER_CONTRACT", "asked_minor=1001 available_minor=1000"),
    ];
    all_refused(&mut world, "commit", rows).await;
    // Of a contract without an id of its own nothing is known about it.
    world.accept(&on("2026-02-01", "commit-1", other_ocid)).await;
    world.accept(&on("2026-02-01", "commit-2", commit("K-1", BUILDER, 599))).await;
    world.accept(&on("2026-02-01", "pay-1", pay("P-1", "K-1", BUILDER, 300))).await;
    let rows = vec![
        (commit("K-1", BUILDER, 401), "OVER_CONTRACT", "available_minor=400"),
        // 政府采购法§49: a tenth, all additions together.
        (amend("K-1", 101), "OVER_AMENDMENT", "asked_minor=101 available_minor=100"),
        (amend("K-1", -401), "OVER_CONTRACT", "asked_minor=600 available_minor=599"),
        (settle("K-1", 1_001, 0), "OVER_CONTRACT", "asked_minor=1001 available_minor=1000"),
        (settle("K-1", 299, 0), "OVER_CONTRACT", "asked_minor=300 available_minor=299"),
        (settle("K-1", 320, 21), "OVER_CONTRACT", "asked_minor=300 available_minor=299"),
    ];
    all_refused(&mut world, "amend", rows).await;
    world.accept(&on("2026-02-02", "amend-1", amend("K-1", 60))).await;
    // What was taken off makes no room for additions.
    world.accept(&on("2026-02-02", "amend-2", amend("K-1", -60))).await;
    all_refused(&mut world, "tenth", vec![(amend("K-1", 41), "OVER_AMENDMENT", "available_minor=40")]).await;
    world.accept(&on("2026-02-02", "amend-3", amend("K-1", 40))).await;
    all_refused(&mut world, "full", vec![(amend("K-1", 1), "OVER_AMENDMENT", "available_minor=0")]).await;
    let found = contract_of(&world, "K-1").await;
    assert_eq!((found.price_minor, found.added_minor, found.amendments.len()), (1_040, 100, 3));
    assert_eq!((found.committed_minor, found.paid_minor, found.left_minor), (300, 300, 740));
    // A payment that is undone makes room again.
    let paid = v1::ListEventsRequest { contract_id: "K-1".to_owned(), ..Default::default() };
    let paid = *world.listed(paid).await.iter().rev().nth(3).unwrap();
    let reverse = json!({ "reverseEvent": { "originalSequence": paid, "reasonCode": "ERROR" } });
    world.accept(&on("2026-02-03", "reverse", reverse)).await;
    world.accept(&on("2026-02-03", "pay-2", pay("P-2", "K-1", BUILDER, 600))).await;
    let clear = json!({ "clearPayments": { "paymentIds": ["P-2"], "bankReference": "清算" } });
    world.accept(&on("2026-02-03", "clear", clear)).await;
    let give_back = json!({ "returnPayment": { "paymentId": "P-2", "amountMinor": 100, "bankReference": "退",
        "reasonCode": "ACCOUNT_CLOSED" } });
    world.accept(&on("2026-02-03", "return", give_back)).await;
    let found = contract_of(&world, "K-1").await;
    assert_eq!((found.paid_minor, found.returned_minor, found.left_minor), (900, 400, 540));
    all_refused(&mut world, "again", vec![(commit("K-1", BUILDER, 541), "OVER_CONTRACT", "available_minor=540")]).await;
    world.accept(&on("2026-02-03", "commit-3", commit("K-1", BUILDER, 540))).await;
    // Once settled, nothing more is paid than that; what is committed beyond it can only be released.
    world.accept(&on("2026-02-04", "settle", settle("K-1", 700, 0))).await;
    let rows = vec![
        (settle("K-1", 700, 0), "CONTRACT_SETTLED", "contract=K-1"),
        (amend("K-1", -1), "CONTRACT_SETTLED", "contract=K-1"),
        (pay("P-3", "K-1", BUILDER, 201), "OVER_CONTRACT", "asked_minor=201 available_minor=200"),
        (commit("K-1", BUILDER, 1), "OVER_CONTRACT", "available_minor=-340"),
    ];
    all_refused(&mut world, "settled", rows).await;
    world.accept(&on("2026-02-04", "pay-3", pay("P-3", "K-1", BUILDER, 200))).await;
    world.verify().await;
    // So it is after a restart, and of several operations at once.
    let both = json!({ "transaction": { "operations": [
        { "executePayment": pay("P-4", "K-1", BUILDER, 1)["executePayment"] } ] } });
    all_refused(&mut world, "restart", vec![(both, "OVER_CONTRACT", "operation=operations[0]")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_contract_may_be_registered_after_it_was_committed_to() {
    let mut world = before_commitment().await;
    world.accept(&on("2026-02-01", "commit", commit("K-1", BUILDER, 500))).await;
    let found = contract_of(&world, "K-1").await;
    assert_eq!((found.registered, found.committed_minor, found.left_minor), (false, 500, 500));
    let rows = vec![
        (direct("K-1", "别家公司", 500), "CONTRACT_EXISTS", "contract=K-1"),
        (direct("K-1", BUILDER, 499), "OVER_CONTRACT", "asked_minor=500 available_minor=499"),
    ];
    all_refused(&mut world, "late", rows).await;
    world.accept(&on("2026-02-01", "register", direct("K-1", BUILDER, 500))).await;
    // From here on the policy lets authority be committed to registered contracts only.
    let policy = json!({ "setPolicy": { "policyId": "investment", "version": 2,
        "effectiveFrom": { "year": 2026, "month": 3, "day": 1 }, "planStep": "PLAN_STEP_OPTIONAL",
        "documentSha256": DIGEST, "terms": { "registeredContractsOnly": true } } });
    world.accept(&on("2026-02-28", "policy", policy)).await;
    world.accept(&on("2026-02-28", "unregistered", commit("K-2", BUILDER, 1))).await;
    let refused = world.refuse(&on("2026-03-01", "too-late", commit("K-2", BUILDER, 1))).await;
    assert_eq!((refused.reason.as_str(), refused.facts.contains("contract=K-2")), ("CONTRACT_UNREGISTERED", true));
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn final_accounts_are_of_projects_with_estimates() {
    let mut world = before_commitment().await;
    let unknown = changed(final_account(1, &[]), "approveFinalAccount", "projectId", "road-1");
    let rows = vec![
        (unknown, "PROJECT_NOT_FOUND", "project=road-1"),
        (final_account(1, &[99_999]), "EVENT_NOT_FOUND", "original_sequence=99999"),
        (final_account(2_000_000_001, &[]), "OVER_ESTIMATE", "available_minor=2000000000"),
    ];
    all_refused(&mut world, "final", rows).await;
    world.accept(&on("2026-02-01", "final", final_account(1_000, &[]))).await;
    // A later one takes its place.
    world.accept(&on("2026-02-01", "final-2", final_account(1_100, &[1]))).await;
    let found = project(&world).await;
    assert_eq!((found.final_minor, found.left_minor, found.surplus_minor), (1_100, 1_100, 1_999_998_900));
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tenders_are_listed_with_their_awards_and_contracts() {
    let mut world = before_commitment().await;
    let opened = world.accept(&on("2026-02-01", "t-1", tender("T-1", 1_000))).await;
    let mut other = tender("T-2", 70);
    other["openTender"]["ocid"] = json!("");
    world.accept(&on("2026-02-02", "t-2", changed(other, "openTender", "projectId", "road-1"))).await;
    let awarded = world.accept(&on("2026-02-03", "award", award("T-1", BUILDER, 1_000))).await;
    world.accept(&on("2026-02-04", "a", contract("A", "T-1", BUILDER, 600))).await;
    world.accept(&on("2026-02-04", "b", contract("B", "T-1", BUILDER, 300))).await;
    let last = world.accept(&on("2026-02-05", "amend", amend("A", 50))).await;
    world.seen(last).await;
    let asked = async |request: v1::ListTendersRequest| {
        world.served.query().await.list_tenders(request).await.unwrap().into_inner()
    };
    let listed = async |request: v1::ListTendersRequest| {
        let found = asked(request).await.tenders;
        found.into_iter().map(|tender| tender.tender_id).collect::<Vec<_>>().join(" ")
    };
    let all = v1::ListTendersRequest::default();
    assert_eq!(listed(all.clone()).await, "T-1 T-2");
    assert_eq!(listed(v1::ListTendersRequest { open_only: true, ..all.clone() }).await, "T-2");
    assert_eq!(listed(v1::ListTendersRequest { tender_id: "T-2".to_owned(), ..all.clone() }).await, "T-2");
    assert_eq!(listed(v1::ListTendersRequest { ocid: OCID.to_owned(), ..all.clone() }).await, "T-1");
    assert_eq!(listed(v1::ListTendersRequest { project_id: "road-1".to_owned(), ..all.clone() }).await, "T-2");
    assert_eq!(listed(v1::ListTendersRequest { unit_id: "bureau".to_owned(), ..all.clone() }).await, "T-1 T-2");
    assert_eq!(listed(v1::ListTendersRequest { unit_id: "office".to_owned(), ..all.clone() }).await, "");
    assert_eq!(listed(v1::ListTendersRequest { fund_id: "INV".to_owned(), ..all.clone() }).await, "T-1 T-2");
    assert_eq!(listed(v1::ListTendersRequest { fund_id: "xx".to_owned(), ..all.clone() }).await, "");
    let found = asked(v1::ListTendersRequest { page_size: 1, ..all.clone() }).await;
    let known = &found.tenders[0];
    assert_eq!((known.ceiling_minor, known.opened_sequence), (1_000, opened));
    // What was added counts; what the award left is nobody's.
    assert_eq!((known.contract_ids.join(" "), known.contracted_minor), ("A B".to_owned(), 950));
    assert_eq!((known.currency_code.as_str(), known.currency_exponent), ("CNY", 2));
    let of_award = known.award.as_ref().unwrap();
    assert_eq!((of_award.sequence, of_award.amount_minor), (awarded, 1_000));
    assert_eq!(of_award.awarded_on, Some(fundledger::pb::Date { year: 2026, month: 2, day: 3 }));
    assert_eq!(of_award.supplier, contract_of(&world, "A").await.supplier);
    // By pages; a token is for what was asked.
    let next = v1::ListTendersRequest { page_size: 1, page_token: found.next_page_token, ..all };
    assert_eq!(listed(next.clone()).await, "T-2");
    assert!(world.served.query().await.list_tenders(v1::ListTendersRequest { open_only: true, ..next }).await.is_err());
    let url = world.served.url();
    let shown = run(&["tenders", "--server", &url, "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let first = "T-1,INV,bureau,school-1,OPEN_TENDER,ocds-213czf-school-1,1000,1000,950,CNY,2,";
    assert!(shown.lines().nth(1).unwrap().starts_with(first), "{shown}");
    assert!(shown.lines().nth(1).unwrap().contains(",A B,2026-02-01,2026-02-03,"), "{shown}");
    let second = shown.lines().nth(2).unwrap();
    assert!(second.starts_with("T-2,INV,bureau,road-1,OPEN_TENDER,,70,,0,CNY,2,,,2026-02-02,,"), "{shown}");
    let shown = run(&["--lang", "zh", "tenders", "--server", &url, "--open"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("最高限价") && shown.contains("公开招标") && shown.contains("0.70"), "{shown}");
    assert!(!shown.contains("T-1"), "{shown}");
    let shown = run(&["tenders", "--server", &url, "--tender", "T-1", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["tenders"][0]["award"]["sequence"], json!(awarded));
    assert_eq!(shown["tenders"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn contracts_are_listed_by_what_they_are() {
    let mut world = before_commitment().await;
    world.accept(&on("2026-02-01", "tender", tender("T-1", 1_000))).await;
    world.accept(&on("2026-02-01", "award", award("T-1", BUILDER, 1_000))).await;
    world.accept(&on("2026-02-01", "a", contract("A", "T-1", BUILDER, 600))).await;
    let other = changed(direct("B", "设计院", 50), "registerContract", "projectId", "road-1");
    world.accept(&on("2026-02-01", "b", other)).await;
    let last = world.accept(&on("2026-02-01", "c", commit("C", BUILDER, 7))).await;
    world.seen(last).await;
    let listed = async |request: v1::ListContractsRequest| {
        let found = world.served.query().await.list_contracts(request).await.unwrap().into_inner().contracts;
        found.into_iter().map(|contract| contract.contract_id).collect::<Vec<_>>().concat()
    };
    let all = v1::ListContractsRequest::default();
    assert_eq!(listed(all.clone()).await, "ABC");
    assert_eq!(listed(v1::ListContractsRequest { registered_only: true, ..all.clone() }).await, "AB");
    assert_eq!(listed(v1::ListContractsRequest { ocid: OCID.to_owned(), ..all.clone() }).await, "A");
    assert_eq!(listed(v1::ListContractsRequest { tender_id: "T-1".to_owned(), ..all.clone() }).await, "A");
    assert_eq!(listed(v1::ListContractsRequest { project_id: "road-1".to_owned(), ..all.clone() }).await, "B");
    assert_eq!(listed(v1::ListContractsRequest { unit_id: "bureau".to_owned(), ..all.clone() }).await, "AB");
    assert_eq!(listed(v1::ListContractsRequest { fund_id: "INV".to_owned(), ..all.clone() }).await, "ABC");
    assert_eq!(listed(v1::ListContractsRequest { fund_id: "xx".to_owned(), ..all.clone() }).await, "");
    assert_eq!(listed(v1::ListContractsRequest { supplier: BUILDER.to_owned(), ..all.clone() }).await, "AC");
    let pseudonym = contract_of(&world, "B").await.supplier;
    let by_pseudonym = v1::ListContractsRequest { supplier_pseudonym: pseudonym.clone(), ..all.clone() };
    assert_eq!(listed(by_pseudonym.clone()).await, "B");
    let mut client = world.served.query().await;
    let both = v1::ListContractsRequest { supplier: BUILDER.to_owned(), ..by_pseudonym };
    assert!(client.list_contracts(both).await.is_err());
    let short = v1::ListContractsRequest { supplier_pseudonym: vec![1].into(), ..all.clone() };
    assert!(client.list_contracts(short).await.is_err());
    let missing = v1::GetContractRequest { contract_id: "D".to_owned(), min_sequence: None };
    assert_eq!(client.get_contract(missing).await.unwrap_err().code(), tonic::Code::NotFound);
    // By pages; a token is for what was asked.
    let first = v1::ListContractsRequest { page_size: 2, ..all };
    let page = client.list_contracts(first.clone()).await.unwrap().into_inner();
    let mut next = v1::ListContractsRequest { page_token: page.next_page_token, ..first };
    assert_eq!(listed(next.clone()).await, "C");
    next.registered_only = true;
    assert!(client.list_contracts(next).await.is_err());
    let url = world.served.url();
    let shown = run(&["contracts", "--server", &url, "--tender", "T-1", "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().nth(1).unwrap().starts_with("A,INV,bureau,school-1,T-1,OPEN_TENDER,"), "{shown}");
    let shown = run(&["contracts", "--server", &url, "--contract", "C", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["contracts"][0]["registered"], &shown["contracts"][0]["left_minor"]),
        (&json!(false), &json!(7))
    );
    let digits = fundledger::cli::render::hex(&pseudonym);
    let shown = run(&["--lang", "zh", "contracts", "--server", &url, "--supplier-pseudonym", &digits]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("采购方式") && shown.contains("单一来源") && !shown.contains("公开招标"), "{shown}");
    assert!(shown.contains("0.50") && shown.contains("CNY"), "{shown}");
    assert!(!run(&["contracts", "--server", &url, "--supplier-pseudonym", "12"]).status.success());
    let shown = run(&["projects", "--server", &url, "--project", "school-1", "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().nth(1).unwrap().starts_with("school-1,INV,2000000000,0,600,0,0,2000000000,0,"), "{shown}");
    // Without an estimate there is nothing left to pay, and nothing said of it.
    let shown = run(&["projects", "--server", &url, "--project", "road-1", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["projects"][0]["contracted_minor"], &shown["projects"][0]["left_minor"]),
        (&json!(50), &json!(0))
    );
}
