//! S3 to S7, from the files a user would post. The goldens are compared by label and amount, never by sequence.

use fundledger::pb::v1;
use fundledger::pb::v1::event::Payload;

use crate::world::{World, on, scenario, yuan};
use serde_json::json;

async fn event_of(world: &mut World, name: &str, key: &str) -> v1::Event {
    let lines = scenario(name);
    let line = lines.iter().find(|line| line.get(key).is_some()).unwrap();
    // Posted again, the first receipt comes back.
    let sequence = world.accept(line).await;
    world.event(sequence).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s3_employee_pension() {
    let mut world = World::after("s3-pension").await;
    world
        .balances_are(&[
            ("income", "0.00"),
            ("fiscal", "563,200.00"),
            ("payout", "96,686.69"),
            ("pool", "438,364.00"),
            ("personal.E1", "31,426.00"),
            ("personal.E2", "0.00"),
            ("personal.E3", "70,960.00"),
            ("personal.R1", "119,136.69"),
        ])
        .await;
    let contribution = event_of(&mut world, "s3-pension", "receiveContribution").await;
    let Some(Payload::ContributionReceived(contribution)) = contribution.payload else { panic!("no contribution") };
    let employer: i64 = contribution.lines.iter().map(|line| line.employer_minor).sum();
    let personal: Vec<String> = contribution.lines.iter().map(|line| yuan(line.personal_minor)).collect();
    assert_eq!(
        (yuan(employer), personal),
        ("4,800.00".to_owned(), ["640.00", "800.00", "960.00"].map(String::from).into())
    );
    let interest = event_of(&mut world, "s3-pension", "creditInterest").await;
    let Some(Payload::InterestCredited(interest)) = interest.payload else { panic!("no interest") };
    assert_eq!((interest.lines[0].basis, yuan(interest.lines[0].interest_minor)), (3_000_000, "786.00".to_owned()));
    // The three rejections: what was contributed, and paid, stands; what is not there is not paid.
    let again = on(
        "2026-02-01",
        "again-1",
        json!({ "receiveContribution": {
        "fundId": "EP", "employer": "W1", "year": 2026, "month": 1, "kind": "CONTRIBUTION_KIND_REGULAR",
        "contributions": [{ "person": "E1", "baseMinor": 800_000 }], "amountMinor": 192_000, "bankReference": "again" } }),
    );
    assert_eq!(world.refuse(&again).await.reason, "DUPLICATE_CONTRIBUTION");
    let again = on(
        "2026-02-01",
        "again-2",
        json!({ "payBenefit": {
        "paymentId": "B-R1-2", "fundId": "EP", "person": "R1", "itemCode": "pension", "year": 2026, "month": 1,
        "poolMinor": 245_000 } }),
    );
    assert_eq!(world.refuse(&again).await.reason, "DUPLICATE_BENEFIT");
    let empty = on(
        "2026-03-01",
        "empty",
        json!({ "payBenefit": {
        "paymentId": "B-E2-1", "fundId": "EP", "person": "E2", "itemCode": "account", "year": 2026, "month": 2,
        "personalMinor": 1 } }),
    );
    let refused = world.refuse(&empty).await;
    assert_eq!(refused.reason, "INSUFFICIENT_BALANCE");
    assert!(refused.facts.contains("account=personal.E2 asked_minor=1 available_minor=0"), "{refused:?}");
    // 滞纳金: 7,200.00 at 0.05 % a day, 30 days late.
    let late = on(
        "2026-03-31",
        "late",
        json!({ "receiveContribution": {
        "fundId": "EP", "employer": "W1", "year": 2026, "month": 2, "kind": "CONTRIBUTION_KIND_REGULAR",
        "contributions": [{ "person": "E1", "baseMinor": 800_000 }, { "person": "E2", "baseMinor": 1_000_000 },
            { "person": "E3", "baseMinor": 1_200_000 }],
        "lateDays": 30, "amountMinor": 720_000 + 10_800, "bankReference": "late" } }),
    );
    let sequence = world.accept(&late).await;
    let Some(Payload::ContributionReceived(late)) = world.event(sequence).await.payload else { panic!("no event") };
    assert_eq!(yuan(late.late_fee_minor), "108.00");
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s4_housing_provident_fund() {
    let mut world = World::after("s4-housing").await;
    world
        .balances_are(&[
            ("deposit", "1,606,801.70"),
            ("personal.A", "55,499.60"),
            ("personal.B", "2,000,000.00"),
            ("loans", "499,081.63"),
            ("reserve", "30,230.24"),
            ("management", "7,557.56"),
            ("low-rent", "12,595.93"),
            ("surplus", "0.00"),
        ])
        .await;
    let assets = world.minor("deposit").await + world.minor("loans").await;
    assert_eq!(yuan(assets), "2,105,883.33");
    let interest = event_of(&mut world, "s4-housing", "creditInterest").await;
    let Some(Payload::InterestCredited(interest)) = interest.payload else { panic!("no interest") };
    assert_eq!((interest.lines[0].basis, yuan(interest.lines[0].interest_minor)), (1_679_040_000, "699.60".to_owned()));
    let loan = event_of(&mut world, "s4-housing", "issueLoan").await;
    let Some(Payload::LoanIssued(loan)) = loan.payload else { panic!("no loan") };
    assert_eq!(yuan(loan.instalment_minor), "2,001.70");
    let repaid = event_of(&mut world, "s4-housing", "repayLoan").await;
    let parts: Vec<String> = repaid.legs.iter().skip(1).map(|leg| yuan(-leg.amount_minor)).collect();
    assert_eq!(parts, ["918.37", "1,083.33"]);
    world.verify().await;
}

/// The small deposit of S4, in a fund of its own: one that came in on the 15th, and interest to the fen.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s4_micro_deposit() {
    let mut world = World::new();
    let lines = scenario("s4-housing");
    let is_set_up = |line: &&serde_json::Value| {
        ["setPolicy", "defineFund", "openAccount"].iter().any(|key| line.get(key).is_some())
    };
    for line in lines.iter().filter(is_set_up) {
        world.accept(line).await;
    }
    let deposit = on(
        "2025-07-15",
        "micro-1",
        json!({ "receiveContribution": {
        "fundId": "HPF", "employer": "W1", "year": 2025, "month": 7, "kind": "CONTRIBUTION_KIND_REGULAR",
        "contributions": [{ "person": "B", "personalMinor": 100_001 }], "amountMinor": 100_001, "bankReference": "1" } }),
    );
    world.accept(&deposit).await;
    let income = on(
        "2026-06-01",
        "micro-2",
        json!({ "receiveIncome": { "accountId": "deposit",
        "source": "INCOME_SOURCE_INTEREST", "amountMinor": 5_000, "bankReference": "2" } }),
    );
    world.accept(&income).await;
    let credit = on(
        "2026-06-30",
        "micro-3",
        json!({ "creditInterest": { "fundId": "HPF", "year": 2026,
        "accountIds": ["personal.A", "personal.B"] } }),
    );
    let sequence = world.accept(&credit).await;
    let Some(Payload::InterestCredited(interest)) = world.event(sequence).await.payload else { panic!("no interest") };
    let of_b = interest.lines[1];
    assert_eq!((of_b.basis, yuan(of_b.interest_minor)), (35_100_351, "14.63".to_owned()));
    // A has nothing, and that is on record.
    assert_eq!((interest.lines[0].basis, interest.lines[0].interest_minor), (0, 0));
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s5_non_tax_revenue() {
    let mut world = World::new();
    let mut lines = scenario("s5-nontax");
    let refund = lines.pop().unwrap();
    for line in &lines {
        world.accept(line).await;
    }
    world
        .balances_are(&[
            ("treasury", "3,333.33"),
            ("pending", "0.00"),
            ("province", "666.67"),
            ("city", "1,000.00"),
            ("county", "1,666.66"),
        ])
        .await;
    let sequence = world.accept(&refund).await;
    let refunded: Vec<String> = world
        .event(sequence)
        .await
        .legs
        .iter()
        .filter(|leg| leg.amount_minor > 0)
        .map(|leg| yuan(leg.amount_minor))
        .collect();
    assert_eq!(refunded, ["200.00", "300.00", "500.00"]);
    world
        .balances_are(&[("province", "466.67"), ("city", "700.00"), ("county", "1,166.66"), ("treasury", "2,333.33")])
        .await;
    // A level's share is sent to it.
    let remit = on(
        "2026-04-02",
        "remit",
        json!({ "moveFunds": { "fromAccountId": "treasury", "toAccountId": "province",
        "amountMinor": 46_667, "bankReference": "上解 1" } }),
    );
    world.accept(&remit).await;
    world.balances_are(&[("province", "0.00"), ("treasury", "1,866.66")]).await;
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s6_government_investment() {
    let mut world = World::new();
    let mut returned = 0;
    for line in scenario("s6-investment") {
        let sequence = world.accept(&line).await;
        if line.get("recoverLapsed").is_some() {
            let event = world.event(sequence).await;
            returned += event.legs.iter().map(|leg| leg.amount_minor.max(0)).sum::<i64>() / 2;
        }
        if line["executePayment"]["paymentId"] == "P-1" {
            let draws: Vec<String> =
                world.event(sequence).await.legs.iter().take(2).map(|leg| yuan(leg.amount_minor)).collect();
            assert_eq!(draws, ["3,348,000.00", "2,232,000.00"]);
        }
    }
    assert_eq!(yuan(returned), "1,850,000.00");
    world
        .balances_are(&[
            ("used", "18,150,000.00"),
            ("recalled", "1,850,000.00"),
            ("treasury", "0.00"),
            ("lots", "0.00"),
            ("committed", "0.00"),
        ])
        .await;
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s7_compulsory_education() {
    let mut world = World::after("s7-education").await;
    let due = event_of(&mut world, "s7-education", "determineEntitlement").await;
    let Some(Payload::EntitlementDetermined(due)) = due.payload else { panic!("no entitlement") };
    assert_eq!(yuan(due.head_count * due.standard_minor), "1,062,500.00");
    let shares: Vec<(&str, String)> =
        due.shares.iter().map(|share| (share.recipient.as_str(), yuan(share.amount_minor))).collect();
    let expected = [("central", "531,250.00"), ("province", "318,750.00"), ("county", "212,500.00")];
    assert_eq!(shares, expected.map(|(recipient, amount)| (recipient, amount.to_owned())));
    world.verify().await;
}
