//! The auditors' rules over a served ledger, its directory and its bundle; and a hit that becomes a finding and is closed.

use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::StatusExt;

use crate::server::{errors, run};
use crate::world::{World, on};

const DIGEST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// Three contracts with one builder, each just below the threshold: 390,000.00 + 395,000.00 + 398,000.00.
async fn split() -> (World, Vec<i64>) {
    let mut world = World::new();
    let mut lines =
        vec![json!({ "defineFund": { "fundId": "DB", "name": "部门预算", "family": "FUND_FAMILY_DEPARTMENT_BUDGET",
            "legalBasis": "预算法" } })];
    for (id, kind, unit) in [
        ("source", "SOURCE", ""),
        ("unallocated", "UNALLOCATED", ""),
        ("unit", "UNIT", "A"),
        ("plan", "PLAN", "A"),
        ("committed", "COMMITTED", "A"),
    ] {
        lines.push(json!({ "openAccount": { "accountId": id, "fundId": "DB", "unitId": unit,
            "kind": format!("ACCOUNT_KIND_AUTHORITY_{kind}") } }));
    }
    lines.push(json!({ "issueBudget": { "lotId": "L", "toAccountId": "unallocated", "amountMinor": 200_000_000,
        "issuerId": "finance", "documentNumber": "财 1", "documentSha256": DIGEST } }));
    let movement = |from: &str, to: &str, amount: i64| {
        json!({ "fromAccountId": from, "toAccountId": to, "amountMinor": amount,
            "draws": [{ "lotId": "L", "amountMinor": amount }] })
    };
    lines.push(json!({ "allocateBudget": { "movement": movement("unallocated", "unit", 200_000_000) } }));
    lines.push(json!({ "approvePlan": { "movement": movement("unit", "plan", 200_000_000) } }));
    for (at, payload) in lines.into_iter().enumerate() {
        world.accept(&on("2026-03-01", &format!("s-{at}"), payload)).await;
    }
    let mut contracts = Vec::new();
    for (at, amount) in [39_000_000, 39_500_000, 39_800_000].into_iter().enumerate() {
        let commit = json!({ "commitAuthority": { "movement": movement("plan", "committed", amount),
            "contractId": format!("K-{at}"), "payee": "某建筑公司" } });
        contracts.push(world.accept(&on(&format!("2026-03-{:02}", 2 + at * 10), &format!("k-{at}"), commit)).await);
    }
    (world, contracts)
}

async fn run_rules(world: &World, request: v1::RunRulesRequest) -> Result<v1::RunRulesResponse, Status> {
    let mut client = AuditServiceClient::new(world.served.channel().await);
    let request = v1::RunRulesRequest { pack: "cn-audit".to_owned(), ..request };
    client.run_rules(request).await.map(tonic::Response::into_inner)
}

