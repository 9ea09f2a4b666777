//! Statutory clocks: what runs, what is overdue, what was met, and the two events each rests on.

use fundledger::pb::v1::{ClockStatus, ListClocksRequest};
use fundledger::pb::{Date, v1};
use serde_json::{Value, json};

use crate::server::run;
use crate::world::{World, on, scenario};

fn with_clocks() -> Vec<Value> {
    let mut lines = scenario("s5-nontax");
    let terms = lines[0]["setPolicy"]["terms"].as_object_mut().unwrap();
    let clock = |code: &str, kind: &str, limit: i32, unit: &str| json!({ "code": code, "kind": format!("CLOCK_KIND_{kind}"), "limit": limit, "unit": format!("LIMIT_UNIT_{unit}") });
    terms.insert(
        "clocks".to_owned(),
        json!([
            clock("collect", "NOTICED_TO_COLLECTED", 3, "DAYS"),
            clock("split", "COLLECTED_TO_SPLIT", 0, "DAYS"),
            clock("complaint", "MATTER", 5, "WORKING_DAYS"),
            clock("answer", "FLAGGED_TO_ANSWERED", 20, "WORKING_DAYS"),
        ]),
    );
    // 2026-05-01 (a Friday) to 05-05 is a holiday, Saturday 05-09 is worked.
    terms.insert("holidays".to_owned(), json!([20_574, 20_577, 20_578]));
    terms.insert("workingWeekends".to_owned(), json!([20_582]));
    lines
}

const fn date(year: i32, month: i32, day: i32) -> Date {
    Date { year, month, day }
}

async fn clocks(world: &World, request: ListClocksRequest) -> Vec<v1::Clock> {
    let answer = world.served.query().await.list_clocks(request).await.unwrap().into_inner();
    assert_eq!(answer.next_page_token, "");
    answer.clocks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn clocks_run_from_one_event_to_another() {
    let mut world = World::new();
    let mut sequences = Vec::new();
    for line in with_clocks() {
        sequences.push(world.accept(&line).await);
    }
    let matter = |id: &str, kind: &str, unit: &str| json!({ "openMatter": { "matterId": id, "kind": kind, "unitId": unit, "fundId": "NT", "firstHandler": "clerk" } });
    let opened = world.accept(&on("2026-04-29", "m-1", matter("M-1", "complaint", "finance"))).await;
    world.accept(&on("2026-04-29", "m-2", matter("M-2", "complaint", "audit"))).await;
    // No clock for what no policy limits.
    world.accept(&on("2026-04-29", "m-3", matter("M-3", "suggestion", "finance"))).await;
    let close = json!({ "closeMatter": { "matterId": "M-2", "outcomeCode": "ANSWERED" } });
    let closed = world.accept(&on("2026-05-09", "m-4", close)).await;
    world.seen(closed).await;
    let found = clocks(&world, ListClocksRequest { on: Some(date(2026, 5, 9)), ..Default::default() }).await;
    let rows: Vec<_> = found
        .iter()
        .map(|clock| (clock.code.as_str(), clock.subject_id.as_str(), clock.status(), clock.due_on.unwrap()))
        .collect();
    assert_eq!(
        rows,
        [
            // 2026-03-02 to 03-05: on the last day.
            ("collect", "N-1", ClockStatus::Met, date(2026, 3, 5)),
            // The same day, but it was split on the next.
            ("split", "N-1", ClockStatus::MetLate, date(2026, 3, 5)),
            // Working days 04-30, 05-06, 05-07, 05-08, and the Saturday 05-09.
            ("complaint", "M-1", ClockStatus::Running, date(2026, 5, 9)),
            ("complaint", "M-2", ClockStatus::Met, date(2026, 5, 9)),
        ]
    );
    let running = &found[2];
    assert_eq!((running.started_sequence, running.ended_sequence, running.ended_on), (opened, 0, None));
    assert_eq!((running.unit_id.as_str(), running.fund_id.as_str()), ("finance", "NT"));
    let met = &found[0];
    let position = |key: &str| with_clocks().iter().position(|line| line.get(key).is_some()).unwrap();
    assert_eq!(met.started_sequence, sequences[position("noticeNontax")]);
    assert_eq!(met.ended_sequence, sequences[position("collectNontax")]);
    // The next day it is overdue; filters, and the same after a restart.
    let overdue = ListClocksRequest {
        on: Some(date(2026, 5, 10)),
        status: ClockStatus::Overdue.into(),
        unit_id: "finance".to_owned(),
        code: "complaint".to_owned(),
        fund_id: "NT".to_owned(),
        ..Default::default()
    };
    assert_eq!(clocks(&world, overdue.clone()).await.len(), 1);
    let of_audit = ListClocksRequest { unit_id: "audit".to_owned(), ..overdue.clone() };
    assert_eq!(clocks(&world, of_audit).await.len(), 0);
    world.verify().await;
    assert_eq!(clocks(&world, overdue).await.len(), 1);
    // By pages, and from the command line.
    let mut request = ListClocksRequest { page_size: 3, on: Some(date(2026, 5, 10)), ..Default::default() };
    let first = world.served.query().await.list_clocks(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token;
    let second = world.served.query().await.list_clocks(request).await.unwrap().into_inner();
    assert_eq!((first.clocks.len(), second.clocks.len(), second.next_page_token), (3, 1, String::new()));
    let url = world.served.url();
    let shown = run(&["clocks", "--server", &url, "--on", "2026-05-10", "--status", "overdue", "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let expected = format!("complaint,MATTER,M-1,NT,finance,OVERDUE,{opened},2026-04-29,2026-05-09,,");
    assert_eq!(shown.lines().nth(1), Some(expected.as_str()), "{shown}");
}
