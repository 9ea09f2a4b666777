//! S2: a relief payout to a thousand households, line by line.

use serde_json::{Value, json};

use crate::world::{World, on, yuan};

const STANDARD: i64 = 200_000;

pub(crate) fn set_up() -> Vec<Value> {
    let account = |at: usize, (name, kind, unit): (&str, &str, &str)| {
        let party = if unit.is_empty() { "" } else { "救助局" };
        on(
            "2026-08-01",
            &format!("set-up-{at}"),
            json!({ "openAccount": {
            "accountId": name, "fundId": "RL", "kind": format!("ACCOUNT_KIND_{kind}"), "unitId": unit, "unitParty": party } }),
        )
    };
    let digest = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let accounts = [
        ("source", "AUTHORITY_SOURCE", ""),
        ("unallocated", "AUTHORITY_UNALLOCATED", ""),
        ("unit", "AUTHORITY_UNIT", "relief"),
        ("used", "AUTHORITY_USED", "relief"),
        ("recalled", "AUTHORITY_RECALLED", ""),
        ("treasury", "TREASURY", ""),
        ("fund", "FUND_LOT", ""),
        ("clearing", "CLEARING", ""),
    ];
    let mut lines = vec![
        on(
            "2026-08-01",
            "policy",
            json!({ "setPolicy": { "policyId": "relief", "version": 1,
            "effectiveFrom": { "year": 2026, "month": 8, "day": 1 }, "planStep": "PLAN_STEP_OPTIONAL",
            "documentSha256": digest, "terms": { "items": [{ "code": "transition", "maxAmountMinor": STANDARD }] } } }),
        ),
        on(
            "2026-08-01",
            "fund",
            json!({ "defineFund": { "fundId": "RL", "name": "自然灾害救助", "policyId": "relief",
            "family": "FUND_FAMILY_SPECIAL", "scheme": "FUND_SCHEME_RELIEF", "legalBasis": "自然灾害救助条例",
            "purposes": ["transition", "supplies"] } }),
        ),
    ];
    lines.extend(accounts.into_iter().enumerate().map(|(at, row)| account(at, row)));
    lines.extend([
        on(
            "2026-08-02",
            "issue",
            json!({ "issueBudget": { "lotId": "LOT-R", "toAccountId": "unallocated",
            "amountMinor": 300_000_000, "issuerId": "emergency", "documentNumber": "应急〔2026〕3号",
            "documentSha256": digest, "expiresOn": { "year": 2026, "month": 12, "day": 31 } } }),
        ),
        on(
            "2026-08-02",
            "cash",
            json!({ "receiveCash": { "lotId": "LOT-R", "amountMinor": 300_000_000,
            "bankReference": "拨款" } }),
        ),
        on(
            "2026-08-02",
            "allocate",
            json!({ "allocateBudget": { "movement": { "fromAccountId": "unallocated",
            "toAccountId": "unit", "amountMinor": 300_000_000 } } }),
        ),
        on(
            "2026-08-03",
            "death",
            json!({ "recordEligibility": { "person": "H0500", "fact": "ELIGIBILITY_FACT_DEATH",
            "effectiveOn": { "year": 2026, "month": 7, "day": 20 }, "source": "civil-affairs" } }),
        ),
    ]);
    lines
}

