//! Payments of a class that fails closed: unreleased until witnesses have seen them, whatever is posted at whichever level.

use std::fs;
use std::process::Command;

use fundledger::pb::v1;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::{PolicyTerms, PolicyWitnessing, PostResponse, WaitLevel, WitnessRule, post_result};
use tonic::Code;
use tonic_types::StatusExt;

use crate::report;
use crate::server::{command, errors, output, payment, receipt, run, set_up};
use crate::witnesses::{Watcher, watched};
use crate::world::World;

/// The books, with a policy that holds payments back, or lets them go on with an alarm.
pub(crate) fn set_up_with(rule: WitnessRule, from_amount_minor: i64) -> Vec<v1::Command> {
    let mut commands = set_up();
    let witnessing = Some(PolicyWitnessing { rule: rule.into(), from_amount_minor });
    for command in &mut commands {
        if let Some(Payload::SetPolicy(policy)) = &mut command.payload {
            policy.terms = Some(PolicyTerms { witnessing, ..PolicyTerms::default() });
        }
    }
    commands
}

async fn post(world: &World, commands: Vec<v1::Command>, level: WaitLevel) -> Result<PostResponse, tonic::Status> {
    let mut ledger = LedgerServiceClient::connect(world.url()).await.unwrap();
    let request = v1::PostRequest { commands, wait_level: level.into(), ..v1::PostRequest::default() };
    ledger.post(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn pay(id: &str, amount_minor: i64) -> v1::Command {
    let mut command = payment(id);
    if let Some(Payload::ExecutePayment(payment)) = &mut command.payload {
        payment.amount_minor = amount_minor;
    }
    command
}

fn clear(id: &str) -> v1::Command {
    let payload = v1::ClearPayments { payment_ids: vec![id.to_owned()], bank_reference: format!("bank {id}") };
    let mut command = command(&format!("clear {id}").replace(' ', "-"), Payload::ClearPayments(Box::new(payload)));
    command.checkers.clear();
    command
}

fn reason(answer: &PostResponse) -> String {
    let Some(post_result::Outcome::Error(status)) = &answer.results[0].outcome else { panic!("{answer:?}") };
    let status = tonic::Status::with_details(Code::from(status.code), status.message.clone(), {
        use prost::Message;
        tonic_types::Status { code: status.code, message: status.message.clone(), details: status.details.clone() }
            .encode_to_vec()
            .into()
    });
    status.get_details_error_info().unwrap().reason
}

pub(crate) async fn is_unreleased(world: &World, key: &str) -> bool {
    let mut ledger = LedgerServiceClient::connect(world.url()).await.unwrap();
    let request = v1::GetReceiptRequest { request_id: key.to_owned() };
    receipt(ledger.get_receipt(request).await.unwrap().into_inner().result.unwrap()).unreleased
}

fn signal(watcher: &Watcher, name: &str) {
    assert!(output(Command::new("kill").args([name, &watcher.pid().to_string()])).unwrap().status.success());
}

/// While the witness stands still a payment waits: it is on disk, it says so to whoever asks again, and it cannot be cleared.
/// Then it is released, and everybody can check why.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_held_payment_waits_for_witnesses() {
    let (mut world, watchers) = watched(&["congress"], 1);
    world.post(set_up_with(WitnessRule::Hold, 1_000)).await;
    signal(&watchers[0], "-STOP");
    let held = world.post(vec![pay("small", 999), pay("held", 1_000), pay("undone", 1_000)]).await;
    assert_eq!(held.iter().map(|receipt| receipt.unreleased).collect::<Vec<_>>(), [false, true, true]);
    let again = world.post(vec![pay("held", 1_000)]).await;
    assert!(again[0].replayed && again[0].unreleased, "a retry changes nothing");
    world.post(vec![clear("small")]).await;
    let refused = post(&world, vec![clear("held")], WaitLevel::Durable).await.unwrap();
    assert_eq!(reason(&refused), "PAYMENT_UNRELEASED");
    let undo = v1::ReverseEvent {
        original_sequence: held[2].sequence,
        reason_code: "WRONG".to_owned(),
        ..v1::ReverseEvent::default()
    };
    world.post(vec![command("undo", Payload::ReverseEvent(Box::new(undo)))]).await;
    assert!(is_unreleased(&world, "held").await && !is_unreleased(&world, "undone").await);
    signal(&watchers[0], "-CONT");
    // Under the same key, at another level: the same event, and now witnesses have seen it.
    let seen = post(&world, vec![pay("held", 1_000)], WaitLevel::Witnessed).await.unwrap();
    assert_eq!(seen.reached_level(), WaitLevel::Witnessed);
    assert!(world.believed(&seen.witnessed_checkpoint).size > u64::try_from(held[1].sequence).unwrap());
    assert_eq!(receipt(seen.results[0].clone()).sequence, held[1].sequence);
    while is_unreleased(&world, "held").await {
        tokio::task::yield_now().await;
    }
    // A refusal is for ever under its key.
    let mut cleared = clear("held");
    cleared.request_id = "clear-again".to_owned();
    world.post(vec![cleared]).await;
    let policy = world.policy.clone().unwrap();
    world.stop();
    let data = world.data();
    let data = data.to_str().unwrap();
    for arguments in
        [&[data, "--deep", "--policy", &policy][..], &[data, "--deep", "--key", &world.key, "--allow-unanchored"]]
    {
        let (code, verified) = report(arguments);
        assert_eq!((code, &verified["verdict"]), (Some(0), &"verified".into()), "{verified:#}");
    }
    // An auditor who asks for other witnesses does not believe the release.
    let stranger = World::new();
    let other = Watcher::new(&stranger, "province");
    let strange = world.path("strange");
    fs::write(&strange, format!("log {}\n{}quorum province\n", world.key, other.line())).unwrap();
    let (code, doubted) = report(&[data, "--deep", "--policy", &strange]);
    let kinds: Vec<&str> =
        doubted["faults"].as_array().unwrap().iter().filter_map(|fault| fault["kind"].as_str()).collect();
    assert_eq!((code, kinds.contains(&"release")), (Some(1), true), "{doubted:#}");
}

/// A start after a crash releases what was cosigned and not released; a ledger without witnesses refuses to wait for any.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_witnesses_nothing_is_released() {
    let mut world = World::new();
    world.post(set_up_with(WitnessRule::Hold, 0)).await;
    assert!(world.post(vec![pay("held", 1)]).await[0].unreleased);
    let refused = post(&world, vec![pay("other", 1)], WaitLevel::Witnessed).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.get_details_error_info().unwrap().reason.as_str()),
        (Code::FailedPrecondition, "NO_WITNESSES")
    );
    let invalid = v1::PostRequest { commands: vec![pay("other", 1)], wait_level: 9, ..v1::PostRequest::default() };
    let mut ledger = LedgerServiceClient::connect(world.url()).await.unwrap();
    assert_eq!(ledger.post(invalid).await.unwrap_err().code(), Code::InvalidArgument);
    world.stop();
    let watcher = Watcher::new(&world, "congress");
    let policy = world.path("policy");
    fs::write(&policy, format!("log {}\n{}quorum congress\n", world.key, watcher.line())).unwrap();
    world.policy = Some(policy);
    // From the snapshot: what waited is remembered.
    world.start();
    while is_unreleased(&world, "held").await {
        tokio::task::yield_now().await;
    }
}

