//! Performance: goals before their year ends, what was done towards them, scores by somebody else, and the money beside them.

use fundledger::pb::v1;
use serde_json::{Value, json};

use crate::server::run;
use crate::world::{World, on, scenario};

const DIGEST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// A good command of each kind, for the test of fields too.
pub(crate) fn samples() -> Vec<Value> {
    vec![goal("LOT", "GENERAL", "places", 600_000, 0), output("LOT", "GENERAL", "places", 1, [2026, 6, 30], 0)]
}

fn goal(kind: &str, id: &str, indicator: &str, weight: i64, replaces: i64) -> Value {
    json!({ "setGoal": { "subjectKind": format!("SUBJECT_KIND_{kind}"), "subjectId": id, "year": 2026,
        "indicatorCode": indicator, "indicatorName": "新增学位", "category": "INDICATOR_CATEGORY_OUTPUT",
        "unitOfMeasure": "个", "targetMilli": 900_000, "direction": "GOAL_DIRECTION_AT_LEAST", "weightPpm": weight,
        "replacesSequence": replaces, "documentNumber": "绩效目标 1", "documentSha256": DIGEST } })
}

fn output(kind: &str, id: &str, indicator: &str, actual: i64, [year, month, day]: [i32; 3], corrects: i64) -> Value {
    json!({ "recordOutput": { "subjectKind": format!("SUBJECT_KIND_{kind}"), "subjectId": id, "year": 2026,
        "indicatorCode": indicator, "actualMilli": actual, "asOf": { "year": year, "month": month, "day": day },
        "correctsSequence": corrects, "documentNumber": "完成情况 1", "documentSha256": DIGEST } })
}

fn score(id: &str, score: i32, evaluator: &str) -> Value {
    json!({ "scorePerformance": { "subjectId": id, "year": 2026, "score": score, "documentNumber": "评价 1",
        "evaluator": format!("EVALUATOR_KIND_{evaluator}") } })
}

fn by(actor: &str, mut line: Value) -> Value {
    line["actor"] = json!(actor);
    line
}

async fn of(world: &World, kind: v1::SubjectKind, subject_id: &str) -> v1::Performance {
    let (subject_kind, subject_id) = (kind.into(), subject_id.to_owned());
    let request = v1::GetPerformanceRequest { subject_kind, subject_id, year: 2026, min_sequence: Some(world.last) };
    world.served.query().await.get_performance(request).await.unwrap().into_inner().performance.unwrap()
}