pub(crate) fn payout(request_id: &str, household: &str, line: usize, reissue_of: &str) -> Value {
    on(
        "2026-08-10",
        request_id,
        json!({ "executePayment": { "paymentId": request_id, "fromAccountId": "unit",
        "amountMinor": STANDARD, "payee": household, "purpose": "transition", "method": "PAYMENT_METHOD_DIRECT",
        "payout": { "itemCode": "transition", "period": 202_608, "batchId": "2026-08", "lineNumber": line,
            "reissueOf": reissue_of } } }),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s2_relief_one_card() {
    let mut world = World::new();
    world.accept_all(&set_up()).await;
    let households: Vec<usize> = (1..=1_001).chain([7]).collect();
    let mut rejected = Vec::new();
    let mut accepted = Vec::new();
    for (at, household) in households.iter().enumerate() {
        let household = format!("H{household:04}");
        let line = payout(&format!("line-{}", at + 1), &household, at + 1, "");
        // The two lines that must be refused go alone, the others together.
        if household == "H0500" || at == 1_001 {
            rejected.push((household, world.refuse(&line).await.reason));
        } else {
            accepted.push(line);
            if at + 1 == 1_001 {
                world.accept_all(&accepted).await;
            }
        }
    }
    assert_eq!((households.len(), accepted.len()), (1_002, 1_000));
    let expected = [("H0500", "INELIGIBLE"), ("H0007", "DUPLICATE_BENEFIT")];
    assert_eq!(rejected, expected.map(|(household, reason)| (household.to_owned(), reason.to_owned())));
    assert_eq!(world.holds("used").await, "2,000,000.00");
    let paid: Vec<String> = accepted.iter().map(|line| line["requestId"].as_str().unwrap().to_owned()).collect();
    for (at, ids) in paid.chunks(512).enumerate() {
        world
            .accept(&on(
                "2026-08-10",
                &format!("clear-{at}"),
                json!({ "clearPayments": { "paymentIds": ids,
                "bankReference": format!("清算 {at}") } }),
            ))
            .await;
    }
    for line in ["line-3", "line-4", "line-5"] {
        world
            .accept(&on(
                "2026-08-12",
                &format!("back-{line}"),
                json!({ "returnPayment": { "paymentId": line,
                "amountMinor": STANDARD, "bankReference": format!("退票 {line}"), "reasonCode": "ACCOUNT_CLOSED" } }),
            ))
            .await;
    }
    assert_eq!(world.holds("used").await, "1,994,000.00");
    // Issued again, to the same household for the same; once.
    for (household, line) in [("H0003", "line-3"), ("H0004", "line-4")] {
        let again = format!("again-{line}");
        world.accept(&payout(&again, household, 1, line)).await;
        assert_eq!(
            world.refuse(&payout(&format!("twice-{line}"), household, 1, line)).await.reason,
            "DUPLICATE_BENEFIT"
        );
        let wrong = payout(&format!("wrong-{line}"), "H1001", 1, line);
        assert_eq!(world.refuse(&wrong).await.reason, "PAYEE_MISMATCH");
    }
    let households_net = world.minor("used").await;
    assert_eq!(yuan(households_net), "1,998,000.00");
    world
        .accept(&on(
            "2026-09-01",
            "supplies",
            json!({ "executePayment": { "paymentId": "supplies", "fromAccountId": "unit",
            "amountMinor": 80_000_000, "payee": "V-supplies", "purpose": "supplies",
            "method": "PAYMENT_METHOD_DIRECT" } }),
        ))
        .await;
    world
        .accept(&on(
            "2026-09-01",
            "clear-rest",
            json!({ "clearPayments": {
            "paymentIds": ["again-line-3", "again-line-4", "supplies"], "bankReference": "清算 rest" } }),
        ))
        .await;
    world
        .accept(&on(
            "2026-12-31",
            "recall",
            json!({ "recoverLapsed": { "lotId": "LOT-R",
            "legalBasis": "预算法第四十二条" } }),
        ))
        .await;
    assert_eq!(world.holds("recalled").await, "202,000.00");
    assert_eq!(households_net + 80_000_000 + world.minor("recalled").await, 300_000_000);
    assert_eq!((world.minor("treasury").await, world.minor("fund").await, world.minor("unit").await), (0, 0, 0));
    world.verify().await;
}

/// Payouts within a transaction: what is tried and taken back leaves no trace, what is reversed frees its month.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn payouts_in_a_transaction() {
    let mut world = World::new();
    world.accept_all(&set_up()).await;
    let operation = |id: &str, household: &str| {
        let line = payout(id, household, 1, "");
        json!({ "executePayment": line["executePayment"] })
    };
    let together = |key: &str, operations: Vec<Value>| {
        on("2026-08-10", key, json!({ "transaction": { "operations": operations } }))
    };
    let twice = together("t-1", vec![operation("P-1", "H0001"), operation("P-2", "H0002"), operation("P-3", "H0001")]);
    let refused = world.refuse(&twice).await;
    assert_eq!(refused.reason, "DUPLICATE_BENEFIT");
    assert!(refused.facts.contains("operation=operations[2]"), "{refused:?}");
    // Nobody was paid by it.
    let sequence = world.accept(&together("t-2", vec![operation("P-1", "H0001"), operation("P-2", "H0002")])).await;
    assert_eq!(world.refuse(&payout("again", "H0002", 1, "")).await.reason, "DUPLICATE_BENEFIT");
    let undo = |operation: i32| json!({ "reverseEvent": { "originalSequence": sequence, "operation": operation, "reasonCode": "WRONG_PERSON" } });
    // Undone and paid again at once; and undone in vain, with something that is refused.
    let in_vain = together("t-3", vec![undo(2), operation("P-4", "H0001")]);
    assert_eq!(world.refuse(&in_vain).await.reason, "DUPLICATE_BENEFIT");
    assert_eq!(world.refuse(&payout("still", "H0002", 1, "")).await.reason, "DUPLICATE_BENEFIT");
    world.accept(&together("t-4", vec![undo(2), operation("P-4", "H0002")])).await;
    assert_eq!(world.refuse(&payout("twice", "H0002", 1, "")).await.reason, "DUPLICATE_BENEFIT");
    world.accept(&on("2026-08-10", "undo-1", undo(1))).await;
    world.accept(&payout("free", "H0001", 1, "")).await;
    assert_eq!(world.holds("used").await, "4,000.00");
    world.verify().await;
}

/// 转本单位账户: a unit pays nobody under its own name, and an account of no unit has no such name.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_unit_pays_no_account_of_its_own() {
    let mut world = World::new();
    world.accept_all(&set_up()).await;
    let pay = |id: &str, payee: &str| {
        on(
            "2026-08-10",
            id,
            json!({ "executePayment": { "paymentId": id, "fromAccountId": "unit", "amountMinor": 5,
            "payee": payee, "purpose": "supplies", "method": "PAYMENT_METHOD_DIRECT" } }),
        )
    };
    let refused = world.refuse(&pay("own", "救助局")).await;
    assert_eq!(refused.reason, "SELF_PAYMENT");
    assert!(refused.facts.contains("account=unit"), "{refused:?}");
    let nobodys = json!({ "openAccount": { "accountId": "x", "fundId": "RL", "kind": "ACCOUNT_KIND_AUTHORITY_CARRY",
        "unitParty": "救助局" } });
    assert_eq!(world.refuse(&on("2026-08-10", "nobodys", nobodys)).await.reason, "ACCOUNT_KIND_NOT_ALLOWED");
    world.accept(&pay("other", "供应商")).await;
    world.verify().await;
    assert_eq!(world.refuse(&pay("still", "救助局")).await.reason, "SELF_PAYMENT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn relief_and_donations_are_bound_to_their_purposes() {
    let mut world = World::new();
    let fund = |id: &str, scheme: &str, purposes: &[&str]| {
        json!({ "defineFund": { "fundId": id, "name": "n", "family": "FUND_FAMILY_SPECIAL", "purposes": purposes,
            "scheme": format!("FUND_SCHEME_{scheme}"), "legalBasis": "自然灾害救助条例" } })
    };
    let refused = world.refuse(&on("2026-08-01", "f-0", fund("RL", "RELIEF", &[]))).await;
    assert_eq!(
        (refused.reason.as_str(), refused.facts.as_str()),
        ("FIELD_INVALID", "field=commands[0].define_fund.purposes")
    );
    world.accept(&on("2026-08-01", "f-1", fund("RL", "RELIEF", &["evacuation", "supplies"]))).await;
    world.accept(&on("2026-08-01", "f-2", fund("DN", "DONATION", &[]))).await;
    for (at, (id, fund, kind)) in
        [("r.s", "RL", "SOURCE"), ("r.u", "RL", "UNALLOCATED"), ("d.s", "DN", "SOURCE"), ("d.u", "DN", "UNALLOCATED")]
            .into_iter()
            .enumerate()
    {
        let payload = json!({ "openAccount": { "accountId": id, "fundId": fund, "kind": format!("ACCOUNT_KIND_AUTHORITY_{kind}") } });
        world.accept(&on("2026-08-01", &format!("a-{at}"), payload)).await;
    }
    let issue = |lot: &str, to: &str, purposes: &[&str]| {
        json!({ "issueBudget": { "lotId": lot, "toAccountId": to, "amountMinor": 5, "issuerId": "emergency", "purposes": purposes,
            "documentNumber": lot, "documentSha256": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" } })
    };
    let beyond = world.refuse(&on("2026-08-02", "i-0", issue("L", "r.u", &["supplies", "wages"]))).await;
    assert_eq!((beyond.reason.as_str(), beyond.facts.contains("purpose=wages")), ("PURPOSE_NOT_ALLOWED", true));
    world.accept(&on("2026-08-02", "i-1", issue("L", "r.u", &["supplies"]))).await;
    // A donation says what it is for.
    let unbound = world.refuse(&on("2026-08-02", "i-2", issue("D", "d.u", &[]))).await;
    assert_eq!((unbound.reason.as_str(), unbound.facts.contains("missing=purposes")), ("PURPOSE_NOT_ALLOWED", true));
    world.accept(&on("2026-08-02", "i-3", issue("D", "d.u", &["school-roof"]))).await;
    world.verify().await;
}
