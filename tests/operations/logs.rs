//! What stands in the log: the id of each call in each of its lines, and nothing that is nobody's business.

use std::fs;

use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::personal_data_service_client::PersonalDataServiceClient;
use serde_json::Value;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::limits::PATIENT;
use crate::server::{DATE, command, payment, receipt, set_up};
use crate::service::{Service, data, new_ledger, newer_snapshot, reason};

const EVERY_CALL: (&str, &str) = ("LOG__FILTER", "info,fundledger=trace");
const JSON: (&str, &str) = ("LOG__FORMAT", "json");

fn request(commands: Vec<v1::Command>) -> v1::PostRequest {
    v1::PostRequest { commands, ..Default::default() }
}

fn with<T>(message: T, metadata: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        let value = AsciiMetadataValue::try_from(value.as_bytes()).unwrap();
        request.metadata_mut().insert(*name, value);
    }
    request
}

/// The lines about calls with an id, as JSON.
fn lines_of(log: &str, id: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.filter(|line| line["span"]["request_id"] == id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_has_an_id_in_its_lines_its_answer_and_its_errors() {
    let service = Service::new(&[EVERY_CALL, JSON]);
    let mut ledger = service.ledger().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let posted = ledger
        .post(with(request(set_up()), &[("x-request-id", "voucher:2026-0001"), ("traceparent", &parent)]))
        .await
        .unwrap();
    assert_eq!(posted.metadata().get("x-request-id").unwrap(), "voucher:2026-0001");
    let lines = lines_of(&service.log_with("voucher:2026-0001"), "voucher:2026-0001");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (span, fields) = (&lines[0]["span"], &lines[0]["fields"]);
    assert_eq!((&lines[0]["level"], &lines[0]["target"]), (&"DEBUG".into(), &"fundledger::access".into()));
    assert_eq!(span["method"], "fundledger.v1.LedgerService/Post");
    assert_eq!((&span["trace_id"], &span["parent_id"]), (&trace.into(), &"b7ad6b7169203331".into()));
    assert_eq!((&fields["code"], &fields["commands"]), (&"OK".into(), &set_up().len().into()));
    assert!(fields["microseconds"].as_u64().unwrap() > 0 && fields["reason"].is_null(), "{fields}");

    // An error carries it too, with its reason; a request as a whole, and a question.
    let refused = ledger.post(with(request(Vec::new()), &[("x-request-id", "empty")])).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(refused.get_details_request_info().unwrap().request_id, "empty");
    assert_eq!(refused.metadata().get("x-request-id").unwrap(), "empty");
    let lines = lines_of(&service.log_with("\"empty\""), "empty");
    assert_eq!((&lines[0]["level"], &lines[0]["fields"]["reason"]), (&"INFO".into(), &"FIELD_INVALID".into()));

    // One that is not well formed is replaced by one of our own, and no two of these are the same.
    let mut made = std::collections::BTreeSet::new();
    for hostile in ["a b", "\"}{", "x=1 level=ERROR", "%0a", "\u{9b}31m", &"y".repeat(65)] {
        let answer = ledger.post(with(request(vec![payment("p")]), &[("x-request-id", hostile)])).await.unwrap();
        let id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        assert_eq!(lines_of(&service.log_with(&id), &id).len(), 1, "{hostile}");
        assert!(made.insert(id));
        assert!(!service.log().contains(hostile), "{hostile}");
    }

    // The end of a stream, and one that its caller gives up.
    let (batches, sent) = tokio::sync::mpsc::channel(4);
    for number in 0..2 {
        let commands = (0..3).map(|at| payment(&format!("s-{number}-{at}"))).collect();
        batches.send(v1::PostStreamRequest { commands }).await.unwrap();
    }
    drop(batches);
    let sent = tokio_stream::wrappers::ReceiverStream::new(sent);
    let mut request = Request::new(sent);
    request.metadata_mut().insert("x-request-id", "stream".parse().unwrap());
    let mut answers = ledger.post_stream(request).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    let lines = lines_of(&service.log_with("\"stream\""), "stream");
    assert_eq!((&lines[0]["fields"]["commands"], &lines[0]["fields"]["code"]), (&6.into(), &"OK".into()));
    let watching = with(v1::SubscribeRequest::default(), &[("x-request-id", "gone")]);
    let mut subscribed = service.query().await.subscribe(watching).await.unwrap().into_inner();
    subscribed.message().await.unwrap().unwrap();
    drop(subscribed);
    let lines = lines_of(&service.log_with("\"gone\""), "gone");
    assert_eq!(lines[0]["fields"]["code"], "CANCELLED");
}

/// Nothing is more usual than a call: without being asked for, nothing is said of those that went well.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn slow_calls_are_warned_of_and_usual_ones_are_not_told() {
    let service = Service::new(&[("LOG__SLOW_CALL_MILLISECONDS", "900"), ("LIMITS__CALL_SECONDS", "1")]);
    service.post(set_up()).await;
    let mut audit = AuditServiceClient::new(service.channel().await);
    audit.get_checkpoint(with(PATIENT, &[("x-request-id", "patient")])).await.unwrap_err();
    let log = service.log_with("a slow call");
    let line = log.lines().find(|line| line.contains("a slow call")).unwrap();
    for part in ["WARN", "patient", "fundledger.v1.AuditService/GetCheckpoint", "DEADLINE_EXCEEDED"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!log.contains("LedgerService/Post"), "{log}");
}

/// A name that would forge lines and steer a terminal, where the program cannot refuse it: that of a file in its directory,
/// which stands in a warning.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whatever_stands_in_a_line_it_stays_one_line() {
    let mut service = Service::new(&[]);
    service.post(set_up()).await;
    service.signal("TERM");
    assert!(service.ended().success());
    let hostile = "\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{202e}\u{9b}31m";
    fs::write(newer_snapshot(&service.directory, hostile), "damaged").unwrap();
    for format in ["text", "json"] {
        service = service.again(&[("LOG__FORMAT", format)]);
        let log = service.log_with(if format == "json" { "\\u001b[2J" } else { "\\u{1b}[2J" });
        assert!(log.chars().all(|char| char == '\n' || !char.is_control() && char != '\u{202e}'), "{log:?}");
        for line in log.lines().filter(|line| line.contains("forged")) {
            assert!(line.contains("a snapshot is damaged"), "{line}");
            let is_json = serde_json::from_str::<Value>(line).is_ok_and(|line| line["fields"]["path"].is_string());
            assert!(is_json || line.starts_with("20") && !line.starts_with("2026-01-01T00:00:00Z ERROR"), "{line}");
        }
    }
}