/// A ledger with the scenario up to its first payment, which is not given.
async fn before_payment() -> World {
    let mut world = World::new();
    for line in scenario("s6-investment").iter().take_while(|line| line.get("executePayment").is_none()) {
        world.accept(line).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn goals_are_set_in_time_and_replaced_by_name() {
    let mut world = before_payment().await;
    let give = |key: &str, payload: Value| on("2026-03-01", key, payload);
    let refuse = async |world: &mut World, key: &str, payload: Value| world.refuse(&give(key, payload)).await;
    for (key, kind, id, reason) in [
        ("unknown-1", "LOT", "xx", "LOT_NOT_FOUND"),
        ("unknown-2", "PROJECT", "xx", "PROJECT_NOT_FOUND"),
        ("unknown-3", "UNIT", "xx", "UNIT_NOT_FOUND"),
    ] {
        assert_eq!(refuse(&mut world, key, goal(kind, id, "places", 1_000, 0)).await.reason, reason);
    }
    let first = world.accept(&give("goal-1", goal("LOT", "GENERAL", "places", 600_000, 0))).await;
    let again = refuse(&mut world, "again", goal("LOT", "GENERAL", "places", 600_000, 0)).await;
    assert_eq!(again.reason, "GOAL_EXISTS");
    assert!(again.facts.contains(&format!("current_sequence={first}")), "{again:?}");
    let other = refuse(&mut world, "other", goal("LOT", "GENERAL", "places", 600_000, 1)).await;
    assert_eq!(other.reason, "RECORD_SUPERSEDED");
    let none = refuse(&mut world, "none", goal("LOT", "GENERAL", "costs", 1_000, first)).await;
    assert_eq!(none.reason, "RECORD_SUPERSEDED", "it was never set");
    let over = refuse(&mut world, "over", goal("LOT", "GENERAL", "costs", 400_001, 0)).await;
    assert_eq!(over.reason, "OVER_WEIGHT");
    assert!(over.facts.contains("available_ppm=400000"), "{over:?}");
    world.accept(&give("goal-2", goal("LOT", "GENERAL", "costs", 400_000, 0))).await;
    // Of another subject it is another whole; and the weight that is replaced counts no more.
    world.accept(&give("goal-3", goal("UNIT", "bureau", "places", 1_000_000, 0))).await;
    world.accept(&give("goal-4", goal("PROJECT", "school-1", "places", 1_000_000, 0))).await;
    let second = world.accept(&on("2026-12-31", "goal-5", goal("LOT", "GENERAL", "places", 500_000, first))).await;
    assert_eq!(
        refuse(&mut world, "old", goal("LOT", "GENERAL", "places", 1_000, first)).await.reason,
        "RECORD_SUPERSEDED"
    );
    let late = world.refuse(&on("2027-01-01", "late", goal("LOT", "GENERAL", "places", 1_000, second))).await;
    assert_eq!(late.reason, "GOAL_YEAR_ENDED");
    let found = of(&world, v1::SubjectKind::Lot, "GENERAL").await;
    let shown: Vec<_> = found.goals.iter().map(|goal| (goal.indicator_code.as_str(), goal.weight_ppm)).collect();
    assert_eq!(shown, [("places", 500_000), ("costs", 400_000)]);
    assert_eq!(found.goals[0].set_sequence, second);
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn outputs_are_of_later_days_or_correct_the_last_one() {
    let mut world = before_payment().await;
    let give = |key: &str, payload: Value| on("2026-12-31", key, payload);
    let places =
        |actual: i64, as_of: [i32; 3], corrects: i64| output("LOT", "GENERAL", "places", actual, as_of, corrects);
    let early = world.refuse(&give("early", places(1, [2026, 6, 30], 0))).await;
    assert_eq!(early.reason, "GOAL_NOT_FOUND");
    world.accept(&give("goal-1", goal("LOT", "GENERAL", "places", 600_000, 0))).await;
    let mut costs = goal("LOT", "GENERAL", "costs", 300_000, 0);
    costs["setGoal"]["direction"] = json!("GOAL_DIRECTION_AT_MOST");
    world.accept(&give("goal-2", costs)).await;
    let nothing = world.refuse(&give("nothing", places(1, [2026, 6, 30], 1))).await;
    assert_eq!(nothing.reason, "RECORD_SUPERSEDED");
    let first = world.accept(&give("output-1", places(300_000, [2026, 6, 30], 0))).await;
    let same = world.refuse(&give("same", places(400_000, [2026, 6, 30], 0))).await;
    assert_eq!(same.reason, "RECORD_SUPERSEDED");
    assert!(same.facts.contains(&format!("current_sequence={first}")), "{same:?}");
    let second = world.accept(&give("output-2", places(400_000, [2026, 6, 30], first))).await;
    let old = world.refuse(&give("old", places(500_000, [2026, 9, 30], first))).await;
    assert_eq!(old.reason, "RECORD_SUPERSEDED");
    world.accept(&give("output-3", places(600_000, [2026, 9, 30], 0))).await;
    world.accept(&give("output-4", output("LOT", "GENERAL", "costs", 2_700_000, [2026, 9, 30], 0))).await;
    let found = of(&world, v1::SubjectKind::Lot, "GENERAL").await;
    assert_eq!((found.goals[0].actual_milli, found.goals[0].attainment_ppm), (Some(600_000), 666_667));
    assert_eq!((found.goals[1].actual_milli, found.goals[1].attainment_ppm), (Some(2_700_000), 333_333));
    // Two thirds of two parts and a third of one.
    assert_eq!(found.attainment_ppm, 555_556);
    // What replaces a goal keeps what was done towards it.
    let replaced = goal("LOT", "GENERAL", "places", 600_000, found.goals[0].set_sequence);
    world.accept(&give("goal-3", replaced)).await;
    assert_eq!(of(&world, v1::SubjectKind::Lot, "GENERAL").await.goals[0].actual_milli, Some(600_000));
    let by_subject = v1::ListEventsRequest { case_id: "GENERAL".to_owned(), ..Default::default() };
    assert!(world.listed(by_subject).await.contains(&second));
    let before = of(&world, v1::SubjectKind::Lot, "GENERAL").await;
    world.verify().await;
    assert_eq!(of(&world, v1::SubjectKind::Lot, "GENERAL").await, before, "after a restart");
    let after = world.refuse(&give("after", places(1, [2026, 9, 30], 0))).await;
    assert_eq!(after.reason, "RECORD_SUPERSEDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_orders_payments_does_not_evaluate_them() {
    let mut world = before_payment().await;
    world.accept(&on("2026-03-01", "goal-1", goal("LOT", "GENERAL", "places", 1_000_000, 0))).await;
    world.accept(&on("2026-03-01", "goal-2", goal("UNIT", "bureau", "places", 1_000_000, 0))).await;
    world.accept(&on("2026-03-01", "goal-3", goal("PROJECT", "school-1", "places", 1_000_000, 0))).await;
    let pay = scenario("s6-investment").into_iter().find(|line| line.get("executePayment").is_some()).unwrap();
    world.accept(&pay).await;
    for (at, subject) in ["GENERAL", "bureau", "school-1"].into_iter().enumerate() {
        let refused = world.refuse(&on("2026-12-31", &format!("own-{at}"), score(subject, 9_000, "SELF"))).await;
        assert_eq!(refused.reason, "SEGREGATION_OF_DUTIES", "{subject}");
        let other = on("2026-12-31", &format!("other-{at}"), score(subject, 8_850, "DEPARTMENT"));
        world.accept(&by("evaluator-1", other)).await;
    }
    // Of what they have not paid out of, anybody; and what has no goals is nobody's subject.
    world.accept(&on("2026-12-31", "elsewhere", score("elsewhere", 1, "THIRD_PARTY"))).await;
    let expert = on("2026-12-31", "expert", score("GENERAL", 9_100, "THIRD_PARTY"));
    world.accept(&by("expert-1", expert)).await;
    let again = on("2026-12-31", "again", score("GENERAL", 8_900, "DEPARTMENT"));
    world.accept(&by("evaluator-1", again)).await;
    let found = of(&world, v1::SubjectKind::Lot, "GENERAL").await;
    let scores: Vec<_> = found.scores.iter().map(|score| (score.evaluator(), score.score)).collect();
    assert_eq!(scores, [(v1::EvaluatorKind::Department, 8_900), (v1::EvaluatorKind::ThirdParty, 9_100)]);
    world.verify().await;
    let refused = world.refuse(&on("2026-12-31", "after", score("bureau", 9_000, "SELF"))).await;
    assert_eq!(refused.reason, "SEGREGATION_OF_DUTIES", "after a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn performance_is_shown_beside_its_money() {
    let mut world = before_payment().await;
    for (key, kind, id) in [("a", "LOT", "GENERAL"), ("b", "UNIT", "bureau"), ("c", "PROJECT", "school-1")] {
        world.accept(&on("2026-03-01", key, goal(kind, id, "places", 1_000_000, 0))).await;
    }
    let pay = scenario("s6-investment").into_iter().find(|line| line.get("executePayment").is_some()).unwrap();
    let last = world.accept(&pay).await;
    world.seen(last).await;
    let money = async |kind: v1::SubjectKind, id: &str| {
        let v1::Performance { issued_minor, paid_minor, execution_ppm, idle_minor, left_minor, .. } =
            of(&world, kind, id).await;
        (issued_minor, paid_minor, execution_ppm, idle_minor, left_minor)
    };
    // 1,116,000,000 of the lot are committed, of which 334,800,000 are paid.
    let of_lot = money(v1::SubjectKind::Lot, "GENERAL").await;
    assert_eq!(of_lot, (1_200_000_000, 334_800_000, 279_000, 84_000_000, 865_200_000));
    let of_unit = money(v1::SubjectKind::Unit, "bureau").await;
    assert_eq!(of_unit, (2_000_000_000, 558_000_000, 279_000, 140_000_000, 1_442_000_000));
    let of_project = money(v1::SubjectKind::Project, "school-1").await;
    assert_eq!(of_project, (2_000_000_000, 558_000_000, 279_000, 1_442_000_000, 1_442_000_000));
    let mut client = world.served.query().await;
    let all = v1::ListPerformanceRequest { min_sequence: Some(world.last), ..Default::default() };
    let listed = async |request: v1::ListPerformanceRequest| {
        let found = world.served.query().await.list_performance(request).await.unwrap().into_inner().performance;
        found.into_iter().map(|one| one.subject_id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed(all.clone()).await, "GENERAL bureau school-1");
    let units = v1::ListPerformanceRequest { subject_kind: v1::SubjectKind::Unit.into(), ..all.clone() };
    assert_eq!(listed(units).await, "bureau");
    let of_subject = v1::ListPerformanceRequest { subject_id: "school-1".to_owned(), ..all.clone() };
    assert_eq!(listed(of_subject).await, "school-1");
    assert_eq!(listed(v1::ListPerformanceRequest { year: 2027, ..all.clone() }).await, "");
    let first = v1::ListPerformanceRequest { page_size: 2, ..all };
    let page = client.list_performance(first.clone()).await.unwrap().into_inner();
    let mut next = v1::ListPerformanceRequest { page_token: page.next_page_token, ..first };
    assert_eq!(listed(next.clone()).await, "school-1");
    next.year = 2026;
    assert!(client.list_performance(next).await.is_err(), "a token is for what was asked");
    let unknown = v1::GetPerformanceRequest {
        subject_kind: v1::SubjectKind::Lot.into(),
        subject_id: "BOND".to_owned(),
        year: 2026,
        min_sequence: None,
    };
    assert_eq!(client.get_performance(unknown).await.unwrap_err().code(), tonic::Code::NotFound);
    let url = world.served.url();
    let shown = run(&["performance", "--server", &url, "--kind", "lot", "--year", "2026", "--format", "csv"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let together = "LOT,GENERAL,2026,,,,,,,,,,0,,1200000000,334800000,279000,84000000,865200000,CNY,2";
    assert_eq!(shown.lines().nth(1), Some(together), "{shown}");
    let of_goal = "LOT,GENERAL,2026,places,新增学位,OUTPUT,AT_LEAST,900000,,个,,1000000,0,,,,,,,,";
    assert_eq!(shown.lines().nth(2), Some(of_goal), "{shown}");
    let shown = run(&["--lang", "zh", "performance", "--server", &url, "--subject", "bureau"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    // For people: words of their language, percentages, decimals.
    let words = ["执行率", "单位 │ bureau", "%", "CNY"];
    assert!(words.iter().all(|word| shown.contains(word)) && !shown.contains("UNIT"), "{shown}");
    let shown = run(&["performance", "--server", &url, "--kind", "lot", "--year", "2026"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let words = ["12,000,000.00", "3,348,000.00", "27.9000%", "900.000", "At least"];
    assert!(words.iter().all(|word| shown.contains(word)) && !shown.contains("AT_LEAST"), "{shown}");
    let shown = run(&["performance", "--server", &url, "--kind", "project", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["performance"][0]["goals"][0]["actual_milli"], Value::Null);
}
