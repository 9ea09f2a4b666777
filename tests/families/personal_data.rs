//! Personal data: in the vault, committed to in the log, opened on record, restricted, erased, and then nowhere.

use std::fs;
use std::path::Path;

use fundledger::domain::ids::{PayeeRef, RequestId};
use fundledger::domain::personal::PersonalField;
use fundledger::format::commitment::commitment;
use fundledger::format::keyed::KeyedDigest;
use fundledger::pb::v1;
use fundledger::pb::v1::PersonalDataState::{Erased, Present, Restricted};
use fundledger::pb::v1::personal_data_service_client::PersonalDataServiceClient;
use fundledger::vault::{Incoming, Staging, Vault};
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::StatusExt;

use crate::server::{errors, run};
use crate::world::{World, command, on};

const PERSON: &str = "330102199001011234";
const NAME: &str = "欧阳一二三四五";
const ACCOUNT: &str = "6222021202012345678";

/// A good command of each kind, for the test of fields too.
pub(crate) fn samples() -> Vec<Value> {
    let scope = json!({ "person": PERSON, "firstSequence": 3, "lastSequence": 9, "legalBasis": "个人信息保护法 47" });
    vec![
        json!({ "restrictPersonalData": scope }),
        json!({ "releasePersonalData": scope }),
        json!({ "erasePersonalData": scope }),
        json!({ "openPersonalData": { "sequence": 8, "person": PERSON, "field": "PERSONAL_FIELD_NAME",
            "legalBasis": "审计法 34" } }),
    ]
}

/// A matter that a person brings, with who they are.
fn brought(key: &str, matter: &str, name: &str) -> Value {
    let mut line = on(
        "2026-05-01",
        key,
        json!({ "openMatter": { "matterId": matter, "kind": "complaint",
        "unitId": "finance", "fundId": "NT", "party": PERSON, "firstHandler": "clerk-1" } }),
    );
    line["personalData"] = json!([
        { "person": PERSON, "field": "PERSONAL_FIELD_NAME", "value": name },
        { "person": PERSON, "field": "PERSONAL_FIELD_BANK_ACCOUNT", "value": ACCOUNT },
    ]);
    line
}

fn about(kind: &str, key: &str, range: (Option<i64>, Option<i64>)) -> Value {
    let mut scope = json!({ "person": PERSON, "legalBasis": "个人信息保护法 47" });
    if let Some(first) = range.0 {
        scope["firstSequence"] = json!(first);
    }
    if let Some(last) = range.1 {
        scope["lastSequence"] = json!(last);
    }
    on("2026-05-03", key, json!({ format!("{kind}PersonalData"): scope }))
}

async fn open(world: &World, key: &str, sequence: i64, field: &str) -> Result<v1::OpenPersonalDataResponse, Status> {
    let mut line = on(
        "2026-05-02",
        key,
        json!({ "openPersonalData": { "sequence": sequence, "person": PERSON,
        "field": format!("PERSONAL_FIELD_{field}"), "legalBasis": "审计法 34" } }),
    );
    line["actor"] = json!("auditor-1");
    line["checkers"] = json!([]);
    let mut client = PersonalDataServiceClient::new(world.served.channel().await);
    let request = v1::OpenPersonalDataRequest { command: Some(command(&line)) };
    client.open_personal_data(request).await.map(tonic::Response::into_inner)
}

async fn list(world: &World, request: v1::ListPersonalDataRequest) -> v1::ListPersonalDataResponse {
    let mut client = PersonalDataServiceClient::new(world.served.channel().await);
    client.list_personal_data(request).await.unwrap().into_inner()
}

async fn states(world: &World) -> Vec<(i64, v1::PersonalDataState)> {
    let request = v1::ListPersonalDataRequest { person: PERSON.to_owned(), ..Default::default() };
    list(world, request).await.entries.into_iter().map(|entry| (entry.sequence, entry.state())).collect()
}

fn reason(refused: Result<v1::OpenPersonalDataResponse, Status>) -> String {
    refused.unwrap_err().get_details_error_info().unwrap().reason
}

