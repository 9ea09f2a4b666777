//! Preconditions: a command that rests on what was read is refused when that has changed, and says all that has.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod server;

use fundledger::pb::v1::precondition::Condition;
use fundledger::pb::v1::{self, command::Payload};
use server::{Served, payment, receipt, set_up};
use tonic::Code;
use tonic_types::RpcStatusExt;

fn when(mut command: v1::Command, conditions: Vec<Condition>) -> v1::Command {
    let condition = |condition| v1::Precondition { condition: Some(condition) };
    command.preconditions = conditions.into_iter().map(condition).collect();
    command
}

fn account_at(id: &str, revision: i64) -> Condition {
    Condition::AccountRevision(v1::Revision { id: id.to_owned(), revision })
}

fn fund_at(id: &str, revision: i64) -> Condition {
    Condition::FundRevision(v1::Revision { id: id.to_owned(), revision })
}

fn holds(account_id: &str, lot_id: &str, amount_minor: i64) -> Condition {
    let (account_id, lot_id) = (account_id.to_owned(), lot_id.to_owned());
    Condition::AvailableAtLeast(v1::AvailableAtLeast { account_id, lot_id, amount_minor })
}

async fn post(served: &Served, commands: Vec<v1::Command>) -> Vec<v1::PostResult> {
    let request = v1::PostRequest { commands, ..Default::default() };
    served.ledger().await.post(request).await.unwrap().into_inner().results
}

/// Code, reason and a fact of a refusal.
fn refused(result: &v1::PostResult, fact: &str) -> (Code, String, String) {
    let Some(v1::post_result::Outcome::Error(status)) = &result.outcome else { panic!("not refused: {result:?}") };
    let info = status.get_details_error_info().unwrap();
    (status.code.into(), info.reason, info.metadata.get(fact).cloned().unwrap_or_default())
}

async fn balance(served: &Served, account_id: &str, as_of_sequence: Option<i64>) -> v1::Balance {
    let request = v1::GetBalanceRequest { account_id: account_id.to_owned(), as_of_sequence, ..Default::default() };
    served.query().await.get_balance(request).await.unwrap().into_inner().balance.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_read_still_holds_or_everything_that_does_not_is_told() {
    let served = Served::new();
    served.accept(set_up()).await;
    let first = served.accept(vec![payment("p-0")]).await[0].sequence;
    let event = served.query().await.get_event(v1::GetEventRequest { sequence: first }).await.unwrap().into_inner();
    let moved: Vec<(String, String)> =
        event.record.unwrap().legs.into_iter().map(|leg| (leg.account_id, leg.lot_id)).collect();
    let Some(Payload::ExecutePayment(order)) = payment("p-0").payload else { panic!("no payment") };
    let account = order.from_account_id;
    let lot = &moved.iter().find(|(id, _)| *id == account).unwrap().1;
    let read = loop {
        let read = balance(&served, &account, None).await;
        if read.revision == Some(first) {
            break read;
        }
    };
    assert_eq!(balance(&served, &account, Some(first)).await.revision, None, "the past has no revision that lasts");
    let fund = read.fund_id.clone();

    // What was read holds: it is posted. Sent again it is replayed, although it holds no longer.
    let all = vec![
        account_at(&account, first),
        fund_at(&fund, first),
        Condition::HeadSequence(first),
        holds(&account, lot, read.amount_minor),
        holds(&account, "", read.amount_minor),
    ];
    let command = when(payment("p-1"), all.clone());
    let posted = receipt(post(&served, vec![command.clone()]).await.remove(0));
    let again = receipt(post(&served, vec![command.clone()]).await.remove(0));
    assert_eq!(again, v1::Receipt { replayed: true, ..posted.clone() });

    // Another command on the same reading is refused, with everything that has changed; and so it stays.
    let stale = when(payment("p-2"), all.clone());
    let results = post(&served, vec![stale.clone(), stale]).await;
    let (code, reason, unmet) = refused(&results[0], "unmet");
    assert_eq!((code, reason.as_str()), (Code::Aborted, "REVISION_MISMATCH"));
    let now = posted.sequence;
    let left = read.amount_minor - order.amount_minor;
    let expected = [
        format!("account_revision {account} expected={first} actual={now}"),
        format!("fund_revision {fund} expected={first} actual={now}"),
        format!("head_sequence log expected={first} actual={now}"),
        format!("available_at_least {account}/{lot} expected={} actual={left}", read.amount_minor),
        format!("available_at_least {account} expected={} actual={left}", read.amount_minor),
    ];
    assert_eq!(unmet, expected.join("; "));
    assert_eq!(refused(&results[1], "replayed").2, "true");

    // A balance alone; commands of one request see each other; conditions belong to what a key stands for.
    let (code, reason, _) = refused(&post(&served, vec![when(payment("p-3"), vec![all[3].clone()])]).await[0], "unmet");
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "CONDITION_NOT_MET"));
    let head = served.accept(vec![payment("p-4")]).await[0].sequence;
    let at_head = |key: &str| when(payment(key), vec![Condition::HeadSequence(head)]);
    let results = post(&served, vec![at_head("p-5"), at_head("p-6")]).await;
    receipt(results[0].clone());
    assert_eq!(refused(&results[1], "unmet").1, "REVISION_MISMATCH");
    let other = refused(&post(&served, vec![payment("p-5")]).await[0], "first_different_field");
    assert_eq!((other.1.as_str(), other.2.as_str()), ("IDEMPOTENCY_KEY_REUSED", "payload"));

    // Names that do not exist, and what is no condition.
    for (condition, reason) in [
        (account_at("nobody", 0), "ACCOUNT_NOT_FOUND"),
        (fund_at("nobody", 0), "FUND_NOT_FOUND"),
        (holds(&account, "nobody", 1), "LOT_NOT_FOUND"),
    ] {
        let key = format!("unknown-{reason}");
        assert_eq!(refused(&post(&served, vec![when(payment(&key), vec![condition])]).await[0], "").1, reason);
    }
    for (conditions, reason) in [
        (vec![account_at("", 0)], "FIELD_INVALID"),
        (vec![account_at(&account, -1)], "FIELD_INVALID"),
        (vec![Condition::HeadSequence(-1)], "FIELD_INVALID"),
        (vec![holds(&account, "", 0)], "AMOUNT_INVALID"),
        (vec![Condition::HeadSequence(1); 17], "FIELD_INVALID"),
    ] {
        assert_eq!(refused(&post(&served, vec![when(payment("bad"), conditions)]).await[0], "").1, reason);
    }
    let mut empty = payment("bad");
    empty.preconditions = vec![v1::Precondition { condition: None }];
    assert_eq!(refused(&post(&served, vec![empty]).await[0], "field").2, "commands[0].preconditions[0]");
}
