//! Receipt codes of what persons get: what each says, and what became of it since.

use fundledger::pb::v1;
use fundledger::pb::v1::event::Payload;
use serde_json::{Value, json};

use crate::complaints::paid;
use crate::server::run;
use crate::world::{World, on};

/// The code of an entry, from the running server, and what the stopped ledger says of it.
fn answered(world: &mut World, sequence: i64) -> Value {
    let code = run(&["receipt", "--server", &world.served.url(), "--of", &sequence.to_string()]);
    let code = String::from_utf8(code.stdout).unwrap();
    world.served.stop();
    let data = world.served.data();
    let told = run(&["receipt", code.trim(), data.to_str().unwrap(), "--format", "json"]);
    world.served.start();
    assert!(told.status.success(), "{}", crate::server::errors(&told));
    serde_json::from_slice(&told.stdout).unwrap()
}

fn since(told: &Value) -> Vec<(String, i64)> {
    let after = told["afterwards"].as_array().unwrap().iter();
    after.map(|one| (one["what"].as_str().unwrap().to_owned(), one["amount_minor"].as_i64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_payment_tells_where_it_came_from_and_where_it_went() {
    let (mut world, _, payment) = paid().await;
    let told = answered(&mut world, payment);
    let lots = json!([{ "lot_id": "L-1", "issuer_id": "province", "document_number": "L-1", "amount_minor": 10 }]);
    let payout = &told["payouts"][0];
    assert_eq!((&payout["kind"], &payout["amount_minor"], &payout["lots"]), (&json!("PAYMENT"), &json!(10), &lots));
    assert_eq!(
        (&payout["fund_name"], &payout["unit_id"], &payout["item"]),
        (&json!("直达资金"), &json!("bureau"), &json!("subsidy"))
    );
    assert_eq!((&told["business_date"], &told["approvals"]), (&json!("2026-03-01"), &json!(1)));
    assert!(since(&told).is_empty());
    let complaint = json!({ "fileComplaint": { "complaintId": "C-1", "kind": "late", "paymentId": "V-1",
        "textSha256": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" } });
    let clear = json!({ "clearPayments": { "paymentIds": ["V-1"], "bankReference": "out-1" } });
    let back = json!({ "returnPayment": { "paymentId": "V-1", "amountMinor": 4, "bankReference": "back-1",
        "reasonCode": "ACCOUNT_CLOSED" } });
    for (key, payload) in [("c-1", complaint), ("c-2", clear), ("c-3", back)] {
        world.accept(&on("2026-03-05", key, payload)).await;
    }
    let other = world.accept(&crate::funds::pay("V-2", "")).await;
    let told = answered(&mut world, payment);
    let expected = [("COMPLAINED".to_owned(), 0), ("CLEARED".to_owned(), 0), ("RETURNED".to_owned(), 4)];
    assert_eq!(since(&told), expected);
    let told = answered(&mut world, other);
    assert!(since(&told).is_empty(), "what became of another payment is no matter of this one");
    let reverse = json!({ "reverseEvent": { "originalSequence": other, "reasonCode": "ERROR" } });
    world.accept(&on("2026-03-06", "r-1", reverse)).await;
    assert_eq!(since(&answered(&mut world, other)), [("REVERSED".to_owned(), 10)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_kind_of_payout_has_a_code() {
    let mut kinds = Vec::new();
    for scenario in ["s3-pension", "s4-housing", "s5-nontax"] {
        let mut world = World::after(scenario).await;
        for sequence in 1..=world.last {
            let event = world.event(sequence).await;
            let request = v1::GetReceiptRequest { request_id: event.request_id };
            let receipt = world.served.ledger().await.get_receipt(request).await.unwrap().into_inner();
            let (kind, amount) = match event.payload.unwrap() {
                Payload::BenefitPaid(paid) if paid.payment_id == "B-R2-1" => ("BENEFIT", 280_000),
                Payload::BenefitRecovered(_) => ("RECOVERY", 280_000),
                Payload::HousingWithdrawn(_) => ("WITHDRAWAL", 1_000_000),
                Payload::LoanIssued(_) => ("LOAN", 0),
                Payload::LoanRepaid(_) => ("REPAYMENT", 0),
                Payload::NontaxRefunded(_) => ("REFUND", 0),
                Payload::BenefitPaid(_) => {
                    assert_eq!(receipt.receipt_code.len(), 35);
                    continue;
                }
                other => {
                    assert_eq!(receipt.receipt_code, "", "{other:?} pays nobody");
                    continue;
                }
            };
            if kinds.contains(&kind) {
                continue;
            }
            kinds.push(kind);
            let told = answered(&mut world, sequence);
            assert_eq!(told["payouts"][0]["kind"], kind);
            let told_amount = told["payouts"][0]["amount_minor"].as_i64().unwrap();
            assert!(if amount == 0 { told_amount > 0 } else { told_amount == amount }, "{told}");
            if kind == "BENEFIT" {
                assert_eq!(since(&told), [("RECOVERED".to_owned(), 280_000)]);
            }
            let again = run(&["receipt", "--server", &world.served.url(), "--of", &sequence.to_string()]);
            assert_eq!(String::from_utf8(again.stdout).unwrap().trim(), receipt.receipt_code);
        }
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["BENEFIT", "LOAN", "RECOVERY", "REFUND", "REPAYMENT", "WITHDRAWAL"]);
}
