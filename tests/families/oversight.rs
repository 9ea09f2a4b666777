//! Supervision: findings from flag to close, matters, reconciliations, publications, and a month opened again.

use fundledger::pb::v1;
use serde_json::{Value, json};

use crate::server::run;
use crate::world::{World, on};

const DIGEST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// A good command of each kind, for the test of fields too.
pub(crate) fn samples() -> Vec<Value> {
    vec![
        json!({ "recordReconciliation": { "accountId": "treasury", "statementSha256": DIGEST,
            "from": { "year": 2026, "month": 3, "day": 1 }, "to": { "year": 2026, "month": 3, "day": 31 },
            "bankBalanceMinor": 333_333, "bookBalanceMinor": 333_333, "asOfSequence": 10, "matchedCount": 1,
            "differences": [{ "bankReference": "x", "bankMinor": -1, "bookMinor": 1 }] } }),
        json!({ "flag": { "findingId": "F-1", "ruleId": "R-IDLE", "ruleVersion": 1, "sequences": [9, 10],
            "amountMinor": 333_333, "evidenceSha256": DIGEST } }),
        json!({ "explainFinding": { "findingId": "F-1", "documentNumber": "答复 1", "documentSha256": DIGEST } }),
        json!({ "rectifyFinding": { "findingId": "F-1", "sequences": [11], "amountMinor": 1,
            "documentNumber": "整改 1" } }),
        json!({ "closeFinding": { "findingId": "F-1", "outcome": "FINDING_OUTCOME_RECTIFIED" } }),
        json!({ "openMatter": { "matterId": "M-1", "kind": "complaint", "unitId": "finance", "fundId": "NT",
            "party": "某人", "aboutSequence": 9, "firstHandler": "clerk-1" } }),
        json!({ "closeMatter": { "matterId": "M-1", "outcomeCode": "ANSWERED" } }),
        json!({ "recordDisclosure": { "disclosureId": "D-1", "scope": "monthly", "fileSha256": DIGEST,
            "asOfSequence": 10 } }),
        json!({ "scorePerformance": { "subjectId": "LOT-1", "year": 2026, "score": 8_850, "documentNumber": "绩效 1" } }),
        json!({ "reopenPeriod": { "fundId": "NT", "year": 2026, "month": 3, "reasonCode": "LATE_STATEMENT" } }),
    ]
}

