//! A fund's profile: whom it may pay, how long its money lasts, and the marks of directly-allocated money.

use fundledger::pb::v1;
use serde_json::{Value, json};

use crate::server::run;
use crate::world::{World, on};

const DIGEST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

pub(crate) fn fund(profile: &Value) -> Vec<Value> {
    let accounts = [
        ("source", "AUTHORITY_SOURCE", ""),
        ("unallocated", "AUTHORITY_UNALLOCATED", ""),
        ("unit", "AUTHORITY_UNIT", "bureau"),
        ("used", "AUTHORITY_USED", "bureau"),
        ("carry", "AUTHORITY_CARRY", ""),
        ("recalled", "AUTHORITY_RECALLED", ""),
        ("treasury", "TREASURY", ""),
        ("fund", "FUND_LOT", ""),
        ("clearing", "CLEARING", ""),
    ];
    let policy = json!({ "setPolicy": { "policyId": "direct", "version": 1, "documentSha256": DIGEST,
        "effectiveFrom": { "year": 2026, "month": 1, "day": 1 }, "planStep": "PLAN_STEP_OPTIONAL",
        "terms": { "items": [{ "code": "subsidy" }] } } });
    let fund = json!({ "defineFund": { "fundId": "DF", "name": "直达资金", "family": "FUND_FAMILY_SPECIAL",
        "policyId": "direct", "legalBasis": "财办〔2021〕1号", "profile": profile } });
    let account = |(id, kind, unit): (&str, &str, &str)| {
        json!({ "openAccount": { "accountId": id, "fundId": "DF", "kind": format!("ACCOUNT_KIND_{kind}"),
            "unitId": unit } })
    };
    let set_up = [policy, fund].into_iter().chain(accounts.map(account));
    set_up.enumerate().map(|(at, payload)| on("2026-01-05", &format!("set-up-{at}"), payload)).collect()
}

pub(crate) fn issue(date: &str, lot: &str, expires_on: Option<[i32; 3]>) -> Value {
    let mut issue = json!({ "issueBudget": { "lotId": lot, "toAccountId": "unallocated", "amountMinor": 1_000,
        "issuerId": "province", "documentNumber": lot, "documentSha256": DIGEST } });
    if let Some([year, month, day]) = expires_on {
        issue["issueBudget"]["expiresOn"] = json!({ "year": year, "month": month, "day": day });
    }
    on(date, &format!("issue-{lot}"), issue)
}

/// What it takes before a lot can be spent.
pub(crate) fn provide(date: &str, lot: &str) -> Vec<Value> {
    let draws = json!([{ "lotId": lot, "amountMinor": 1_000 }]);
    vec![
        on(
            date,
            &format!("cash-{lot}"),
            json!({ "receiveCash": { "lotId": lot, "amountMinor": 1_000, "bankReference": format!("in-{lot}") } }),
        ),
        on(
            date,
            &format!("allocate-{lot}"),
            json!({ "allocateBudget": { "movement": { "fromAccountId": "unallocated", "toAccountId": "unit",
                "amountMinor": 1_000, "draws": draws } } }),
        ),
    ]
}

pub(crate) fn pay(id: &str, kind: &str) -> Value {
    let mut payment = json!({ "executePayment": { "paymentId": id, "fromAccountId": "unit", "amountMinor": 10,
        "payee": "收款人", "purpose": "subsidy", "method": "PAYMENT_METHOD_DIRECT" } });
    if !kind.is_empty() {
        payment["executePayment"]["recipientKind"] = json!(format!("RECIPIENT_KIND_{kind}"));
    }
    on("2026-03-01", id, payment)
}

fn carry(date: &str, key: &str, lot: &str, year: i32) -> Value {
    on(date, key, json!({ "carryForward": { "lotId": lot, "year": year } }))
}