/// The command line waits, and says what is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_command_line_waits_for_witnesses() {
    let (world, watchers) = watched(&["congress"], 1);
    world.post(set_up_with(WitnessRule::Hold, 0)).await;
    let file = world.path("payments.jsonl");
    let line = |id: &str| {
        format!(
            r#"{{"requestId":"{id}","businessDate":{{"year":2026,"month":6,"day":15}},"actor":"maker-1","checkers":["checker-1"],"executePayment":{{"paymentId":"{id}","fromAccountId":"U.unit","amountMinor":"1","payee":"Supplier Ltd","purpose":"goods","method":"PAYMENT_METHOD_DIRECT"}}}}"#
        )
    };
    fs::write(&file, line("one") + "\n" + &line("two") + "\n").unwrap();
    let url = world.url();
    let posted = run(&["post", &file, "--witnessed", "--server", &url, "--format", "json"]);
    assert!(posted.status.success(), "{}", errors(&posted));
    signal(&watchers[0], "-STOP");
    fs::write(&file, line("three")).unwrap();
    let posted = run(&["post", &file, "--server", &url]);
    let said = String::from_utf8(posted.stdout.clone()).unwrap();
    assert!(posted.status.success() && said.contains("held until witnesses have seen it"), "{said}");
    signal(&watchers[0], "-CONT");
}

/// A policy that needs nobody releases nothing: nobody has seen it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_quorum_of_nobody_has_seen_nothing() {
    let mut world = World::new();
    world.stop();
    let policy = world.path("policy");
    fs::write(&policy, format!("log {}\nquorum none\n", world.key)).unwrap();
    world.policy = Some(policy);
    world.start();
    world.post(set_up_with(WitnessRule::Hold, 0)).await;
    let held = world.post(vec![pay("held", 1)]).await.remove(0);
    world.keep("kept", held.sequence);
    assert!(is_unreleased(&world, "held").await);
    let refused = post(&world, vec![pay("other", 1)], WaitLevel::Witnessed).await.unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "NO_WITNESSES");
}

/// Who dates a payment back to before the rule was in force does not get around it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_payment_that_is_dated_back_is_held() {
    let (mut world, watchers) = watched(&["congress"], 1);
    let mut later = set_up_with(WitnessRule::Hold, 0).remove(0);
    later.request_id = "later".to_owned();
    let Some(Payload::SetPolicy(policy)) = &mut later.payload else { panic!() };
    policy.version = 2;
    // The day after that of the payment; it is booked today.
    policy.effective_from.as_mut().unwrap().month = 6;
    policy.effective_from.as_mut().unwrap().day = 16;
    world.post(set_up()).await;
    world.post(vec![later]).await;
    signal(&watchers[0], "-STOP");
    assert!(world.post(vec![pay("held", 1)]).await[0].unreleased);
    let refused = post(&world, vec![clear("held")], WaitLevel::Durable).await.unwrap();
    assert_eq!(reason(&refused), "PAYMENT_UNRELEASED");
    signal(&watchers[0], "-CONT");
    while is_unreleased(&world, "held").await {
        tokio::task::yield_now().await;
    }
    world.stop();
    let data = world.data();
    let (code, verified) = report(&[data.to_str().unwrap(), "--deep", "--allow-unanchored"]);
    assert_eq!((code, &verified["verdict"]), (Some(0), &"verified".into()), "{verified:#}");
}
