//! Bank statements held against the books, by the real binary and a real server: what matches, what differs and since when,
//! what is on record, what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

#[path = "server/mod.rs"]
mod server;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use fundledger::pb::Date;
use fundledger::pb::v1::{self, command::Payload, post_result::Outcome};
use serde_json::{Value, json};
use server::{Served, command, errors, run, set_up};

const MAPPING: &str = "deploy/mappings/bank-statement.toml";
const JUNE_CSV: &str = "tests/data/bank/june.csv";
const JUNE: &str = "tests/data/bank/june.xml";
const LATE_JUNE: &str = "tests/data/bank/late-june.xml";
const JULY: &str = "tests/data/bank/july.xml";
/// The statement of the two in the June file that is the account's.
const OURS: [&str; 2] = ["--bank-account", "6222000000000001"];

fn on(day: i32, id: &str, payload: Payload) -> v1::Command {
    v1::Command { business_date: Some(Date { year: 2026, month: 6, day }), ..command(id, payload) }
}

fn pay(id: &str, amount_minor: i64) -> v1::Command {
    let payload = Payload::ExecutePayment(Box::new(v1::ExecutePayment {
        payment_id: id.to_owned(),
        from_account_id: "U.unit".to_owned(),
        amount_minor,
        payee: "Supplier Ltd".to_owned(),
        purpose: "goods".to_owned(),
        method: v1::PaymentMethod::Direct.into(),
        ..Default::default()
    }));
    on(15, id, payload)
}

fn clear(day: i32, bank_reference: &str, payments: &[&str]) -> v1::Command {
    let payload = Payload::ClearPayments(Box::new(v1::ClearPayments {
        payment_ids: payments.iter().map(|id| (*id).to_owned()).collect(),
        bank_reference: bank_reference.to_owned(),
    }));
    on(day, bank_reference, payload)
}

fn give_back(day: i32, bank_reference: &str, payment_id: &str, amount_minor: i64) -> v1::Command {
    let payload = Payload::ReturnPayment(Box::new(v1::ReturnPayment {
        payment_id: payment_id.to_owned(),
        amount_minor,
        bank_reference: bank_reference.to_owned(),
        reason_code: "WRONG_ACCOUNT".to_owned(),
    }));
    on(day, bank_reference, payload)
}

struct World {
    served: Served,
}

impl World {
    /// June 2026: cash, two payments cleared together, one alone, a return, and one that the bank books in July.
    async fn new() -> Self {
        let served = Served::new();
        served.accept(set_up()).await;
        let story = vec![
            pay("P-1", 20_000),
            pay("P-2", 30_000),
            pay("P-3", 5_000),
            pay("P-4", 7_000),
            clear(16, "CLR-1", &["P-1", "P-2"]),
            clear(17, "CLR-2", &["P-3"]),
            give_back(18, "RET-1", "P-2", 12_000),
            clear(30, "CLR-3", &["P-4"]),
        ];
        let world = Self { served };
        world.accept(story).await;
        world
    }

    /// Posts commands, and waits until readers see them.
    async fn accept(&self, commands: Vec<v1::Command>) {
        let last = self.served.accept(commands).await.last().unwrap().sequence;
        let request = v1::ListBalancesRequest { min_sequence: Some(last), ..Default::default() };
        self.served.query().await.list_balances(request).await.unwrap();
    }

    fn reconcile(&self, arguments: &[&str]) -> Output {
        let url = self.served.url();
        let mut all = vec!["--server", url.as_str(), "--quiet", "reconcile", "--account", "treasury"];
        all.extend(arguments);
        run(&all)
    }