fn told(arguments: &[&str]) -> Value {
    let output = run(&[&["rules", "run", "--format", "json"], arguments].concat());
    assert!(output.status.success(), "{}", errors(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_split_is_found_flagged_answered_put_right_and_closed() {
    let (mut world, contracts) = split().await;
    let only = || v1::RunRulesRequest { rule_ids: vec!["R-SPLIT".to_owned()], ..Default::default() };
    let answer = run_rules(&world, only()).await.unwrap();
    let [hit] = answer.hits.as_slice() else { panic!("{answer:?}") };
    assert_eq!((hit.amount_minor, hit.sequences.as_slice()), (118_300_000, contracts.as_slice()));
    assert_eq!((hit.fund_id.as_str(), hit.unit_id.as_str(), hit.stage.as_str()), ("DB", "A", "NEW"));
    assert_eq!(hit.party_pseudonym.len(), 16);
    // The near miss: with another threshold it is none.
    let setting = v1::RuleSetting { rule_id: "R-SPLIT".to_owned(), name: "threshold".to_owned(), value: 50_000_000 };
    let other = run_rules(&world, v1::RunRulesRequest { settings: vec![setting], ..only() }).await.unwrap();
    assert!(other.hits.is_empty() && other.runs[0].is_run);
    // The hit's id is the finding's: rule, version, sequences, amount and evidence go into the chain.
    let auditor = |key: &str, payload: Value| {
        let mut line = on("2026-04-01", key, payload);
        line["actor"] = json!("auditor-1");
        line
    };
    let hit_id = hit.hit_id.clone();
    let steps = [
        (
            json!({ "flag": { "findingId": hit_id, "ruleId": hit.rule_id, "ruleVersion": hit.rule_version,
            "sequences": hit.sequences, "amountMinor": hit.amount_minor } }),
            true,
            "OPEN",
        ),
        (
            json!({ "explainFinding": { "findingId": hit_id, "documentNumber": "答复", "documentSha256": DIGEST } }),
            false,
            "EXPLAINED",
        ),
        (
            json!({ "rectifyFinding": { "findingId": hit_id, "documentNumber": "整改", "amountMinor": 1 } }),
            false,
            "RECTIFIED",
        ),
        (json!({ "closeFinding": { "findingId": hit_id, "outcome": "FINDING_OUTCOME_RECTIFIED" } }), true, "CLOSED"),
    ];
    for (at, (payload, is_auditors, stage)) in steps.into_iter().enumerate() {
        let key = format!("f-{at}");
        let line = if is_auditors { auditor(&key, payload) } else { on("2026-04-02", &key, payload) };
        world.accept(&line).await;
        let answer = run_rules(&world, only()).await.unwrap();
        assert_eq!((answer.hits[0].hit_id.as_str(), answer.hits[0].stage.as_str()), (hit_id.as_str(), stage));
    }
    let by_case = v1::ListEventsRequest { case_id: hit_id, ..Default::default() };
    assert_eq!(world.listed(by_case).await.len(), 4);
    // The command that a hit names shows the evidence.
    let evidence: Vec<&str> = hit.evidence_query.split(' ').collect();
    let url = world.served.url();
    let shown = run(&[&["--server", &url], evidence.as_slice()].concat());
    assert!(shown.status.success(), "{}: {}", hit.evidence_query, errors(&shown));
    world.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn server_directory_and_bundle_give_the_same_answer() {
    let (mut world, _) = split().await;
    let url = world.served.url();
    let of_server = told(&[&url]);
    assert_eq!(of_server, told(&["--server", &url]));
    assert_eq!(of_server["rules"].as_array().unwrap().len(), 28);
    assert_eq!(of_server["as_of"], "2026-03-22");
    let failing = run(&["rules", "run", &url, "--fail-on-hits"]);
    assert_eq!(failing.status.code(), Some(1));
    let chinese = run(&["--lang", "zh", "rules", "run", &url]);
    let chinese = String::from_utf8(chinese.stdout).unwrap();
    assert!(
        chinese.contains("化整为零") && chinese.contains("1,183,000.00") && chinese.contains("未运行：R-NEWCO"),
        "{chinese}"
    );
    let listed = run(&["rules", "list", "--format", "csv"]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 29);
    world.served.stop();
    let data = world.served.data();
    let bundle = data.with_file_name("rules.bundle");
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--bundle", bundle.to_str().unwrap()]);
    assert!(exported.status.success());
    for source in [data.to_str().unwrap(), bundle.to_str().unwrap()] {
        assert_eq!(told(&[source]), of_server, "{source}");
    }
    let directory = data.parent().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // Parameters: of a file, and over it of the command line.
    let parameters = file("parameters.toml", "[R-SPLIT]\nthreshold = 50_000_000\n[R-IDLE]\ndays = 1\n");
    let source = data.to_str().unwrap();
    assert!(told(&[source, "--rule", "R-SPLIT", "--parameters", &parameters])["hits"].as_array().unwrap().is_empty());
    let both = ["--rule", "R-SPLIT", "--parameters", &parameters, "--set", "R-SPLIT.threshold=40000000"];
    assert_eq!(told(&[&[source], both.as_slice()].concat())["hits"].as_array().unwrap().len(), 1);
    let companies =
        file("companies.csv", &format!("payee_pseudonym,founded_year,capital_minor\n{},2026,1\n", "0a".repeat(16)));
    let with = told(&[source, "--rule", "A0111", "--companies", &companies]);
    assert_eq!((&with["rules"][0]["is_run"], with["hits"].as_array().unwrap().len()), (&json!(true), 0));
    // What is wrong is said, and nothing is run.
    let bad_toml = file("bad.toml", "[R-IDLE]\ndays = \"x\"\n");
    let bad_csv = file("bad.csv", "payee_pseudonym,founded_year,capital_minor\nzz,2026,1\n");
    for wrong in [
        ["--rule", "R-NONE"],
        ["--set", "R-IDLE.weeks=1"],
        ["--set", "R-IDLE.days=-1"],
        ["--set", "R-IDLE"],
        ["--parameters", &bad_toml],
        ["--parameters", "/nowhere"],
        ["--companies", &bad_csv],
        ["--payee", "某人"],
        ["--payee-pseudonym", "12"],
        ["--pack", "other"],
    ] {
        let output = run(&[&["rules", "run", source], wrong.as_slice()].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", errors(&output));
    }
    // A broken log is no ground for anything.
    let mut bytes = std::fs::read(&bundle).unwrap();
    let at = bytes.windows(1).len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let broken = run(&["rules", "run", bundle.to_str().unwrap()]);
    assert!(matches!(broken.status.code(), Some(1 | 3)), "{}", errors(&broken));
    world.served.start();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_wrong_with_a_request_is_told_by_its_path() {
    let world = World::new();
    let setting = |rule: &str, name: &str, value| v1::RuleSetting { rule_id: rule.into(), name: name.into(), value };
    let company = |payee: &str| v1::Company { payee: payee.into(), ..Default::default() };
    let rows = [
        ("rule_ids", v1::RunRulesRequest { rule_ids: vec!["R-NONE".into()], ..Default::default() }),
        ("rule_ids", v1::RunRulesRequest { rule_ids: vec!["R-IDLE".into(); 65], ..Default::default() }),
        ("settings", v1::RunRulesRequest { settings: vec![setting("R-IDLE", "days", -1)], ..Default::default() }),
        ("settings", v1::RunRulesRequest { settings: vec![setting("R-IDLE", "x", 1)], ..Default::default() }),
        (
            "companies[1].payee",
            v1::RunRulesRequest { companies: vec![company("a"), company("")], ..Default::default() },
        ),
        ("payees[0]", v1::RunRulesRequest { payees: vec![String::new()], ..Default::default() }),
        ("advance_codes", v1::RunRulesRequest { advance_codes: vec!["x".into(); 257], ..Default::default() }),
    ];
    for (field, request) in rows {
        let refused = run_rules(&world, request).await.unwrap_err();
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    let mut client = AuditServiceClient::new(world.served.channel().await);
    let other = v1::RunRulesRequest { pack: "other".into(), ..Default::default() };
    let refused = client.run_rules(other).await.unwrap_err();
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "pack");
}

/// The page says what the pack holds.
#[test]
fn the_document_names_every_rule_with_its_parameters() {
    use fundledger::audit::rules::{NOT_COMPUTABLE, RULES};
    let page = std::fs::read_to_string("docs/rules.md").unwrap();
    for rule in RULES {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` ", rule.id)));
        let row = row.unwrap_or_else(|| panic!("docs/rules.md has no row of {}", rule.id));
        for parameter in rule.parameters {
            let said = format!("`{}` = {}", parameter.name, parameter.default);
            assert!(row.contains(&said), "{}: {said} in {row}", rule.id);
        }
        assert!(rule.alias.is_empty() || row.contains(rule.alias), "{}", rule.id);
    }
    assert!(NOT_COMPUTABLE.iter().all(|id| page.contains(&format!("`{id}`"))));
}
