//! What the command line shows, and what a damaged index does not.

use crate::server::{Served, payment, run, set_up};
use crate::world::{change, on, post};
use fundledger::pb::Date;
use fundledger::pb::v1::{self};
use tonic::Code;
use tonic_types::StatusExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_command_line_shows_statements_and_what_was() {
    let served = Served::new();
    let before = post(&served, set_up()).await;
    post(&served, vec![change(payment("v-1"), |payment| payment.amount_minor = 12_345)]).await;
    let early = Date { year: 2026, month: 6, day: 1 };
    post(&served, vec![on(early, change(payment("v-2"), |payment| payment.amount_minor = 5))]).await;
    let url = served.url();
    let show = |arguments: &[&str]| {
        let output = run(&[arguments, &["--server", &url]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", crate::server::errors(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let table = show(&["statement", "U.unit", "--from", "2026-06-01", "--to", "2026-06-15"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "account U.unit (AUTHORITY_UNIT), currency CNY", "{table}");
    assert!(lines[4].contains("opening balance") && lines[4].ends_with("│       0.00 │"), "{table}");
    // By business date: the payment that was dated back comes first.
    assert!(lines[5].contains("v-2") && lines[5].ends_with("│      -0.05 │"), "{table}");
    assert!(lines[6].contains("budget_allocated"), "{table}");
    assert!(lines[7].contains("v-1") && lines[7].contains(" 123.45 "), "{table}");
    assert!(lines[8].contains("closing balance") && lines[8].ends_with("│ 499,876.50 │"), "{table}");
    let csv = show(&["statement", "U.unit", "--to", "2026-06-14", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let json = show(&["statement", "U.unit", "--lot", "LOT-1", "--as-of", &before.to_string(), "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["closing_balance_minor"], &json["position"]["sequence"]), (&50_000_000.into(), &before.into()));
    let chinese = show(&["--lang", "zh", "statement", "U.unit"]);
    assert!(chinese.contains("期初余额") && chinese.contains("期末余额"), "{chinese}");

    assert!(show(&["balance", "U.unit"]).contains(" 499,876.50 "));
    assert!(show(&["balance", "U.unit", "--as-of", &before.to_string()]).contains(" 500,000.00 "));
    assert!(show(&["balance", "U.unit", "--on", "2026-06-14"]).contains(" -0.05 "));
    assert!(show(&["balance", "--as-of", "0"]).contains("as of sequence 0"));
    let traced = show(&["trace", "--lot", "LOT-1", "--as-of", &before.to_string()]);
    assert!(!traced.contains("v-1") && traced.contains(&format!("as of sequence {before}")), "{traced}");
    for wrong in [&["balance", "--on", "15.6.2026"][..], &["statement", "U.unit", "--from", "2026-02-30"]] {
        assert_eq!(run(&[wrong, &["--server", &url]].concat()).status.code(), Some(2), "{wrong:?}");
    }
}

/// A file of the index that changes under a running server gives an error and no answer; a restart builds it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_index_that_is_damaged_answers_nothing_until_a_restart() {
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept((0..300).map(|number| payment(&format!("p-{number}"))).collect()).await;
    // At the end all of it goes to a file.
    served.stop();
    served.start();
    let statement = async |served: &Served| {
        let request = v1::GetStatementRequest { account_id: "U.unit".to_owned(), ..Default::default() };
        served.query().await.get_statement(request).await.map(tonic::Response::into_inner)
    };
    let before = statement(&served).await.unwrap();
    let runs: Vec<_> =
        std::fs::read_dir(served.data().join("index")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!runs.is_empty());
    for run in &runs {
        let mut bytes = std::fs::read(run).unwrap();
        let (start, end) = (bytes.len() / 8, bytes.len() * 7 / 8);
        bytes[start..end].fill(0x55);
        std::fs::write(run, bytes).unwrap();
    }
    let damaged = statement(&served).await.unwrap_err();
    assert_eq!(damaged.code(), Code::DataLoss, "{damaged:?}");
    assert_eq!(damaged.get_details_error_info().unwrap().reason, "DATA_CORRUPTED");
    // Balances now need no index, and go on.
    let balance = v1::GetBalanceRequest { account_id: "U.unit".to_owned(), ..Default::default() };
    served.query().await.get_balance(balance).await.unwrap();
    served.kill();
    served.start();
    assert_eq!(statement(&served).await.unwrap().entries, before.entries);
}