fn by(actor: &str, mut line: Value) -> Value {
    line["actor"] = json!(actor);
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_finding_goes_from_flag_to_close() {
    let mut world = World::after("s5-nontax").await;
    let samples = samples();
    let (flag, explain, rectify, close) = (&samples[1], &samples[2], &samples[3], &samples[4]);
    let auditor = |key: &str, payload: &Value| by("auditor-1", on("2026-05-01", key, payload.clone()));
    let office = |key: &str, payload: &Value| on("2026-05-02", key, payload.clone());
    assert_eq!(world.refuse(&office("early", explain)).await.reason, "FINDING_NOT_FOUND");
    let mut unknown = flag.clone();
    unknown["flag"]["sequences"] = json!([9, 99_999]);
    assert_eq!(world.refuse(&auditor("unknown", &unknown)).await.reason, "EVENT_NOT_FOUND");
    let flagged = world.accept(&auditor("flag", flag)).await;
    assert_eq!(stage(&world).await, (v1::FindingStage::Open, 0, flagged));
    assert_eq!(world.refuse(&auditor("again", flag)).await.reason, "FINDING_EXISTS");
    assert_eq!(world.refuse(&auditor("close-1", close)).await.reason, "FINDING_UNANSWERED");
    // Nobody answers what they flagged.
    assert_eq!(world.refuse(&auditor("own-1", explain)).await.reason, "SEGREGATION_OF_DUTIES");
    assert_eq!(world.refuse(&auditor("own-2", rectify)).await.reason, "SEGREGATION_OF_DUTIES");
    let explained = world.accept(&office("explain", explain)).await;
    assert_eq!(stage(&world).await, (v1::FindingStage::Explained, 0, explained));
    // Answered is not put right.
    assert_eq!(world.refuse(&auditor("close-2", close)).await.reason, "FINDING_UNANSWERED");
    let rectified = world.accept(&office("rectify", rectify)).await;
    assert_eq!(stage(&world).await, (v1::FindingStage::Rectified, 1, rectified));
    let answered = world.accept(&office("explain-2", explain)).await;
    // What was put right stays so, whatever is said of it later; and after a restart.
    assert_eq!(stage(&world).await, (v1::FindingStage::Rectified, 1, answered));
    world.verify().await;
    assert_eq!(stage(&world).await, (v1::FindingStage::Rectified, 1, answered));
    let closed = world.accept(&auditor("close-3", close)).await;
    assert_eq!(stage(&world).await, (v1::FindingStage::Closed, 1, closed));
    // The whole of it is found by the finding, and by the documents it rests on.
    let by_case = v1::ListEventsRequest { case_id: "F-1".to_owned(), ..Default::default() };
    assert_eq!(world.listed(by_case).await, [flagged, explained, rectified, answered, closed]);
    let by_document = v1::ListEventsRequest { document_number: "整改 1".to_owned(), ..Default::default() };
    assert_eq!(world.listed(by_document).await, [rectified]);
    let both =
        v1::ListEventsRequest {
            case_id: "F-1".to_owned(), document_number: "答复 1".to_owned(), ..Default::default()
        };
    assert_eq!(world.listed(both).await, [explained, answered]);
    let unknown = v1::ListEventsRequest { case_id: "F-2".to_owned(), ..Default::default() };
    assert!(world.listed(unknown).await.is_empty());
    assert_eq!(world.refuse(&office("late", explain)).await.reason, "FINDING_CLOSED");
    assert_eq!(world.refuse(&auditor("close-4", close)).await.reason, "FINDING_CLOSED");
    world.verify().await;
}

async fn findings(world: &World, request: v1::ListFindingsRequest) -> v1::ListFindingsResponse {
    world.served.query().await.list_findings(request).await.unwrap().into_inner()
}

/// How far the only finding has got, what was put right, and the last event about it.
async fn stage(world: &World) -> (v1::FindingStage, i64, i64) {
    let request = v1::ListFindingsRequest { min_sequence: Some(world.last), ..Default::default() };
    let found = findings(world, request).await.findings;
    assert_eq!(found.len(), 1);
    (found[0].stage(), found[0].rectified_minor, found[0].last_sequence)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn findings_are_listed_by_what_they_are() {
    let mut world = World::after("s5-nontax").await;
    let flag = |key: &str, rule: &str, auditor: &str| {
        let mut flag = samples()[1].clone();
        flag["flag"]["findingId"] = json!(key);
        flag["flag"]["ruleId"] = json!(rule);
        by(auditor, on("2026-05-01", key, flag))
    };
    let first = world.accept(&flag("A", "R-IDLE", "auditor-1")).await;
    world.accept(&flag("B", "R-SPLIT", "auditor-2")).await;
    let last = world.accept(&flag("C", "R-IDLE", "auditor-2")).await;
    let mut answer = samples()[2].clone();
    answer["explainFinding"]["findingId"] = json!("B");
    let answered = world.accept(&on("2026-05-03", "answer", answer)).await;
    world.seen(answered).await;
    let listed = async |request: v1::ListFindingsRequest| {
        let found = findings(&world, request).await.findings;
        found.into_iter().map(|finding| finding.finding_id).collect::<Vec<_>>().concat()
    };
    let all = v1::ListFindingsRequest::default();
    assert_eq!(listed(all.clone()).await, "ABC");
    assert_eq!(listed(v1::ListFindingsRequest { stage: v1::FindingStage::Open.into(), ..all.clone() }).await, "AC");
    assert_eq!(listed(v1::ListFindingsRequest { rule_id: "R-IDLE".to_owned(), ..all.clone() }).await, "AC");
    let of_one = v1::ListFindingsRequest { flagged_by: "auditor-2".to_owned(), ..all.clone() };
    assert_eq!(listed(of_one).await, "BC");
    // By pages; a token is for what was asked.
    let page = findings(&world, v1::ListFindingsRequest { page_size: 2, ..all.clone() }).await;
    let mut next = v1::ListFindingsRequest { page_size: 2, page_token: page.next_page_token, ..all };
    let rest = findings(&world, next.clone()).await;
    assert_eq!((rest.findings[0].flagged_sequence, rest.next_page_token), (last, String::new()));
    next.rule_id = "R-SPLIT".to_owned();
    assert!(world.served.query().await.list_findings(next).await.is_err());
    let url = world.served.url();
    let shown = run(&["findings", "--server", &url, "--stage", "open", "--rule", "R-IDLE", "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let expected = format!("A,R-IDLE,OPEN,,333333,0,auditor-1,{first},2026-05-01,{first},2026-05-01");
    assert_eq!(shown.lines().nth(1), Some(expected.as_str()), "{shown}");
    let shown = run(&["--lang", "zh", "findings", "--server", &url, "--stage", "explained"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("已答复"));
    let shown = run(&["findings", "--server", &url, "--flagged-by", "auditor-1", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["findings"][0]["sequences"], json!([9, 10]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn matters_reconciliations_and_publications_are_on_record() {
    let mut world = World::after("s5-nontax").await;
    let samples = samples();
    let give = |key: &str, payload: &Value| on("2026-05-01", key, payload.clone());
    world.accept(&give("reconciled", &samples[0])).await;
    let opened = world.accept(&give("opened", &samples[5])).await;
    assert_eq!(world.refuse(&give("opened-2", &samples[5])).await.reason, "MATTER_EXISTS");
    world.accept(&give("closed", &samples[6])).await;
    assert_eq!(world.refuse(&give("closed-2", &samples[6])).await.reason, "MATTER_CLOSED");
    let mut unknown = samples[6].clone();
    unknown["closeMatter"]["matterId"] = json!("M-9");
    assert_eq!(world.refuse(&give("closed-3", &unknown)).await.reason, "MATTER_NOT_FOUND");
    world.accept(&give("published", &samples[7])).await;
    assert_eq!(world.refuse(&give("published-2", &samples[7])).await.reason, "DISCLOSURE_EXISTS");
    let mut future = samples[7].clone();
    future["recordDisclosure"]["disclosureId"] = json!("D-2");
    future["recordDisclosure"]["asOfSequence"] = json!(99_999);
    assert_eq!(world.refuse(&give("published-3", &future)).await.reason, "EVENT_NOT_FOUND");
    world.accept(&give("scored", &samples[8])).await;
    let brought = v1::ListEventsRequest { payee: "某人".to_owned(), ..Default::default() };
    assert_eq!(world.listed(brought).await, [opened]);
    world.verify().await;
    assert_eq!(world.refuse(&give("opened-4", &samples[5])).await.reason, "MATTER_EXISTS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_last_closed_month_can_be_opened_again() {
    let mut world = World::after("s5-nontax").await;
    let reopen = &samples()[9];
    let close = |month: i32| json!({ "closePeriod": { "fundId": "NT", "year": 2026, "month": month } });
    assert_eq!(world.refuse(&on("2026-05-01", "r-0", reopen.clone())).await.reason, "PERIOD_OUT_OF_ORDER");
    world.accept(&on("2026-05-01", "c-2", close(2))).await;
    world.accept(&on("2026-05-01", "c-3", close(3))).await;
    let notice = json!({ "noticeNontax": { "noticeId": "N-2", "fundId": "NT", "payer": "P", "itemCode": "fine",
        "amountMinor": 5 } });
    assert_eq!(world.refuse(&on("2026-03-20", "n-1", notice.clone())).await.reason, "PERIOD_CLOSED");
    let mut earlier = reopen.clone();
    earlier["reopenPeriod"]["month"] = json!(2);
    let refused = world.refuse(&on("2026-05-01", "r-1", earlier)).await;
    assert_eq!(refused.reason, "PERIOD_OUT_OF_ORDER");
    assert!(refused.facts.contains("last_closed_period=2026-03"), "{refused:?}");
    // Dual control.
    let mut alone = on("2026-05-01", "r-2", reopen.clone());
    alone["checkers"] = json!([]);
    assert_eq!(world.refuse(&alone).await.reason, "APPROVAL_MISSING");
    world.accept(&on("2026-05-01", "r-3", reopen.clone())).await;
    world.accept(&on("2026-03-20", "n-2", notice)).await;
    let collect = json!({ "collectNontax": { "noticeId": "N-2", "amountMinor": 5, "bankReference": "late",
        "receiptNumber": "R-2" } });
    world.accept(&on("2026-03-21", "n-3", collect)).await;
    assert_eq!(world.refuse(&on("2026-05-01", "c-4", close(4))).await.reason, "PERIOD_OUT_OF_ORDER");
    world.accept(&on("2026-05-01", "c-5", close(3))).await;
    world.accept(&on("2026-05-01", "c-6", close(4))).await;
    world.verify().await;
}