/// Whether a file under a directory holds some bytes.
fn holds(directory: &Path, needle: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, needle);
        }
        fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn values_stay_in_the_vault_and_open_what_the_log_commits_to() {
    let mut world = World::after("s5-nontax").await;
    let sequence = world.accept(&brought("m-1", "M-1", NAME)).await;
    let event = world.event(sequence).await;
    let fields: Vec<_> = event.personal_data.iter().map(|one| (one.field(), one.account.len())).collect();
    assert_eq!(fields, [(v1::PersonalField::Name, 0), (v1::PersonalField::BankAccount, 16)]);
    assert_eq!(states(&world).await, [(sequence, Present), (sequence, Present)]);
    let head =
        world.accept(&on("2026-05-01", "x", json!({ "closeMatter": { "matterId": "M-1", "outcomeCode": "A" } }))).await;
    // Opened on record, and checked against the log by whoever has the answer.
    let opened = open(&world, "open-1", sequence, "NAME").await.unwrap();
    assert_eq!((opened.value.as_str(), opened.request_id.as_str(), opened.sequence), (NAME, "m-1", sequence));
    assert_eq!(opened.receipt.as_ref().unwrap().sequence, head + 1);
    let record = world.event(head + 1).await;
    assert_eq!(record.actor, "auditor-1");
    assert!(matches!(record.payload, Some(v1::event::Payload::PersonalDataOpened(said)) if said.sequence == sequence));
    let party = PayeeRef(opened.person_pseudonym.as_ref().try_into().unwrap());
    let nonce: [u8; 32] = opened.nonce.as_ref().try_into().unwrap();
    let made = commitment(&nonce, "m-1", &party, PersonalField::Name, NAME);
    assert_eq!(made.as_slice(), event.personal_data[0].commitment.as_ref());
    // The same key gives the same opening, and no second event.
    let again = open(&world, "open-1", sequence, "NAME").await.unwrap();
    assert!(again.receipt.unwrap().replayed && again.value == NAME && again.nonce == opened.nonce);
    assert_eq!(reason(open(&world, "open-2", sequence, "ADDRESS").await), "PERSONAL_DATA_NOT_FOUND");
    assert_eq!(reason(open(&world, "open-2", head, "NAME").await), "PERSONAL_DATA_NOT_FOUND");
    // A retry is a retry; other data under the key are another command.
    let again = world.give(&brought("m-1", "M-1", NAME)).await;
    assert!(crate::server::receipt(again).replayed);
    let other = world.refuse(&brought("m-1", "M-1", "欧阳")).await;
    assert_eq!(other.reason, "IDEMPOTENCY_KEY_REUSED");
    assert!(other.facts.contains("first_different_field=personal_data"), "{}", other.facts);
    // What is refused leaves nothing behind; what is only validated neither.
    let exists = world.refuse(&brought("m-2", "M-1", NAME)).await;
    assert_eq!(exists.reason, "MATTER_EXISTS");
    assert_eq!(world.refuse(&brought("m-2", "M-1", NAME)).await.reason, "MATTER_EXISTS", "the same refusal again");
    let request = v1::PostRequest {
        commands: vec![command(&brought("m-3", "M-3", NAME))],
        validate_only: true,
        ..Default::default()
    };
    world.served.ledger().await.post(request).await.unwrap();
    assert_eq!(states(&world).await.len(), 2);
    let restricted = world.accept(&about("restrict", "r-0", (None, None))).await;
    let refused = world.event(restricted - 1).await;
    assert!(matches!(refused.payload, Some(v1::event::Payload::CommandRefused(_))));
    assert!(refused.personal_data.is_empty());
    world.verify().await;
    assert_eq!(states(&world).await, [(sequence, Restricted), (sequence, Restricted)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn at_the_command_line() {
    let mut world = World::after("s5-nontax").await;
    let sequence = world.accept(&brought("m-1", "M-1", NAME)).await.to_string();
    let url = world.served.url();
    let person = ["--server", &url, "personal-data", "list", "--person", PERSON];
    let listed = |more: &[&str]| {
        let listed = run(&[&person, more].concat());
        assert!(listed.status.success(), "{}", errors(&listed));
        String::from_utf8(listed.stdout).unwrap()
    };
    assert!(listed(&["--lang", "zh"]).contains("银行账号") && listed(&["--lang", "zh"]).contains("已存储"));
    assert!(listed(&["--format", "csv"]).lines().any(|line| line.contains(",NAME,PRESENT,")));
    assert_eq!(listed(&["--format", "json"]).matches("PRESENT").count(), 2);
    let of_event = run(&["--server", &url, "personal-data", "list", "--event", &sequence, "--format", "csv"]);
    assert_eq!(String::from_utf8(of_event.stdout).unwrap(), listed(&["--format", "csv"]));
    let opened = |field: &str, id: &str, more: &[&str]| {
        let arguments = [
            "--server",
            &url,
            "personal-data",
            "open",
            &sequence,
            "--person",
            PERSON,
            "--field",
            field,
            "--legal-basis",
            "审计法 34",
            "--auditor",
            "auditor-1",
            "--id",
            id,
        ];
        run(&[&arguments, more].concat())
    };
    let told = String::from_utf8(opened("name", "o-1", &[]).stdout).unwrap();
    let next = sequence.parse::<i64>().unwrap() + 1;
    let on_record =
        format!("opened on record at sequence {next}; committed to at sequence {sequence} by the command m-1");
    assert!(told.starts_with(NAME) && told.contains(&on_record), "{told}");
    let told: Value = serde_json::from_slice(&opened("bank-account", "o-2", &["--format", "json"]).stdout).unwrap();
    assert_eq!((told["value"].as_str(), told["field"].as_str()), (Some(ACCOUNT), Some("BANK_ACCOUNT")));
    // Held against the log by the auditor's own code: the value as it is, and one that was changed.
    let directory = world.served.data().parent().unwrap().to_owned();
    let check = |told: &Value, source: &str| {
        let file = directory.join("opening.json");
        fs::write(&file, told.to_string()).unwrap();
        run(&["personal-data", "check", file.to_str().unwrap(), source])
    };
    let checked = check(&told, &url);
    assert!(checked.status.success(), "{}", errors(&checked));
    for (field, value) in
        [("value", json!("6222")), ("request_id", json!("m-2")), ("sequence", json!(1)), ("field", json!("NAME"))]
    {
        let mut other = told.clone();
        other[field] = value;
        assert_eq!(check(&other, &url).status.code(), Some(1), "{field}");
    }
    let mut short = told.clone();
    short["nonce"] = json!("00");
    assert_eq!(check(&short, &url).status.code(), Some(2));
    world.accept(&about("erase", "e-1", (None, None))).await;
    let refused = opened("name", "o-3", &["--lang", "zh"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(errors(&refused).contains("已删除"), "{}", errors(&refused));
    // Whoever has the opening can check it for ever, offline.
    world.served.stop();
    let data = world.served.data();
    assert!(check(&told, data.to_str().unwrap()).status.success());
    world.served.start();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn restricted_and_erased() {
    let mut world = World::after("s5-nontax").await;
    let first = world.accept(&brought("m-1", "M-1", NAME)).await;
    let second = world.accept(&brought("m-2", "M-2", "欧阳五六七八九")).await;
    let opened = open(&world, "o-1", first, "NAME").await.unwrap();
    world.accept(&about("restrict", "r-1", (Some(second), None))).await;
    assert_eq!(reason(open(&world, "o-2", second, "NAME").await), "PERSONAL_DATA_RESTRICTED");
    world.accept(&about("release", "r-2", (None, None))).await;
    let opened_later = open(&world, "o-2", second, "NAME").await.unwrap();
    let head_before = world.event(first).await;
    // Without a checker, and beyond the head, nothing is erased.
    let mut alone = about("erase", "e-0", (None, None));
    alone["checkers"] = json!([]);
    assert_eq!(world.refuse(&alone).await.reason, "APPROVAL_MISSING");
    assert_eq!(world.refuse(&about("erase", "e-00", (Some(1), Some(99_999)))).await.reason, "EVENT_NOT_FOUND");
    world.accept(&about("erase", "e-1", (None, Some(first)))).await;
    // It is done when it is answered.
    let data = world.served.data();
    assert!(!holds(&data.join("vault"), &opened.nonce), "sealed");
    assert_eq!(states(&world).await, [(first, Erased), (first, Erased), (second, Present), (second, Present)]);
    assert_eq!(reason(open(&world, "o-3", first, "NAME").await), "PERSONAL_DATA_ERASED");
    assert_eq!(reason(open(&world, "o-1", first, "NAME").await), "PERSONAL_DATA_ERASED", "also a retry");
    assert_eq!(open(&world, "o-2", second, "NAME").await.unwrap().nonce, opened_later.nonce);
    // A retry of what was erased is still a retry, and brings nothing back.
    assert!(crate::server::receipt(world.give(&brought("m-1", "M-1", NAME)).await).replayed);
    assert_eq!(states(&world).await[0], (first, Erased));
    assert_eq!(world.event(first).await, head_before, "the entry is as it was");
    world.verify().await;
    world.accept(&about("erase", "e-2", (None, None))).await;
    world.verify().await;
    assert!(states(&world).await.iter().all(|(_, state)| *state == Erased));
    world.served.stop();
    let bundle = data.with_file_name("evidence");
    fs::create_dir(&bundle).unwrap();
    let file = bundle.join("bundle");
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--bundle", file.to_str().unwrap()]);
    assert!(exported.status.success());
    for needle in [
        NAME.as_bytes(),
        "欧阳五六七八九".as_bytes(),
        ACCOUNT.as_bytes(),
        PERSON.as_bytes(),
        &opened.nonce,
        &opened_later.nonce,
    ] {
        assert!(!holds(&data, needle) && !holds(&bundle, needle), "{needle:?}");
    }
    world.served.start();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn data_of_a_command_that_never_was_are_swept_out_at_the_next_start() {
    let mut world = World::after("s5-nontax").await;
    let kept = world.accept(&brought("m-1", "M-1", NAME)).await;
    world.served.kill();
    // The program ended between the vault and the log.
    let data = world.served.data();
    let key = |name: &str| {
        let text = fs::read_to_string(data.join("keys").join(name)).unwrap();
        let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect();
        <[u8; 32]>::try_from(bytes).unwrap()
    };
    let open_vault =
        || Vault::open(&data.join("vault"), &key("vault.key"), KeyedDigest::new(&[0; 32], "unused")).unwrap();
    let pseudonyms = KeyedDigest::new(&key("pseudonym.key"), "fundledger/payee/v1");
    let wire = command(&brought("m-2", "M-2", NAME));
    let datum = fundledger::grpc::convert::personal_data(&wire, &pseudonyms, "").unwrap();
    let incoming = |key: &str| Incoming { request_id: RequestId::parse(key).unwrap(), data: datum.clone() };
    let vault = open_vault();
    vault.stage(&[incoming("m-2"), incoming("m-3")], Staging::Command).unwrap();
    assert_eq!(vault.waiting().unwrap().len(), 2);
    drop(vault);
    world.served.start();
    assert_eq!(open(&world, "o-1", kept, "NAME").await.unwrap().value, NAME, "what is on record is there");
    world.served.stop();
    assert!(open_vault().waiting().unwrap().is_empty());
    world.served.start();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_wrong_with_personal_data_is_told_by_its_path() {
    let mut world = World::after("s5-nontax").await;
    let datum = |field: &str, value: &str| json!({ "person": PERSON, "field": field, "value": value });
    let name = "PERSONAL_FIELD_NAME";
    let many: Vec<Value> =
        (0..513).map(|at| json!({ "person": at.to_string(), "field": name, "value": "x" })).collect();
    let rows = [
        (json!([datum(name, "")]), "personal_data[0].value"),
        (json!([datum(name, "a\nb")]), "personal_data[0].value"),
        (json!([datum(name, &"长".repeat(257))]), "personal_data[0].value"),
        (json!([datum("PERSONAL_FIELD_UNSPECIFIED", "x")]), "personal_data[0].field"),
        (json!([datum(name, "x"), datum(name, "y")]), "personal_data[1].field"),
        (json!([{ "field": name, "value": "x" }]), "personal_data[0].person"),
        (json!(many), "personal_data"),
    ];
    for (data, path) in rows {
        let mut line = brought("m-1", "M-1", NAME);
        line["personalData"] = data;
        let refused = world.refuse(&line).await;
        assert_eq!(refused.reason, "FIELD_INVALID", "{path}");
        assert_eq!(refused.facts, format!("field=commands[0].{path}"));
    }
    let mut line = brought("m-1", "M-1", NAME);
    line["personalData"] = json!([]);
    line["personalCommitments"] = json!([{ "party": "AQ==", "field": name, "commitment": "AQ==", "account": "AQ==" }]);
    let refused = world.refuse(&line).await;
    assert!(refused.facts.contains("personal_commitments[0].party"), "{}", refused.facts);
    // So many in one request are refused as a whole.
    let full: Vec<Value> =
        (0..512).map(|at| json!({ "person": at.to_string(), "field": name, "value": "x" })).collect();
    let commands = (0..65).map(|at| {
        let mut line = brought(&format!("full-{at}"), &format!("F-{at}"), NAME);
        line["personalData"] = json!(full);
        command(&line)
    });
    let request = v1::PostRequest { commands: commands.collect(), ..Default::default() };
    let refused = world.served.ledger().await.post(request).await.unwrap_err();
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "commands.personal_data");
    // At its limits it is taken.
    line = brought("m-1", "M-1", &"长".repeat(256));
    let most: Vec<Value> =
        (0..511).map(|at| json!({ "person": at.to_string(), "field": name, "value": "x" })).collect();
    line["personalData"].as_array_mut().unwrap().truncate(1);
    line["personalData"].as_array_mut().unwrap().extend(most);
    let sequence = world.accept(&line).await;
    // Page after page.
    let mut seen = 0;
    let mut page_token = String::new();
    loop {
        let request =
            v1::ListPersonalDataRequest { sequence: Some(sequence), page_size: 200, page_token, ..Default::default() };
        let page = list(&world, request).await;
        seen += page.entries.len();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 512);
    world.verify().await;
}