    fn json(&self, exit: i32, arguments: &[&str]) -> Value {
        let output = self.reconcile(&[arguments, &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}", errors(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", errors(&output)))
    }

    /// A file of another content.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.served.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The June statement with some of its text replaced.
    fn june(&self, name: &str, replaced: &[(&str, &str)]) -> PathBuf {
        let mut text = fs::read_to_string(JUNE).unwrap();
        for (from, to) in replaced {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        self.file(name, text)
    }

    fn head(&self) -> i64 {
        let url = self.served.url();
        let output = run(&["--server", &url, "balance", "--format", "json"]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["position"]["sequence"].as_i64().unwrap()
    }

    fn verify(&mut self) {
        self.served.stop();
        let data = self.served.data();
        let verified = run(&["verify", data.to_str().unwrap(), "--deep", "--allow-unanchored"]);
        assert!(verified.status.success(), "{}{}", String::from_utf8_lossy(&verified.stdout), errors(&verified));
        self.served.start();
    }
}

/// Status, reference, bank and books of what differs.
fn open(report: &Value) -> Vec<(&str, &str, i64, i64)> {
    let open = report["open"].as_array().unwrap().iter();
    open.map(|item| {
        let text = |key: &str| item[key].as_str().unwrap();
        let minor = |key: &str| item[key].as_i64().unwrap();
        (text("status"), text("bank_reference"), minor("bank_minor"), minor("book_minor"))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn statements_agree_differ_and_agree_again() {
    let mut world = World::new().await;
    // CSV in GB18030, then the same month as XML: wholly matched.
    let csv = world.json(0, &["--mapping", MAPPING, JUNE_CSV]);
    assert_eq!((&csv["entries"], &csv["matched_by_reference"]), (&json!(4), &json!(4)));
    assert_eq!((&csv["bank_closing_minor"], &csv["books_closing_minor"]), (&json!(99_957_000), &json!(99_957_000)));
    assert_eq!((&csv["recorded_before"], &csv["unexplained_minor"]), (&json!(false), &json!(0)));
    let xml = world.json(0, &[&OURS[..], &["--maker", "cashier-1", JUNE]].concat());
    assert_eq!((&xml["matched_by_reference"], &xml["pending"]), (&json!(4), &json!(1)));
    assert_eq!(xml["not_booked"][0]["bank_minor"], json!(-999));
    assert_eq!(xml["statement_id"], json!("S-JUNE"));
    // Another run records nothing and says the same.
    let head = world.head();
    let again = world.json(0, &["--mapping", MAPPING, JUNE_CSV]);
    assert_eq!(world.head(), head);
    let without = |report: &Value| {
        let mut report = report.clone();
        report.as_object_mut().unwrap().remove("recorded_before");
        report
    };
    assert_eq!((without(&again), &again["recorded_before"]), (without(&csv), &json!(true)));
    // In transit: the books have it in June, the bank in July.
    let late = world.json(1, &["--maker", "cashier-1", LATE_JUNE]);
    assert_eq!(open(&late), [("BOOKS_ONLY", "CLR-3", 0, -7_000)]);
    assert_eq!((&late["entries"], &late["unexplained_minor"]), (&json!(0), &json!(0)));
    let july = world.json(0, &["--maker", "cashier-1", JULY]);
    assert_eq!((&july["carried"], &july["matched"], &july["differences"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(july["previous_sequence"], late["recorded_sequence"]);
    // What was answered once is answered so for ever, though July is on record now.
    assert_eq!(world.json(1, &["--maker", "cashier-1", LATE_JUNE])["open"], late["open"]);
    // On record, for everybody.
    let list = world.json(0, &["--list"]);
    let rows: Vec<_> =
        list["reconciliations"].as_array().unwrap().iter().map(|row| (&row["last_day"], &row["differences"])).collect();
    let day = |day: &str| json!(day);
    let expected = [("2026-06-18", 0), ("2026-06-20", 0), ("2026-06-30", 1), ("2026-07-05", 0)]
        .map(|(on, count)| (day(on), json!(count)));
    assert_eq!(rows, expected.iter().map(|(on, count)| (on, count)).collect::<Vec<_>>());
    let request = v1::ListEventsRequest { account_id: "treasury".to_owned(), page_size: 3, ..Default::default() };
    let (mut kinds, mut request) = (Vec::new(), request);
    loop {
        let answer = world.served.query().await.list_events(request.clone()).await.unwrap().into_inner();
        kinds.extend(
            answer.records.iter().map(|record| {
                matches!(record.event.as_ref().unwrap().payload, Some(v1::event::Payload::Reconciled(_)))
            }),
        );
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(kinds, [false, false, false, false, false, true, true, true, true], "movements, then comparisons");
    // A comparison moves nothing: the account's own statement does not show it.
    let statement = v1::GetStatementRequest { account_id: "treasury".to_owned(), ..Default::default() };
    assert_eq!(world.served.query().await.get_statement(statement).await.unwrap().into_inner().entries.len(), 5);
    world.verify();
    assert_eq!(world.json(0, &["--list"]), list);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn differences_are_told_one_by_one() {
    let world = World::new().await;
    let check = |name: &str, replaced: &[(&str, &str)], expected: &[(&str, &str, i64, i64)]| {
        let file = world.june(name, replaced);
        let report = world.json(1, &[&OURS[..], &["--dry-run", file.to_str().unwrap()]].concat());
        assert_eq!(open(&report), expected, "{name}");
        assert_eq!((&report["unexplained_minor"], &report["recorded_sequence"]), (&json!(0), &Value::Null), "{name}");
        report
    };
    let closing = |to: &'static str| ("999570.00", to);
    let text = fs::read_to_string(JUNE).unwrap();
    let entries: Vec<&str> = text.split("      <Ntry>").skip(1).collect();
    let entry = |at: usize| format!("      <Ntry>{}", entries[at].split("</Ntry>").next().unwrap());
    let (second, third) = (entry(1), entry(2));
    // One is missing, one is there that the books lack, one has another amount.
    let pending = third.replace("BOOK", "INFO");
    let missing = check(
        "missing",
        &[(third.as_str(), pending.as_str()), closing("999620.00")],
        &[("BOOKS_ONLY", "CLR-2", 0, -5_000)],
    );
    assert_eq!(missing["pending"], json!(2));
    let extra =
        format!("{}</Ntry>\n{third}", third.replace("BANK-77", "FEE-1").replace("CLR-2", "F").replace("50.0", "0.50"));
    check("extra", &[(third.as_str(), extra.as_str()), closing("999569.50")], &[("BANK_ONLY", "FEE-1", -50, 0)]);
    check("amount", &[(">50.0<", ">51.0<"), closing("999569.00")], &[("AMOUNT_DIFFERS", "CLR-2", -5_100, -5_000)]);
    // Twice the same is two entries, not one.
    let twice = format!("{third}</Ntry>\n{third}");
    let report =
        check("twice", &[(third.as_str(), twice.as_str()), closing("999520.00")], &[("BANK_ONLY", "CLR-2", -5_000, 0)]);
    assert_eq!((&report["repeated_references"], &report["matched"]), (&json!(1), &json!(4)));
    // Two entries of the bank for one clearing of two payments.
    let part = |amount: &str| second.split("<NtryDtls>").next().unwrap().replace("500.00", amount);
    let parts = format!("{}</Ntry>\n{}", part("200.00"), part("300.00"));
    let file = world.june("parts", &[(second.as_str(), parts.as_str())]);
    let report = world.json(0, &[&OURS[..], &["--dry-run", file.to_str().unwrap()]].concat());
    assert_eq!((&report["matched_by_sum"], &report["matched"]), (&json!(2), &json!(5)));
    // Without a reference: by day and amount, and the report says so.
    let file = world.june("nameless", &[("<NtryRef>CLR-2</NtryRef>", ""), ("<AcctSvcrRef>BANK-77</AcctSvcrRef>", "")]);
    let report = world.json(0, &[&OURS[..], &["--dry-run", file.to_str().unwrap()]].concat());
    assert_eq!(report["by_day_and_amount"][0]["bank_reference"], json!("CLR-2"));
    // On another day it is another entry; what stands for it names statement and place.
    let replaced = [
        ("<NtryRef>CLR-2</NtryRef>", ""),
        ("<AcctSvcrRef>BANK-77</AcctSvcrRef>", ""),
        ("<Dt>2026-06-17</Dt>", "<Dt>2026-06-19</Dt>"),
    ];
    let file = world.june("elsewhen", &replaced);
    let report = world.json(1, &[&OURS[..], &["--dry-run", file.to_str().unwrap()]].concat());
    let handle = format!("{}#3", &report["statement_sha256"].as_str().unwrap()[..8]);
    assert_eq!(open(&report), [("BOOKS_ONLY", "CLR-2", 0, -5_000), ("BANK_ONLY", handle.as_str(), -5_000, 0)]);
    // The bank's own books began with another balance.
    let file = world.june("opening", &[(">0.00<", ">5.00<"), closing("999575.00")]);
    let report = world.json(1, &[&OURS[..], &["--dry-run", file.to_str().unwrap()]].concat());
    assert_eq!((&report["unexplained_minor"], &report["differences"]), (&json!(500), &json!(0)));
    // People see it too, in their language.
    let output = world.reconcile(&["--lang", "zh", "--dry-run", LATE_JUNE]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("账面已记、银行未记") && shown.contains("-70.00"), "{shown}");
    assert!(errors(&output).contains("银行与账面不符"), "{}", errors(&output));
    let output = world.reconcile(&["--format", "csv", "--dry-run", LATE_JUNE]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("BOOKS_ONLY,CLR-3,2026-06-30,0,0.00,-7000,-70.00,,,"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_books_learn_later_is_found() {
    let mut world = World::new().await;
    let late = world.json(1, &["--maker", "cashier-1", LATE_JUNE]);
    assert_eq!(late["differences"], json!(1));
    // Booked in July for a day of June that was compared already: the books' balance of June is another now.
    world.accept(vec![give_back(25, "RET-9", "P-1", 1_000)]).await;
    let july = world.json(1, &["--maker", "cashier-1", JULY]);
    assert_eq!(open(&july), [("BOOKS_ONLY", "RET-9", 0, 1_000)]);
    assert_eq!((&july["unexplained_minor"], &july["matched"]), (&json!(0), &json!(1)));
    // The same statement once more, with the books as they are now: another record, the first stays.
    let again = world.json(1, &["--maker", "cashier-1", "--again", LATE_JUNE]);
    assert_eq!(again["differences"], json!(2));
    assert_eq!(world.json(1, &["--maker", "cashier-1", LATE_JUNE])["differences"], json!(1));
    world.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_refused_records_nothing() {
    let world = World::new().await;
    let head = world.head();
    let check = |exit: i32, message: &str, arguments: &[&str]| {
        let output = world.reconcile(arguments);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(message), "{arguments:?}: {}", errors(&output));
    };
    let maker = ["--maker", "cashier-1"];
    let june = |name: &str, from: &str, to: &str| world.june(name, &[(from, to)]).to_str().unwrap().to_owned();
    let with = |rest: &[&str]| -> Vec<String> {
        OURS.iter().chain(&maker).chain(rest).map(|text| (*text).to_owned()).collect()
    };
    let refuse = |exit: i32, message: &str, file: &str| {
        let arguments = with(&[file]);
        check(exit, message, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    };
    refuse(
        1,
        "opening balance and entries make 999570.00, the closing balance is 999571.00",
        &june("a", "999570.00", "999571.00"),
    );
    refuse(
        1,
        "2026-06-21 is outside the statement's time, 2026-06-15 to 2026-06-20",
        &june("b", "<Dt>2026-06-17</Dt>", "<Dt>2026-06-21</Dt>"),
    );
    refuse(
        1,
        "the amount is in USD, the account in CNY",
        &june("c", "<Amt Ccy=\"CNY\">50.0</Amt>", "<Amt Ccy=\"USD\">50.0</Amt>"),
    );
    refuse(1, "an entry of nothing", &june("d", ">50.0<", ">0.00<"));
    refuse(3, "more than 2 decimal places", &june("e", ">50.0<", ">50.001<"));
    refuse(
        3,
        "line 3, column",
        &june("f", "<Document", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Document"),
    );
    refuse(3, "no well-formed XML", &june("g", "</Sts>", "</Stt>"));
    refuse(
        2,
        "the statement asked for is not in it; it has: S-OTHER (6222000000000002), S-JUNE",
        &june("h", "<Id>6222000000000001</Id>", "<Id>1</Id>"),
    );
    refuse(2, "say --closing-balance", &june("i", "<Cd>CLBD</Cd>", "<Cd>XXXX</Cd>"));
    check(2, "several statements: S-OTHER", &["--maker", "m", JUNE]);
    check(2, "a CSV needs --mapping", &["--maker", "m", JUNE_CSV]);
    check(2, "--mapping is for a CSV", &["--mapping", MAPPING, JUNE]);
    check(2, "--maker NAME", &[JULY]);
    check(2, "required", &["--maker", "m"]);
    check(3, "no-such-file.xml", &["--maker", "m", "no-such-file.xml"]);
    check(
        1,
        "--closing-balance is 1.00, the statement says 999570.00",
        &["--maker", "m", "--closing-balance", "1", LATE_JUNE],
    );
    let csv = fs::read(JUNE_CSV).unwrap();
    let text = encoding_rs::GB18030.decode(&csv).0.into_owned();
    let altered = |name: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        world.file(name, encoding_rs::GB18030.encode(&text.replace(from, to)).0).to_str().unwrap().to_owned()
    };
    let csv = |exit, message: &str, file: &str| check(exit, message, &["--mapping", MAPPING, file]);
    csv(
        1,
        "line 6: the balance is 999451.00, after the row before it should be 999450.00",
        &altered("k", "\"999,450.00\"", "\"999,451.00\""),
    );
    csv(1, "line 5: the amount is in 美元", &altered("l", "20260616,人民币", "20260616,美元"));
    csv(3, "line 5: `20260631` is no date", &altered("m", "20260616", "20260631"));
    csv(1, "line 6: an entry of nothing", &altered("n", "0.00,50.00", "0.00,0.00"));
    csv(3, "line 6: the row has an amount on both sides", &altered("o", "0.00,50.00", "1.00,50.00"));
    csv(2, "line 3: no column `流水号, 交易流水号`", &altered("p", "流水号", "号"));
    csv(
        3,
        "gb18030",
        world.file("q", [fs::read(JUNE_CSV).unwrap().as_slice(), &[0xff, 0xff]].concat()).to_str().unwrap(),
    );
    let of = |account: &str| {
        let url = world.served.url();
        run(&["--server", &url, "reconcile", "--account", account, "--maker", "m", JULY])
    };
    assert!(errors(&of("lots")).contains("stands for no bank account"));
    assert!(errors(&of("nobody")).contains("ACCOUNT_NOT_FOUND"));
    assert_eq!((of("lots").status.code(), of("nobody").status.code()), (Some(1), Some(1)));
    let away = run(&["--server", "http://127.0.0.1:1", "reconcile", "--account", "treasury", "--maker", "m", JULY]);
    assert_eq!(away.status.code(), Some(3));
    // More differences than a record holds: told in full, and not recorded.
    let header = "交易日期,币种,流水号,收入金额,支出金额,账户余额\n";
    let rows: Vec<String> = (1..=257).map(|n| format!("20260701,人民币,X-{n},1.00,,{}.00\n", 999_500 + n)).collect();
    let rows = rows.concat();
    let many = world.file("many.csv", encoding_rs::GB18030.encode(&format!("a\nb\n{header}{rows}")).0);
    let output = world.reconcile(&["--mapping", MAPPING, "--format", "csv", many.to_str().unwrap()]);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).lines().count()), (Some(1), 258));
    assert!(errors(&output).contains("257 differences: a record holds 256"), "{}", errors(&output));
    assert_eq!(world.head(), head, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_ledger_checks_what_is_said_of_its_books() {
    let world = World::new().await;
    let head = world.head();
    let claim = |account: &str, minor: i64, as_of: i64, day: i32| {
        Payload::RecordReconciliation(Box::new(v1::RecordReconciliation {
            account_id: account.to_owned(),
            statement_sha256: vec![7; 32].into(),
            from: Some(Date { year: 2026, month: 6, day: 15 }),
            to: Some(Date { year: 2026, month: 6, day }),
            bank_balance_minor: minor,
            book_balance_minor: minor,
            as_of_sequence: as_of,
            ..Default::default()
        }))
    };
    let give = async |id: &str, payload: Payload| {
        let request = v1::PostRequest { commands: vec![command(id, payload)], ..Default::default() };
        world.served.ledger().await.post(request).await.unwrap().into_inner().results.remove(0).outcome.unwrap()
    };
    let refused = async |id: &str, payload: Payload, wanted: &str| match give(id, payload).await {
        Outcome::Error(status) => assert!(status.message.contains(wanted), "{id}: {}", status.message),
        Outcome::Receipt(receipt) => panic!("{id}: {receipt:?}"),
    };
    // Of that day, as of that sequence, and no other.
    refused("one-off", claim("treasury", 99_957_001, head, 20), "book_balance_minor").await;
    refused("another-day", claim("treasury", 99_957_000, head, 30), "book_balance_minor").await;
    refused("earlier", claim("treasury", 99_957_000, head - 2, 20), "book_balance_minor").await;
    refused("future", claim("treasury", 99_957_000, head + 100, 20), "").await;
    // True, and of no bank account.
    refused("no-bank", claim("clearing", 7_000, head, 20), "CLEARING").await;
    assert!(matches!(give("true", claim("treasury", 99_957_000, head, 20)).await, Outcome::Receipt(_)));
    // A proposal of a false one is no proposal.
    let mut proposed = command("proposed", claim("treasury", 1, head, 20));
    proposed.checkers = Vec::new();
    let request = v1::ProposeRequest {
        request_id: "proposal".to_owned(),
        business_date: proposed.business_date,
        actor: proposed.actor.clone(),
        commands: vec![proposed],
        expires_at: Some(prost_types::Timestamp { seconds: 1_900_000_000, nanos: 0 }),
        ..Default::default()
    };
    let status = world.served.ledger().await.propose(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
}
