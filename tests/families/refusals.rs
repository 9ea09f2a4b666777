//! What the rules of the families refuse: the reason, and what the refusal says.

use serde_json::{Value, json};

use crate::world::{World, on};

/// A command that must be refused: its date, its payload, the reason, and a part of the facts.
type Row = (&'static str, Value, &'static str, &'static str);

async fn all_refused(world: &mut World, rows: Vec<Row>) {
    for (at, (date, payload, reason, fact)) in rows.into_iter().enumerate() {
        let line = on(date, &format!("refused-{at}"), payload);
        let refused = world.refuse(&line).await;
        assert_eq!(refused.reason, reason, "{line}: {refused:?}");
        assert!(refused.facts.contains(fact), "{line}: {refused:?}");
    }
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_non_tax_revenue() {
    let mut world = World::after("s5-nontax").await;
    let notice = |id: &str, fund: &str, item: &str| json!({ "noticeNontax": { "noticeId": id, "fundId": fund, "payer": "P", "itemCode": item, "amountMinor": 5 } });
    let collect = |id: &str, amount: i64, reference: &str| {
        json!({ "collectNontax": { "noticeId": id, "amountMinor": amount, "bankReference": reference,
            "receiptNumber": "R" } })
    };
    let refund = |amount: i64, payee: &str| {
        json!({ "refundNontax": { "noticeId": "N-1", "amountMinor": amount, "payee": payee, "bankReference": "new",
            "reasonCode": "OVERPAID" } })
    };
    let rows = vec![
        ("2026-04-02", notice("N-1", "NT", "fine"), "NOTICE_EXISTS", "notice=N-1"),
        ("2026-04-02", notice("N-2", "xx", "fine"), "FUND_NOT_FOUND", "fund=xx"),
        ("2026-04-02", notice("N-2", "NT", "rent"), "POLICY_TERM_MISSING", "term=rent"),
        ("2026-04-02", collect("N-9", 1, "new"), "NOTICE_NOT_FOUND", "notice=N-9"),
        ("2026-04-02", collect("N-1", 1, "缴款 1"), "DUPLICATE_BANK_REFERENCE", "缴款 1"),
        ("2026-04-02", collect("N-1", 100_001, "new"), "OVER_NOTICE", "asked_minor=100001 available_minor=100000"),
        ("2026-04-02", json!({ "splitNontax": { "noticeId": "N-1" } }), "NOTHING_TO_MOVE", "notice=N-1"),
        ("2026-04-02", refund(233_334, "某某公司"), "OVER_REFUND", "available_minor=233333"),
        ("2026-04-02", refund(1, "别人"), "REFUND_PARTY_MISMATCH", "notice=N-1"),
        // 坐支: nothing but the levels is paid from what was collected.
        (
            "2026-04-02",
            json!({ "moveFunds": { "fromAccountId": "treasury", "toAccountId": "pending", "amountMinor": 1,
            "bankReference": "new" } }),
            "ACCOUNT_KIND_NOT_ALLOWED",
            "kind=TREASURY",
        ),
        (
            "2026-04-02",
            json!({ "openAccount": { "accountId": "x", "fundId": "NT", "kind": "ACCOUNT_KIND_FUND_LOT" } }),
            "ACCOUNT_KIND_NOT_ALLOWED",
            "family=NONTAX",
        ),
    ];
    all_refused(&mut world, rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_social_insurance() {
    let mut world = World::after("s3-pension").await;
    let fund = |id: &str, family: &str, scheme: &str| {
        json!({ "defineFund": { "fundId": id, "name": "n", "family": format!("FUND_FAMILY_{family}"),
            "scheme": format!("FUND_SCHEME_{scheme}"), "legalBasis": "社会保险法", "policyId": "pension" } })
    };
    world.accept(&on("2026-01-01", "rp-1", fund("RP", "SOCIAL_INSURANCE", "RESIDENT_PENSION"))).await;
    for (at, (name, kind, person)) in [
        ("rp.fiscal", "FISCAL_SPECIAL", ""),
        ("rp.pool", "POOL", ""),
        ("rp.payout", "PAYOUT", ""),
        ("rp.E1", "PERSONAL", "E1"),
    ]
    .into_iter()
    .enumerate()
    {
        let payload = json!({ "openAccount": { "accountId": name, "fundId": "RP",
            "kind": format!("ACCOUNT_KIND_{kind}"), "person": person } });
        world.accept(&on("2026-01-01", &format!("rp-open-{at}"), payload)).await;
    }
    let contribution = |fund: &str, month: i32, person: &str, base: i64, amount: i64| {
        json!({ "receiveContribution": { "fundId": fund, "employer": "W1", "year": 2026, "month": month,
            "kind": "CONTRIBUTION_KIND_REGULAR", "contributions": [{ "person": person, "baseMinor": base }],
            "amountMinor": amount, "bankReference": "new" } })
    };
    let benefit = |id: &str, person: &str, item: &str, month: i32, pool: i64, personal: i64| {
        json!({ "payBenefit": { "paymentId": id, "fundId": "EP", "person": person, "itemCode": item, "year": 2026,
            "month": month, "poolMinor": pool, "personalMinor": personal } })
    };
    let transfer = |wages: i64, amount: i64, account: &str| {
        json!({ "transferRelation": { "fundId": "EP", "person": "E3", "direction": "TRANSFER_DIRECTION_OUT",
            "wageBaseMinor": wages, "amountMinor": amount, "accountId": account, "peerId": "b", "bankReference": "new" } })
    };
    let moved = |from: &str, to: &str| json!({ "moveFunds": { "fromAccountId": from, "toAccountId": to, "amountMinor": 1, "bankReference": "new" } });
    let interest = |year: i32, account: &str| json!({ "creditInterest": { "fundId": "EP", "year": year, "accountIds": [account] } });
    let recovered = |id: &str, amount: i64| {
        json!({ "recoverBenefit": { "paymentId": id, "amountMinor": amount, "bankReference": "new",
            "reasonCode": "RETURNED" } })
    };
    let opened = |id: &str, kind: &str, person: &str| {
        json!({ "openAccount": { "accountId": id, "fundId": "EP", "kind": format!("ACCOUNT_KIND_{kind}"),
            "person": person } })
    };
    let rows = vec![
        ("2026-01-31", fund("F1", "SOCIAL_INSURANCE", "RELIEF"), "FUND_FAMILY_MISMATCH", "scheme=RELIEF"),
        (
            "2026-01-31",
            fund("F1", "HOUSING_PROVIDENT", "WORK_INJURY"),
            "FUND_FAMILY_MISMATCH",
            "family=HOUSING_PROVIDENT",
        ),
        ("2026-01-31", fund("F1", "SPECIAL", "WORK_INJURY"), "FUND_FAMILY_MISMATCH", "family=SPECIAL"),
        // One account a person; none without a person, or for somebody where the kind is nobody's.
        ("2026-01-31", opened("x", "PERSONAL", "E1"), "ACCOUNT_EXISTS", "account=personal.E1"),
        ("2026-01-31", opened("x", "PERSONAL", ""), "ACCOUNT_KIND_NOT_ALLOWED", "kind=PERSONAL"),
        ("2026-01-31", opened("x", "BOND", "E9"), "ACCOUNT_KIND_NOT_ALLOWED", "kind=BOND"),
        // 社会保险法§69: no administrative cost from a social fund; it has no account for any.
        ("2026-01-31", opened("x", "TREASURY", ""), "ACCOUNT_KIND_NOT_ALLOWED", "family=SOCIAL_INSURANCE"),
        ("2026-03-01", contribution("EP", 2, "E9", 1, 1), "ACCOUNT_NOT_FOUND", "kind=PERSONAL"),
        (
            "2026-03-01",
            contribution("EP", 2, "E1", 800_000, 191_999),
            "AMOUNT_MISMATCH",
            "asked_minor=191999 computed_minor=192000",
        ),
        ("2026-03-01", contribution("EP", 1, "E1", 800_000, 192_000), "DUPLICATE_CONTRIBUTION", "period=2026-01"),
        ("2026-03-01", contribution("RP", 1, "E1", 800_000, 192_000), "EXCLUSIVE_SCHEME", "other_fund=EP"),
        ("2026-03-01", benefit("B-1", "R1", "rent", 2, 1, 0), "REASON_NOT_ALLOWED", "item=rent"),
        ("2026-03-01", benefit("B-1", "R1", "basic", 2, 0, 1), "ACCOUNT_KIND_NOT_ALLOWED", "kind=PERSONAL"),
        ("2026-03-01", benefit("B-1", "R1", "account", 2, 1, 0), "ACCOUNT_KIND_NOT_ALLOWED", "kind=POOL"),
        ("2026-03-01", benefit("B-1", "R1", "pension", 2, 999_999, 2), "OVER_STANDARD", "available_minor=1000000"),
        ("2026-03-01", benefit("B-R1-1", "R1", "pension", 2, 1, 0), "PAYMENT_EXISTS", "payment=B-R1-1"),
        ("2026-03-01", benefit("B-1", "R2", "pension", 2, 1, 0), "INELIGIBLE", "effective_on=2025-12-20 fact=DEATH"),
        // What was recovered frees the month; death still bars it.
        ("2026-03-01", benefit("B-1", "R2", "basic", 1, 1, 0), "INELIGIBLE", "period=2026-01"),
        ("2026-03-01", recovered("B-9", 1), "PAYMENT_NOT_FOUND", "payment=B-9"),
        ("2026-03-01", recovered("B-R2-1", 1), "OVER_REFUND", "available_minor=0"),
        ("2026-03-01", recovered("B-R1-1", 331_332), "OVER_REFUND", "available_minor=331331"),
        ("2026-03-01", transfer(0, 1, "fiscal"), "AMOUNT_MISMATCH", "computed_minor=7096000"),
        ("2026-03-01", transfer(0, 7_096_000, "pool"), "ACCOUNT_KIND_NOT_ALLOWED", "allowed=FISCAL_SPECIAL,PAYOUT"),
        ("2026-03-01", transfer(0, 7_096_000, "rp.fiscal"), "FUND_MIXED", "other_account=rp.fiscal"),
        // 收支两条线: what came in is not paid out of the same account, and nothing goes back into it.
        ("2026-03-01", moved("income", "payout"), "ACCOUNT_KIND_NOT_ALLOWED", "kind=INCOME"),
        ("2026-03-01", moved("fiscal", "income"), "ACCOUNT_KIND_NOT_ALLOWED", "other_kind=INCOME"),
        ("2026-03-01", moved("fiscal", "pool"), "ACCOUNT_KIND_NOT_ALLOWED", "other_kind=POOL"),
        ("2026-03-01", moved("fiscal", "rp.fiscal"), "FUND_MIXED", "account=fiscal"),
        ("2026-12-31", interest(2026, "personal.E1"), "INTEREST_CREDITED", "year=2026"),
        ("2026-12-30", interest(2026, "personal.E3"), "YEAR_NOT_ENDED", "last_day=2026-12-31"),
        ("2027-12-31", interest(2025, "personal.E1"), "INTEREST_CREDITED", "year=2025"),
        ("2026-12-31", interest(2026, "pool"), "ACCOUNT_KIND_NOT_ALLOWED", "kind=POOL"),
        ("2026-12-31", interest(2026, "rp.E1"), "FUND_MIXED", "account=rp.E1"),
        (
            "2026-03-01",
            json!({ "closeAccount": { "accountId": "personal.E1" } }),
            "ACCOUNT_NOT_EMPTY",
            "balance_minor=",
        ),
        (
            "2026-03-01",
            json!({ "receiveIncome": { "accountId": "income", "source": "INCOME_SOURCE_INTEREST",
            "amountMinor": 1, "bankReference": "new" } }),
            "ACCOUNT_KIND_NOT_ALLOWED",
            "kind=INCOME",
        ),
        (
            "2026-03-01",
            json!({ "noticeNontax": { "noticeId": "N", "fundId": "EP", "payer": "P", "itemCode": "i",
            "amountMinor": 1 } }),
            "FUND_FAMILY_MISMATCH",
            "allowed=NONTAX",
        ),
    ];
    all_refused(&mut world, rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_the_housing_provident_fund() {
    let mut world = World::after("s4-housing").await;
    for (at, (name, kind)) in
        [("bonds", "BOND"), ("surplus-deposit", "HOUSING_SURPLUS_DEPOSIT")].into_iter().enumerate()
    {
        let payload =
            json!({ "openAccount": { "accountId": name, "fundId": "HPF", "kind": format!("ACCOUNT_KIND_{kind}") } });
        world.accept(&on("2026-08-02", &format!("open-{at}"), payload)).await;
    }
    let withdraw = |id: &str, reason: &str, amount: i64| {
        json!({ "withdrawHousing": { "paymentId": id, "fundId": "HPF", "person": "A", "reasonCode": reason,
            "amountMinor": amount, "evidenceSha256": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" } })
    };
    let repay = |loan: &str, month: i32, amount: i64| {
        json!({ "repayLoan": { "loanId": loan, "year": 2026, "month": month, "amountMinor": amount,
            "bankReference": "new" } })
    };
    let rows = vec![
        ("2026-08-03", withdraw("W-1", "HOLIDAY", 1), "REASON_NOT_ALLOWED", "reason_code=HOLIDAY"),
        ("2026-08-03", withdraw("W-A-1", "RENT", 1), "PAYMENT_EXISTS", "payment=W-A-1"),
        ("2026-08-03", withdraw("W-1", "RENT", 5_549_961), "INSUFFICIENT_BALANCE", "available_minor=5549960"),
        (
            "2026-08-03",
            json!({ "issueLoan": { "loanId": "L-A-1", "fundId": "HPF", "person": "A", "amountMinor": 1,
            "months": 1 } }),
            "LOAN_EXISTS",
            "loan=L-A-1",
        ),
        ("2026-08-03", repay("L-9", 9, 1), "LOAN_NOT_FOUND", "loan=L-9"),
        ("2026-08-03", repay("L-A-1", 8, 200_170), "PERIOD_OUT_OF_ORDER", "next_period=2026-09"),
        ("2026-09-01", repay("L-A-1", 9, 108_134), "REPAYMENT_OUT_OF_RANGE", "interest_minor=108134"),
        ("2026-09-01", repay("L-A-1", 9, 50_016_298), "REPAYMENT_OUT_OF_RANGE", "available_minor=50016297"),
        (
            "2026-08-03",
            json!({ "distributeSurplus": { "fundId": "HPF", "amountMinor": 1, "documentNumber": "d" } }),
            "INSUFFICIENT_BALANCE",
            "account=surplus",
        ),
        // Bonds only as the committee decided.
        (
            "2026-08-03",
            json!({ "moveFunds": { "fromAccountId": "deposit", "toAccountId": "bonds", "amountMinor": 1,
            "bankReference": "new" } }),
            "APPROVAL_MISSING",
            "missing=document_number",
        ),
        (
            "2026-08-03",
            json!({ "receiveIncome": { "accountId": "deposit", "source": "INCOME_SOURCE_SUBSIDY",
            "amountMinor": 1, "bankReference": "new", "documentNumber": "d" } }),
            "FUND_FAMILY_MISMATCH",
            "allowed=SOCIAL_INSURANCE",
        ),
        (
            "2026-08-03",
            json!({ "receiveContribution": { "fundId": "HPF", "employer": "W1", "year": 2026, "month": 8,
            "kind": "CONTRIBUTION_KIND_REGULAR", "contributions": [{ "person": "A", "personalMinor": 1 }],
            "lateDays": 1, "amountMinor": 1, "bankReference": "new" } }),
            "FUND_FAMILY_MISMATCH",
            "allowed=SOCIAL_INSURANCE",
        ),
        (
            "2026-08-03",
            json!({ "payBenefit": { "paymentId": "B", "fundId": "HPF", "person": "A", "itemCode": "i",
            "year": 2026, "month": 8, "poolMinor": 1 } }),
            "FUND_FAMILY_MISMATCH",
            "allowed=SOCIAL_INSURANCE",
        ),
        ("2026-08-03", json!({ "closeAccount": { "accountId": "no-such" } }), "ACCOUNT_NOT_FOUND", "account=no-such"),
    ];
    all_refused(&mut world, rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_projects_and_entitlements() {
    let mut world = World::after("s6-investment").await;
    let supplement = |amount: i64| {
        json!({ "adjustBudget": { "kind": "ADJUSTMENT_KIND_SUPPLEMENT", "lotId": "GENERAL", "toAccountId": "unallocated",
            "amountMinor": amount, "issuerId": "city", "documentNumber": format!("追加 {amount}") } })
    };
    world.accept(&on("2027-12-31", "more-1", supplement(200_000_000))).await;
    world
        .accept(&on(
            "2027-12-31",
            "more-2",
            json!({ "allocateBudget": { "movement": { "fromAccountId": "unallocated",
            "toAccountId": "unit", "amountMinor": 200_000_000 } } }),
        ))
        .await;
    world
        .accept(&on(
            "2027-12-31",
            "more-3",
            json!({ "receiveCash": { "lotId": "GENERAL", "amountMinor": 200_000_000,
            "bankReference": "more" } }),
        ))
        .await;
    let pay = |amount: i64, project: &str| {
        json!({ "executePayment": { "paymentId": "X", "fromAccountId": "unit", "amountMinor": amount, "payee": "建工集团",
            "purpose": "construction", "projectId": project, "method": "PAYMENT_METHOD_DIRECT" } })
    };
    let estimate = |fund: &str, amount: i64, document: &str| {
        json!({ "approveEstimate": { "projectId": "school-1", "fundId": fund, "amountMinor": amount,
            "issuerId": "development-commission", "documentNumber": document } })
    };
    let rows = vec![
        // 20,000,000.00 is the estimate, 18,150,000.00 is paid.
        ("2027-12-31", pay(185_000_001, "school-1"), "OVER_ESTIMATE", "available_minor=185000000"),
        ("2027-12-31", pay(1, "school-2"), "OVER_ESTIMATE", "available_minor=0"),
        ("2027-12-31", pay(1, ""), "OVER_ESTIMATE", "available_minor=0"),
        ("2027-12-31", estimate("INV", 1_814_999_999, "new"), "OVER_ESTIMATE", "paid_minor=1815000000"),
        ("2027-12-31", estimate("INV", 1_900_000_000, "发改概算〔2026〕5号"), "DUPLICATE_DOCUMENT", "发改概算"),
        (
            "2027-12-31",
            json!({ "determineEntitlement": { "fundId": "INV", "unitId": "u", "itemCode": "per-pupil",
            "year": 2026, "month": 3, "headCount": 1, "standardMinor": 1 } }),
            "POLICY_TERM_MISSING",
            "term=per-pupil",
        ),
    ];
    all_refused(&mut world, rows).await;
    // Within the estimate it is paid; what is reversed counts no more.
    let sequence = world.accept(&on("2027-12-31", "paid", pay(185_000_000, "school-1"))).await;
    let mut other = pay(1, "school-1");
    other["executePayment"]["paymentId"] = json!("Y");
    assert_eq!(world.refuse(&on("2027-12-31", "over", other.clone())).await.reason, "OVER_ESTIMATE");
    world
        .accept(&on(
            "2027-12-31",
            "undone",
            json!({ "reverseEvent": { "originalSequence": sequence,
            "reasonCode": "WRONG_AMOUNT" } }),
        ))
        .await;
    world.accept(&on("2027-12-31", "again", other)).await;
    let mut world = World::after("s7-education").await;
    let again = json!({ "determineEntitlement": { "fundId": "EDU", "unitId": "school-1", "itemCode": "per-pupil",
        "year": 2026, "month": 3, "headCount": 1, "standardMinor": 1 } });
    assert_eq!(world.refuse(&on("2026-02-16", "again", again)).await.reason, "DUPLICATE_CONTRIBUTION");
    let wide = json!({ "determineEntitlement": { "fundId": "EDU", "unitId": "school-1", "itemCode": "per-pupil",
        "year": 2026, "month": 4, "headCount": 1_000_000_000, "standardMinor": 9_007_200 } });
    assert_eq!(world.refuse(&on("2026-02-16", "wide", wide)).await.reason, "AMOUNT_OVERFLOW");
}
