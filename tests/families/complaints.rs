//! Complaints: filed about a lot, a payment or an event, accepted, answered and closed in time, and never by whom they are about.

use fundledger::domain::ids::PayeeRef;
use fundledger::ledger::clock::{Clock, SystemClock};
use fundledger::pb::v1;
use fundledger::pb::v1::complaint_filed::About;
use fundledger::pb::v1::event::Payload;
use fundledger::pb::v1::{ComplaintOutcome as Outcome, ComplaintStage as Stage};
use serde_json::{Value, json};

use crate::funds::{fund, issue, pay, provide};
use crate::server::run;
use crate::world::{World, command, on};

const DIGEST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
/// Who is paid, and complains.
const PERSON: &str = "收款人";

/// A good command of each kind, for the test of fields too.
pub(crate) fn samples() -> Vec<Value> {
    vec![
        json!({ "fileComplaint": { "complaintId": "C-1", "kind": "late", "paymentId": "V-1", "unitId": "bureau",
            "reporter": PERSON, "textSha256": DIGEST } }),
        json!({ "acceptComplaint": { "complaintId": "C-1", "unitId": "office", "firstHandler": "clerk-1" } }),
        json!({ "answerComplaint": { "complaintId": "C-1", "documentNumber": "答复 1", "documentSha256": DIGEST } }),
        json!({ "closeComplaint": { "complaintId": "C-1", "outcome": "COMPLAINT_OUTCOME_UPHELD" } }),
    ]
}

/// A command of one person, on a day, without checkers.
fn by(actor: &str, date: &str, key: &str, payload: Value) -> Value {
    let mut line = on(date, key, payload);
    line["actor"] = json!(actor);
    line["checkers"] = json!([]);
    line
}

fn file(id: &str, kind: &str, about: (&str, &Value)) -> Value {
    json!({ "fileComplaint": { "complaintId": id, "kind": kind, about.0: about.1, "textSha256": DIGEST } })
}

fn accept(id: &str, unit: &str, handler: &str) -> Value {
    json!({ "acceptComplaint": { "complaintId": id, "unitId": unit, "firstHandler": handler } })
}

fn answer(id: &str) -> Value {
    json!({ "answerComplaint": { "complaintId": id, "documentNumber": "答复 1", "documentSha256": DIGEST } })
}

fn close(id: &str, outcome: &str) -> Value {
    json!({ "closeComplaint": { "complaintId": id, "outcome": format!("COMPLAINT_OUTCOME_{outcome}") } })
}

/// A fund that has paid: its sequences of the lot and of the payment.
pub(crate) async fn paid() -> (World, i64, i64) {
    let mut world = World::new();
    let clock = |code: &str, kind: &str, limit: i32, unit: &str| {
        json!({ "code": code, "kind": format!("CLOCK_KIND_COMPLAINT_FILED_TO_{kind}"), "limit": limit,
            "unit": format!("LIMIT_UNIT_{unit}") })
    };
    for mut line in fund(&json!({})) {
        if line.get("setPolicy").is_some() {
            line["setPolicy"]["terms"]["clocks"] =
                json!([clock("accept", "ACCEPTED", 5, "WORKING_DAYS"), clock("late", "ANSWERED", 15, "DAYS")]);
        }
        world.accept(&line).await;
    }
    let lot = world.accept(&issue("2026-02-01", "L-1", None)).await;
    for line in provide("2026-02-01", "L-1") {
        world.accept(&line).await;
    }
    let payment = world.accept(&pay("V-1", "")).await;
    (world, lot, payment)
}

async fn complaints(world: &World, request: v1::ListComplaintsRequest) -> Vec<v1::Complaint> {
    let request = v1::ListComplaintsRequest { min_sequence: Some(world.last), ..request };
    let answer = world.served.query().await.list_complaints(request).await.unwrap().into_inner();
    assert_eq!(answer.next_page_token, "");
    answer.complaints
}