fn recall(date: &str, key: &str, lot: &str) -> Value {
    on(date, key, json!({ "recoverLapsed": { "lotId": lot, "legalBasis": "预算法§42" } }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn money_goes_to_those_whom_the_fund_is_for() {
    let mut world = World::new();
    let kinds = json!({ "recipientKinds": ["RECIPIENT_KIND_PERSON", "RECIPIENT_KIND_ENTERPRISE"] });
    world.accept_all(&fund(&kinds)).await;
    world.accept(&issue("2026-01-06", "L", None)).await;
    world.accept_all(&provide("2026-01-06", "L")).await;
    for (id, kind) in [("nobody", ""), ("office", "PUBLIC_INSTITUTION"), ("village", "SOCIAL_ORGANIZATION")] {
        let refused = world.refuse(&pay(id, kind)).await;
        let said = if kind.is_empty() { "UNSPECIFIED" } else { kind };
        assert_eq!(refused.reason, "OUT_OF_SCOPE");
        assert!(refused.facts.starts_with(&format!("fund=DF recipient_kind={said} ")), "{refused:?}");
    }
    world.accept(&pay("firm", "ENTERPRISE")).await;
    // A payout is to a person without saying so, and to nothing else.
    let payout = json!({ "itemCode": "subsidy", "period": 202_603 });
    let mut to_person = pay("person", "");
    to_person["executePayment"]["payout"] = payout.clone();
    world.accept(&to_person).await;
    let mut to_firm = pay("false", "ENTERPRISE");
    to_firm["executePayment"]["payout"] = payout;
    let refused = world.refuse(&to_firm).await;
    assert_eq!(refused.reason, "FIELD_INVALID");
    assert!(refused.facts.contains("execute_payment.recipient_kind"), "{refused:?}");
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn money_of_the_year_ends_with_it() {
    let mut world = World::new();
    world.accept_all(&fund(&json!({ "carryRule": "CARRY_RULE_YEAR_END" }))).await;
    let refused = world.refuse(&issue("2026-01-06", "LONG", Some([2027, 1, 1]))).await;
    assert_eq!(refused.reason, "CARRY_NOT_ALLOWED");
    assert!(refused.facts.starts_with("carry_rule=YEAR_END fund=DF last_day=2026-12-31 lot=LONG "), "{refused:?}");
    // Nothing said: the last day of the year. An earlier one stays.
    let sequence = world.accept(&issue("2026-01-06", "L", None)).await;
    let Some(v1::event::Payload::BudgetIssued(issued)) = world.event(sequence).await.payload else {
        panic!("no appropriation");
    };
    assert_eq!(issued.lot.unwrap().expires_day, 20_818, "2026-12-31");
    world.accept(&issue("2026-01-06", "SHORT", Some([2026, 6, 30]))).await;
    world.accept_all(&provide("2026-01-06", "L")).await;
    let refused = world.refuse(&carry("2026-12-31", "carry", "L", 2026)).await;
    assert_eq!(refused.reason, "CARRY_NOT_ALLOWED");
    assert!(refused.facts.starts_with("carry_rule=YEAR_END fund=DF lot=L "), "{refused:?}");
    assert_eq!(world.refuse(&recall("2026-12-30", "early", "L")).await.reason, "LOT_NOT_LAPSED");
    world.accept(&recall("2026-12-31", "recall", "L")).await;
    world.balances_are(&[("unit", "0.00"), ("recalled", "10.00"), ("treasury", "0.00")]).await;
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn money_that_lasts_until_it_is_spent_never_lapses_by_itself() {
    for (rule, lapses) in [("UNTIL_SPENT", false), ("TWO_YEARS", true), ("UNSPECIFIED", true)] {
        let mut world = World::new();
        world.accept_all(&fund(&json!({ "carryRule": format!("CARRY_RULE_{rule}") }))).await;
        world.accept(&issue("2026-01-06", "L", None)).await;
        world.accept_all(&provide("2026-01-06", "L")).await;
        world.accept(&carry("2026-12-31", "carry", "L", 2026)).await;
        if lapses {
            world.accept(&recall("2027-12-31", "recall", "L")).await;
        } else {
            assert_eq!(world.refuse(&recall("2029-12-31", "recall", "L")).await.reason, "LOT_NOT_LAPSED");
        }
        world.verify().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_profile_stands_in_the_chain_and_belongs_to_the_command() {
    let profile = json!({ "level": "GOVERNMENT_LEVEL_COUNTY", "regionCode": "330102",
        "recipientKinds": ["RECIPIENT_KIND_PERSON"], "carryRule": "CARRY_RULE_UNTIL_SPENT", "directlyAllocated": true,
        "subsidizesRecipients": true, "includesMatching": true });
    let mut world = World::new();
    world.accept_all(&fund(&profile)).await;
    let Some(v1::event::Payload::FundDefined(defined)) = world.event(2).await.payload else {
        panic!("no fund");
    };
    let said = v1::DefineFund { profile: defined.profile, ..Default::default() };
    let asked = crate::world::command(&fund(&profile)[1]);
    let Some(v1::command::Payload::DefineFund(asked)) = asked.payload else { panic!("no fund") };
    assert_eq!(said.profile, asked.profile);
    // The same key with another mark is another command.
    let mut other = fund(&profile)[1].clone();
    for (field, value) in [
        ("level", json!("GOVERNMENT_LEVEL_TOWNSHIP")),
        ("regionCode", json!("330103")),
        ("recipientKinds", json!([])),
        ("carryRule", json!("CARRY_RULE_TWO_YEARS")),
        ("directlyAllocated", json!(false)),
        ("subsidizesRecipients", json!(false)),
        ("includesMatching", json!(false)),
    ] {
        let kept = other["defineFund"]["profile"][field].take();
        other["defineFund"]["profile"][field] = value;
        assert_eq!(world.refuse(&other).await.reason, "IDEMPOTENCY_KEY_REUSED", "{field}");
        other["defineFund"]["profile"][field] = kept;
    }
    let twice = json!({ "recipientKinds": ["RECIPIENT_KIND_PERSON", "RECIPIENT_KIND_PERSON"] });
    let mut line = fund(&twice)[1].clone();
    line["requestId"] = json!("twice");
    let refused = world.refuse(&line).await;
    assert!(refused.facts.contains("define_fund.profile.recipient_kinds[1]"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn funds_are_listed_by_their_marks() {
    let mut world = World::new();
    let direct = json!({ "level": "GOVERNMENT_LEVEL_COUNTY", "regionCode": "330102", "directlyAllocated": true,
        "recipientKinds": ["RECIPIENT_KIND_PERSON"], "carryRule": "CARRY_RULE_YEAR_END" });
    world.accept_all(&fund(&direct)).await;
    let own = json!({ "defineFund": { "fundId": "OWN", "name": "本级资金", "family": "FUND_FAMILY_DEPARTMENT_BUDGET",
        "legalBasis": "预算法", "profile": { "level": "GOVERNMENT_LEVEL_COUNTY" } } });
    world.accept(&on("2026-01-05", "own", own)).await;
    let bare = json!({ "defineFund": { "fundId": "BARE", "name": "其他", "family": "FUND_FAMILY_SPECIAL",
        "legalBasis": "预算法" } });
    let last = world.accept(&on("2026-01-05", "bare", bare)).await;
    world.seen(last).await;
    // Before and after a restart from snapshots.
    for _ in 0..2 {
        let listed = async |request: v1::ListFundsRequest| {
            let found = world.served.query().await.list_funds(request).await.unwrap().into_inner().funds;
            found.into_iter().map(|fund| fund.fund_id).collect::<Vec<_>>().join(" ")
        };
        let all = v1::ListFundsRequest::default();
        assert_eq!(listed(all.clone()).await, "DF OWN BARE");
        assert_eq!(listed(v1::ListFundsRequest { directly_allocated_only: true, ..all.clone() }).await, "DF");
        assert_eq!(listed(v1::ListFundsRequest { region_code: "330102".to_owned(), ..all.clone() }).await, "DF");
        let county = v1::GovernmentLevel::County.into();
        assert_eq!(listed(v1::ListFundsRequest { level: county, ..all.clone() }).await, "DF OWN");
        let special = v1::FundFamily::Special.into();
        assert_eq!(listed(v1::ListFundsRequest { family: special, page_size: 1, ..all }).await, "DF");
        world.verify().await;
    }
    let url = world.served.url();
    let shown = run(&["funds", "--server", &url, "--direct", "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let expected = "DF,直达资金,SPECIAL,,COUNTY,330102,true,false,false,PERSON,YEAR_END,2";
    assert_eq!(shown.lines().nth(1), Some(expected), "{shown}");
    let shown = run(&["funds", "--server", &url, "--region", "330102", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["funds"][0]["recipient_kinds"], json!(["PERSON"]));
    let shown = run(&["--lang", "zh", "funds", "--server", &url]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("补贴到人到企业"));
}