/// A whole story: posting with personal data, opening them, questions by name, refusals, errors. Nothing of what went in
/// stands in the log, at any level of our own.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_secret_and_no_personal_value_is_in_the_log() {
    const PERSON: &str = "330102199001011234";
    const NAME: &str = "欧阳\u{1b}[31m一二三\nERROR";
    const ACCOUNT: &str = "6222021202012345678";
    for form in [JSON, ("LOG__FORMAT", "text")] {
        let service = Service::new(&[EVERY_CALL, form]);
        service.post(set_up()).await;
        let mut paid = payment("p-secret-1");
        if let Some(Payload::ExecutePayment(payment)) = &mut paid.payload {
            payment.payee = PERSON.to_owned();
        }
        let datum = |field: v1::PersonalField, value: &str| v1::PersonalDatum {
            person: PERSON.to_owned(),
            field: field.into(),
            value: value.to_owned(),
            ..Default::default()
        };
        paid.personal_data =
            vec![datum(v1::PersonalField::Name, "欧阳一二三"), datum(v1::PersonalField::BankAccount, ACCOUNT)];
        let mut refused = paid.clone();
        refused.request_id = "p-secret-2".to_owned();
        let mut hostile = paid.clone();
        hostile.request_id = "p-secret-3".to_owned();
        hostile.personal_data = vec![datum(v1::PersonalField::Name, NAME)];
        if let Some(Payload::ExecutePayment(payment)) = &mut hostile.payload {
            payment.payee = NAME.to_owned();
        }
        let results = service.post(vec![paid.clone(), refused, hostile]).await;
        let accepted: Vec<bool> =
            results.iter().map(|result| matches!(result.outcome, Some(v1::post_result::Outcome::Receipt(_)))).collect();
        assert_eq!(accepted, [true, false, false], "{results:?}");
        let mut other = paid.clone();
        other.actor = "clerk-secret".to_owned();
        service.post(vec![paid, other]).await;
        let mut query = service.query().await;
        let _ = query
            .trace(v1::TraceRequest {
                start: Some(v1::trace_request::Start::Payee(PERSON.to_owned())),
                ..Default::default()
            })
            .await;
        let mut personal = PersonalDataServiceClient::new(service.channel().await);
        let listed = personal
            .list_personal_data(v1::ListPersonalDataRequest { person: PERSON.to_owned(), ..Default::default() });
        assert!(!listed.await.unwrap().into_inner().entries.is_empty());
        let _ =
            query.get_balance(v1::GetBalanceRequest { account_id: "U.secret".to_owned(), ..Default::default() }).await;
        let mut ledger = service.ledger().await;
        let cash =
            v1::ReceiveCash { lot_id: "LOT-1".to_owned(), amount_minor: 1, bank_reference: "bank secret".to_owned() };
        let mut proposed = command("p-secret-4", Payload::ReceiveCash(Box::new(cash)));
        proposed.checkers.clear();
        let mut expires_at = receipt(results[0].clone()).booked_at.unwrap();
        expires_at.seconds += 3_600;
        let propose = v1::ProposeRequest {
            request_id: "propose-secret".to_owned(),
            business_date: Some(DATE),
            actor: "maker-1".to_owned(),
            commands: vec![proposed],
            expires_at: Some(expires_at),
            validate_only: false,
        };
        ledger.propose(propose).await.unwrap();
        let approve = v1::ApproveRequest {
            request_id: "approve-secret".to_owned(),
            business_date: Some(DATE),
            actor: "checker-1".to_owned(),
            proposal_id: "propose-secret".to_owned(),
            signature: vec![7; 64].into(),
        };
        let unknown = ledger.approve(with(approve, &[("x-request-id", "approving")])).await.unwrap_err();
        assert_eq!(reason(&unknown), "KEY_NOT_FOUND");
        ledger.post(with(request(Vec::new()), &[("x-request-id", "the-last-one")])).await.unwrap_err();
        let log = service.log_with("the-last-one");
        assert!(log.matches("fundledger.v1.").count() >= 7, "{log}");
        // What is said of a call deep inside it carries its id.
        let deep =
            log.lines().find(|line| line.contains("an approval was not accepted")).unwrap_or_else(|| panic!("{log}"));
        assert!(deep.contains("approving") && deep.contains("fundledger.v1.LedgerService/Approve"), "{deep}");
        let keys = data(&service.directory).join("keys");
        let mut secrets: Vec<String> = fs::read_dir(keys)
            .unwrap()
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .flat_map(|content| content.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| line.len() >= 32)
            .collect();
        assert!(secrets.len() >= 3);
        secrets.extend(
            [
                PERSON,
                "欧阳",
                ACCOUNT,
                "Supplier",
                "maker-1",
                "checker-1",
                "secret",
                "U.unit",
                "LOT-1",
                "goods",
                "P.unit",
            ]
            .map(str::to_owned),
        );
        for secret in secrets {
            assert!(!log.contains(&secret), "{secret} is in {log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_filter_is_read_again_on_sighup() {
    let directory = new_ledger();
    let path = directory.path().join("fundledger.toml");
    let set = |filter: &str| fs::write(&path, format!("[log]\nfilter = \"{filter}\"\n")).unwrap();
    set("info");
    let mut service = Service::configured(directory, &path);
    service.has_started();
    service.post(set_up()).await;
    set("info,fundledger::access=debug");
    service.signal("HUP");
    service.log_with("the filter of the log was read again");
    service.post(vec![payment("p-1")]).await;
    let log = service.log_with("LedgerService/Post");
    assert_eq!(log.matches("LedgerService/Post").count(), 1, "{log}");
    // What is wrong changes nothing.
    set("a=b=c");
    service.signal("HUP");
    let log = service.log_with("they are wrong");
    assert!(log.contains("log.filter"), "{log}");
    service.post(vec![payment("p-2")]).await;
    while service.log().matches("LedgerService/Post").count() < 2 {
        tokio::task::yield_now().await;
    }
}