fn names(complaints: &[v1::Complaint]) -> Vec<&str> {
    complaints.iter().map(|complaint| complaint.complaint_id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_deals_with_a_complaint_about_themselves() {
    let (mut world, lot, payment) = paid().await;
    let filing = |key: &str, payload: Value| by("desk-1", "2026-03-02", key, payload);
    for (key, about, reason) in [
        ("f-1", ("lotId", &json!("L-2")), "LOT_NOT_FOUND"),
        ("f-2", ("paymentId", &json!("V-2")), "PAYMENT_NOT_FOUND"),
        ("f-3", ("eventSequence", &json!(9_999)), "EVENT_NOT_FOUND"),
    ] {
        assert_eq!(world.refuse(&filing(key, file("C-1", "late", about))).await.reason, reason);
    }
    let about = ("paymentId", &json!("V-1"));
    let filed = world.accept(&filing("f-4", file("C-1", "late", about))).await;
    assert_eq!(world.refuse(&filing("f-5", file("C-1", "late", about))).await.reason, "COMPLAINT_EXISTS");
    // What it is about says who is complained about: the maker, who approved it, and the unit whose money it was.
    let Some(Payload::ComplaintFiled(said)) = world.event(filed).await.payload else { panic!() };
    assert_eq!(said.respondents, ["maker-1", "checker-1"]);
    assert_eq!((said.unit_id.as_str(), said.fund), ("bureau", 1));
    assert_eq!(said.about, Some(About::PaymentId("V-1".to_owned())));
    assert!(said.reporter.is_empty(), "anonymous");

    let day = "2026-03-03";
    let sod = "SEGREGATION_OF_DUTIES";
    for (key, actor, payload, reason) in [
        ("a-1", "maker-1", accept("C-1", "office", "clerk-1"), sod),
        ("a-2", "clerk-1", accept("C-1", "bureau", "clerk-1"), sod),
        ("a-3", "clerk-1", accept("C-1", "office", "checker-1"), sod),
        ("a-4", "clerk-1", accept("C-9", "office", "clerk-1"), "COMPLAINT_NOT_FOUND"),
        ("a-5", "clerk-1", answer("C-1"), "COMPLAINT_UNREADY"),
        ("a-6", "auditor-1", close("C-1", "UPHELD"), "COMPLAINT_UNREADY"),
    ] {
        assert_eq!(world.refuse(&by(actor, day, key, payload)).await.reason, reason, "{key}");
    }
    // Nor does their signature count.
    let mut signed = by("clerk-1", day, "a-7", accept("C-1", "office", "clerk-1"));
    signed["checkers"] = json!(["checker-1"]);
    assert_eq!(world.refuse(&signed).await.reason, sod);
    world.accept(&by("clerk-1", day, "a-8", accept("C-1", "office", "clerk-1"))).await;
    // Handed on.
    world.accept(&by("clerk-1", day, "a-9", accept("C-1", "inspection", "clerk-2"))).await;
    for (key, actor, payload, reason) in
        [("b-1", "checker-1", answer("C-1"), sod), ("b-2", "auditor-1", close("C-1", "UNFOUNDED"), "COMPLAINT_UNREADY")]
    {
        assert_eq!(world.refuse(&by(actor, day, key, payload)).await.reason, reason, "{key}");
    }
    let answered = world.accept(&by("clerk-2", day, "b-3", answer("C-1"))).await;
    for (key, actor) in [("c-1", "maker-1"), ("c-2", "checker-1"), ("c-3", "clerk-2")] {
        assert_eq!(world.refuse(&by(actor, day, key, close("C-1", "UNFOUNDED"))).await.reason, sod, "{key}");
    }
    world.verify().await;
    let closed = world.accept(&by("auditor-1", day, "c-4", close("C-1", "UPHELD"))).await;
    for (key, payload) in
        [("d-1", accept("C-1", "office", "clerk-1")), ("d-2", answer("C-1")), ("d-3", close("C-1", "UPHELD"))]
    {
        assert_eq!(world.refuse(&by("auditor-2", day, key, payload)).await.reason, "COMPLAINT_CLOSED", "{key}");
    }
    let of_case = v1::ListEventsRequest { case_id: "C-1".to_owned(), ..Default::default() };
    assert_eq!(world.listed(of_case).await, [filed, answered - 4, answered - 3, answered, closed]);

    // About a lot nobody in particular is complained about; an event has a maker.
    let of_lot = world.accept(&filing("g-1", file("C-2", "other", ("lotId", &json!("L-1"))))).await;
    let of_event = world.accept(&filing("g-2", file("C-3", "other", ("eventSequence", &json!(payment))))).await;
    let Some(Payload::ComplaintFiled(said)) = world.event(of_lot).await.payload else { panic!() };
    assert_eq!((said.about, said.fund, said.respondents.len()), (Some(About::Lot(1)), 1, 0));
    let Some(Payload::ComplaintFiled(said)) = world.event(of_event).await.payload else { panic!() };
    assert_eq!((said.about, said.respondents.len()), (Some(About::EventSequence(payment)), 2));
    // One that was withdrawn needs no answer.
    world.accept(&by("auditor-1", day, "g-3", close("C-3", "WITHDRAWN"))).await;
    assert_ne!(lot, payment);
    world.verify().await;
    let all = complaints(&world, v1::ListComplaintsRequest::default()).await;
    assert_eq!(names(&all), ["C-1", "C-2", "C-3"]);
    let stages: Vec<_> = all.iter().map(|one| (one.stage(), one.outcome())).collect();
    let expected =
        [(Stage::Closed, Outcome::Upheld), (Stage::Filed, Outcome::Unspecified), (Stage::Closed, Outcome::Withdrawn)];
    assert_eq!(stages, expected);
    assert_eq!((all[0].unit_id.as_str(), all[0].first_handler.as_str()), ("inspection", "clerk-2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_complains_is_not_who_is_paid() {
    let (mut world, _, payment) = paid().await;
    let Some(Payload::PaymentExecuted(paid)) = world.event(payment).await.payload else { panic!() };
    let mut line = by("desk-1", "2026-03-02", "f-1", file("C-1", "late", ("paymentId", &json!("V-1"))));
    line["fileComplaint"]["reporter"] = json!(PERSON);
    line["personalData"] = json!([{ "person": PERSON, "field": "PERSONAL_FIELD_NAME", "value": "张三" }]);
    let mut with_account = line.clone();
    with_account["personalData"][0]["field"] = json!("PERSONAL_FIELD_BANK_ACCOUNT");
    let refused = world.refuse(&with_account).await;
    assert_eq!(refused.reason, "FIELD_INVALID", "others who share it would be found by it");
    let filed = world.accept(&line).await;
    assert!(crate::server::receipt(world.give(&line).await).replayed);
    let event = world.event(filed).await;
    let Some(Payload::ComplaintFiled(said)) = &event.payload else { panic!() };
    assert_eq!(said.reporter.len(), 16);
    assert_ne!(said.reporter, paid.payee, "the same person under the same name");
    assert_eq!(event.personal_data.len(), 1);
    assert_eq!((&event.personal_data[0].party, event.personal_data[0].account.len()), (&said.reporter, 0));
    // Signed or proposed, it is the same pseudonym.
    let mut proposed = line.clone();
    proposed["requestId"] = json!("f-2");
    proposed["fileComplaint"]["complaintId"] = json!("C-2");
    proposed["personalData"] = json!([]);
    let tomorrow = SystemClock.now().0 / 1_000_000_000 + 86_400;
    let tomorrow = prost_types::Timestamp { seconds: tomorrow, nanos: 0 };
    let request = v1::ProposeRequest {
        request_id: "p-1".to_owned(),
        business_date: Some(fundledger::pb::Date { year: 2026, month: 3, day: 2 }),
        actor: "desk-1".to_owned(),
        commands: vec![command(&proposed)],
        expires_at: Some(tomorrow),
        validate_only: true,
    };
    let bytes = world.served.ledger().await.propose(request).await.unwrap().into_inner().commands.remove(0);
    assert!(bytes.windows(16).any(|window| window == said.reporter.as_ref()));
    assert!(!bytes.windows(PERSON.len()).any(|window| window == PERSON.as_bytes()));
    // Only an auditor sees who it is, for a reason on record, and by what stands in the event alone.
    let url = world.served.url();
    let hex = PayeeRef(said.reporter.as_ref().try_into().unwrap()).to_string();
    let sequence = filed.to_string();
    let open = |person: &[&str]| {
        let args =
            ["personal-data", "open", &sequence, "--server", &url, "--field", "name", "--legal-basis", "审计法 34"];
        let id = format!("o-{}", person[0]);
        run(&[&args[..], &["--auditor", "auditor-1", "--id", &id], person].concat())
    };
    assert!(!open(&["--person", PERSON]).status.success(), "the name under which they are paid leads nowhere");
    let opened = open(&["--person-pseudonym", &hex]);
    assert!(String::from_utf8(opened.stdout).unwrap().starts_with("张三\n"));
    world.verify().await;
    // No listing says who it is, and nobody who is paid is found by a complaint.
    let shown = run(&["complaints", "--server", &world.served.url(), "--format", "json"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("C-1") && !shown.contains(&hex) && !shown.contains("reporter"), "{shown}");
    let of_payee = v1::ListEventsRequest { payee: PERSON.to_owned(), ..Default::default() };
    assert!(!world.listed(of_payee).await.contains(&filed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn complaints_are_listed_by_what_they_are_and_when_they_are_due() {
    let (mut world, _, payment) = paid().await;
    let at = |date: &str, key: &str, payload: Value| by("desk-1", date, key, payload);
    // Monday, 2026-03-02; the fund's policy sets both clocks, the second for one kind only.
    world.accept(&at("2026-03-02", "f-1", file("C-1", "late", ("paymentId", &json!("V-1"))))).await;
    world.accept(&at("2026-03-02", "f-2", file("C-2", "other", ("lotId", &json!("L-1"))))).await;
    world.accept(&at("2026-03-02", "f-3", file("C-3", "other", ("eventSequence", &json!(payment))))).await;
    world.accept(&at("2026-03-09", "a-1", accept("C-1", "office", "clerk-1"))).await;
    world.accept(&at("2026-03-12", "a-3", accept("C-3", "office", "clerk-1"))).await;
    let all = v1::ListComplaintsRequest::default();
    let on = |year, month, day| Some(fundledger::pb::Date { year, month, day });
    let of = |request: v1::ListComplaintsRequest| v1::ListComplaintsRequest { on: on(2026, 3, 10), ..request };
    for (request, expected) in [
        (v1::ListComplaintsRequest { lot_id: "L-1".to_owned(), ..all.clone() }, vec!["C-2"]),
        (v1::ListComplaintsRequest { lot_id: "L-2".to_owned(), ..all.clone() }, vec![]),
        (v1::ListComplaintsRequest { payment_id: "V-1".to_owned(), ..all.clone() }, vec!["C-1"]),
        (v1::ListComplaintsRequest { unit_id: "office".to_owned(), ..all.clone() }, vec!["C-1", "C-3"]),
        (v1::ListComplaintsRequest { about_unit_id: "bureau".to_owned(), ..all.clone() }, vec!["C-1", "C-3"]),
        (v1::ListComplaintsRequest { stage: v1::ComplaintStage::Filed.into(), ..all.clone() }, vec!["C-2"]),
        // Due on Monday the 9th, and not accepted by then.
        (v1::ListComplaintsRequest { overdue_only: true, ..all.clone() }, vec!["C-2"]),
    ] {
        assert_eq!(names(&complaints(&world, of(request.clone())).await), expected, "{request:?}");
    }
    let late = v1::ListComplaintsRequest { overdue_only: true, on: on(2026, 3, 18), ..all.clone() };
    assert_eq!(names(&complaints(&world, late.clone()).await), ["C-1", "C-2"]);
    let clocks = async |world: &World| {
        let request = v1::ListClocksRequest { on: on(2026, 3, 18), ..Default::default() };
        let found = world.served.query().await.list_clocks(request).await.unwrap().into_inner().clocks;
        let shown = found.into_iter().map(|clock| {
            format!("{} {} {} {}", clock.code, clock.subject_id, clock.unit_id, clock.status().as_str_name())
        });
        shown.map(|shown| shown.replace("CLOCK_STATUS_", "")).collect::<Vec<_>>()
    };
    let expected = ["accept C-1  MET", "late C-1 office OVERDUE", "accept C-2  OVERDUE", "accept C-3  MET_LATE"];
    assert_eq!(clocks(&world).await, expected);
    // An answer that is late is late for ever; a withdrawal ends what still runs.
    world.accept(&by("clerk-1", "2026-03-18", "b-1", answer("C-1"))).await;
    world.accept(&by("auditor-1", "2026-03-18", "b-2", close("C-2", "WITHDRAWN"))).await;
    world.verify().await;
    assert!(complaints(&world, late).await.is_empty());
    let expected = ["accept C-1  MET", "late C-1 office MET_LATE", "accept C-2  MET_LATE", "accept C-3  MET_LATE"];
    assert_eq!(clocks(&world).await, expected);
    // By pages, and from the command line.
    let mut request = v1::ListComplaintsRequest { page_size: 2, ..all };
    let first = world.served.query().await.list_complaints(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token;
    let second = world.served.query().await.list_complaints(request).await.unwrap().into_inner();
    assert_eq!((first.complaints.len(), second.complaints.len(), second.next_page_token), (2, 1, String::new()));
    let url = world.served.url();
    let shown = run(&["complaints", "--server", &url, "--unit", "office", "--stage", "answered", "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.lines().nth(1).unwrap().starts_with("C-1,late,ANSWERED,,payment:V-1,bureau,office,clerk-1,,false,"),
        "{shown}"
    );
}
