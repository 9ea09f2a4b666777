//! What is published is what is in the books: files made from a real ledger by the real program, checked against it, and
//! against it after somebody changed them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[path = "../server/mod.rs"]
mod server;
mod story;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;
use story::{Story, back, check, clear, payout};

use crate::server::{errors, run};

/// The rows of a JSON file, by column.
fn rows(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let columns: Vec<String> =
        file["columns"].as_array().unwrap().iter().map(|column| column["id"].as_str().unwrap().to_owned()).collect();
    let row = |row: &Value| {
        let cells = row.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap().to_owned());
        columns.iter().cloned().zip(cells).collect()
    };
    file["rows"].as_array().unwrap().iter().map(row).collect()
}

fn named<'a>(row: &'a std::collections::BTreeMap<String, String>, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| row[*name].as_str()).collect()
}

#[test]
fn tables_say_what_happened() {
    let story = Story::new();
    story.made("a", &["--table", "execution", "--month", "2026-03"]);
    let of = ["line", "fund_id", "issued", "unallocated", "with_units", "used_in_month", "used", "execution_rate"];
    let execution = rows(&story.path("a/execution-2026-03.json"));
    let said: Vec<Vec<&str>> = execution.iter().map(|row| named(row, &of)).collect();
    assert_eq!(
        said,
        [
            ["FUND", "GRANT", "100000.00", "20000.00", "76765.44", "3234.56", "3234.56", "3.23%"],
            ["FUND", "RELIEF", "100000.00", "20000.00", "78300.00", "1700.00", "1700.00", "1.70%"],
            ["TOTAL", "", "200000.00", "40000.00", "155065.44", "4934.56", "4934.56", "2.47%"],
        ]
    );
    let cash = ["cash_at_beginning", "cash_in", "cash_out", "cash_at_end"];
    assert_eq!(named(&execution[0], &cash), ["0.00", "100000.00", "1234.56", "98765.44"]);
    assert_eq!(named(&execution[1], &cash), ["0.00", "100100.00", "300.00", "99800.00"]);
    // A month later the same events are the year's, and no longer the month's.
    story.made("a", &["--table", "execution", "--month", "2026-04", "--fund", "GRANT"]);
    let april = rows(&story.path("a/execution-2026-04-GRANT.json"));
    assert_eq!(
        named(&april[0], &["used_in_month", "used_in_year", "cash_at_beginning"]),
        ["500.00", "3734.56", "98765.44"]
    );

    story.made("a", &["--table", "special", "--month", "2026-04", "--region", "330100"]);
    let special = rows(&story.path("a/special-2026-04-330100.json"));
    let said: Vec<Vec<&str>> = special
        .iter()
        .map(|row| named(row, &["line", "project_id", "used_in_month", "used", "left", "payments"]))
        .collect();
    assert_eq!(
        said,
        [
            ["FUND", "", "500.00", "3734.56", "96265.44", "3"],
            ["PROJECT", "road", "500.00", "1734.56", "", "2"],
            ["PROJECT", "school", "0.00", "2000.00", "", "1"],
        ]
    );

    let recipients = story.made("a", &["--table", "recipients", "--month", "2026-03"]);
    assert_eq!(
        (recipients["rows_left_out"].as_u64(), recipients["amount_left_out_minor"].as_str()),
        (Some(1), Some("40000"))
    );
    let published = rows(&story.path("a/recipients-2026-03.json"));
    let said: Vec<Vec<&str>> =
        published.iter().map(|row| named(row, &["movement", "recipient", "amount", "item_code"])).collect();
    assert_eq!(
        said,
        [
            ["PAID", "欧***", "300.00", "living"],
            ["PAID", "", "500.00", "living"],
            ["PAID", "=***", "600.00", "living"],
            ["RETURNED", "欧***", "-100.00", "living"],
        ]
    );
    // Each payout has the code that its receiver was given, and the code proves the row.
    for row in &published {
        let (code, sequence, amount) = (&row["receipt_code"], &row["sequence"], &row["amount"]);
        if row["movement"] == "RETURNED" {
            assert_eq!(code, "");
            continue;
        }
        let issued = run(&["receipt", "--of", sequence, "--server", &story.served.url()]);
        assert_eq!(String::from_utf8_lossy(&issued.stdout).trim(), code, "{}", errors(&issued));
        let proven = run(&["receipt", code, &story.served.url()]);
        let said = String::from_utf8_lossy(&proven.stdout).into_owned();
        assert!(said.contains("PROVEN") && said.contains(&format!("payment: {amount} CNY")), "{said}");
    }
    // No file says anything more of anybody.
    for file in fs::read_dir(story.path("a")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for secret in ["欧阳", "小明", "无号", story::ADULT, story::CHILD] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }

    story.made("a", &["--table", "flow", "--fund", "RELIEF"]);
    let flow = rows(&story.path("a/flow-RELIEF.json"));
    let edge = |from: &str, to: &str, event: &str| {
        let found = flow.iter().find(|row| named(row, &["from", "to", "event"]) == [from, to, event]);
        found.map(|row| row["amount"].clone())
    };
    assert_eq!(edge("AUTHORITY_SOURCE", "AUTHORITY_UNALLOCATED", "BudgetIssued").as_deref(), Some("100000.00"));
    assert_eq!(edge("AUTHORITY_UNIT", "AUTHORITY_USED", "PaymentExecuted").as_deref(), Some("2500.00"));
    assert_eq!(edge("AUTHORITY_USED", "AUTHORITY_UNIT", "PaymentReturned").as_deref(), Some("100.00"));
    assert_eq!(edge("OUTSIDE", "TREASURY", "CashReceived").as_deref(), Some("100000.00"));
    assert_eq!(edge("TREASURY", "OUTSIDE", "Cleared").as_deref(), Some("300.00"));
}

#[test]
fn another_program_makes_the_same_table_and_the_same_digest() {
    if !server::output(std::process::Command::new("python3").arg("--version")).is_ok_and(|done| done.status.success()) {
        writeln!(std::io::stderr(), "python3 is not here: the second program was SKIPPED").unwrap();
        return;
    }
    let story = Story::new();
    let events = story.path("events.jsonl");
    let listed = run(&["events", "--limit", "1000", "--format", "json", "--server", &story.served.url()]);
    assert!(listed.status.success(), "{}", errors(&listed));
    fs::write(&events, listed.stdout).unwrap();
    let oracle = |file: &Path| {
        let mut program = std::process::Command::new("python3");
        server::output(program.arg("tests/oracle/execution.py").args([events.as_path(), file])).unwrap()
    };
    for (table, more, file) in [
        ("execution", ["--month", "2026-03"], "execution-2026-03.json"),
        ("execution", ["--month", "2026-04"], "execution-2026-04.json"),
        ("recipients", ["--month", "2026-03"], "recipients-2026-03.json"),
        ("flow", ["--fund", "RELIEF"], "flow-RELIEF.json"),
    ] {
        let made = story.made("a", &[&["--table", table][..], &more].concat());
        let file = story.path("a").join(file);
        let checked = oracle(&file);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{table}: {}", errors(&checked));
        assert!(said.contains(made["digest"].as_str().unwrap()), "{said}");
        // It looks.
        let changed = story.path("changed.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&changed, text.replacen(".00\"", ".01\"", 1)).unwrap();
        assert!(!oracle(&changed).status.success(), "{table}");
    }
}

#[test]
fn the_same_table_has_the_same_bytes_and_one_digest() {
    let story = Story::new();
    let first =
        story.made("a", &["--table", "recipients", "--month", "2026-03", "--record", "D-1", "--maker", "discloser-1"]);
    let sequence = first["sequence"].as_i64().unwrap().to_string();
    assert_eq!(first["files"].as_array().unwrap().len(), 5);
    assert_eq!(first["recorded_sequence"].as_i64().unwrap(), first["sequence"].as_i64().unwrap() + 1);
    // Later, elsewhere, when more has happened.
    story.post(&[payout("2026-03-30", "late", "H9", 10_000, &[])]);
    let again = story.made("b", &["--table", "recipients", "--month", "2026-03", "--as-of", &sequence]);
    assert_eq!(first["digest"], again["digest"]);
    // Its id tells as of when it was made, and records it once.
    let recorded = ["--month", "2026-03", "--record", "D-1", "--maker", "discloser-1"];
    let again = story.made("c", &[&["--table", "recipients"], &recorded[..]].concat());
    let same = ["digest", "sequence", "recorded_sequence"].map(|what| first[what] == again[what]);
    assert_eq!(same, [true; 3], "{again}");
    let other = story.disclose("c", &[&["--table", "execution"], &recorded[..]].concat());
    assert!(errors(&other).contains("IDEMPOTENCY_KEY_REUSED"), "{}", errors(&other));
    for file in fs::read_dir(story.path("a")).unwrap() {
        let file = file.unwrap();
        let other = fs::read(story.path("b").join(file.file_name())).unwrap();
        assert!(fs::read(file.path()).unwrap() == other, "{:?}", file.file_name());
        // Each form, in each language, is the table that is on record.
        let (code, said) = story.check(&file.path());
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("D-1") && said.contains(first["digest"].as_str().unwrap()), "{said}");
    }
    let names: BTreeSet<_> = fs::read_dir(story.path("a")).unwrap().map(|file| file.unwrap().file_name()).collect();
    let unfinished = |name: &std::ffi::OsString| Path::new(name).extension().is_some_and(|suffix| suffix == "part");
    assert!(!names.iter().any(unfinished), "{names:?}");
    // Where it was published before, nothing is replaced by anything else.
    let replaced = story.disclose("a", &["--table", "recipients", "--month", "2026-03"]);
    assert_eq!(replaced.status.code(), Some(1), "{}", errors(&replaced));
    assert!(errors(&replaced).contains("was published before"), "{}", errors(&replaced));
    story.made("a", &["--table", "recipients", "--month", "2026-03", "--as-of", &sequence]);
}

#[test]
fn whatever_was_changed_is_named() {
    let story = Story::new();
    let made =
        story.made("a", &["--table", "execution", "--month", "2026-03", "--record", "D-1", "--maker", "discloser-1"]);
    let digest = made["digest"].as_str().unwrap();
    let csv = fs::read_to_string(story.path("a/execution-2026-03.en.csv")).unwrap();
    let json = fs::read_to_string(story.path("a/execution-2026-03.json")).unwrap();
    let changed = story.path("changed");
    let check = |bytes: &[u8]| {
        fs::write(&changed, bytes).unwrap();
        story.check(&changed)
    };
    let refused = |bytes: &[u8], expected: &str| {
        let (code, said) = check(bytes);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(expected), "{said}\nlacks: {expected}");
    };
    assert_eq!(check(csv.as_bytes()).0, 0);
    // One cell.
    refused(
        csv.replacen("3234.56", "3234.57", 1).as_bytes(),
        "Row 1, column used_in_month: the file says \"3234.57\", the books say \"3234.56\"",
    );
    refused(json.replacen("\"1700.00\"", "\"1070.00\"", 1).as_bytes(), "Row 2, column used_in_month");
    refused(csv.replacen("临时救助", "临时救济", 1).as_bytes(), "Row 2, column fund_name");
    refused(csv.replacen("Special fund", "Grant", 1).as_bytes(), "Row 1, column family");
    refused(csv.replacen("Special fund", "no term", 1).as_bytes(), "Row 1, column family: the file says \"no term\"");
    // A title, so that a true figure means something else.
    refused(csv.replacen("Used in the month", "Left", 1).as_bytes(), "title of column 11");
    // Rows.
    let lines: Vec<&str> = csv.split_inclusive("\r\n").collect();
    let without =
        |skip: usize| lines.iter().enumerate().filter(|(at, _)| *at != skip).map(|(_, line)| *line).collect::<String>();
    refused(without(1).as_bytes(), "Row 1, column");
    refused(without(3).as_bytes(), "at row 3");
    let doubled: String =
        lines.iter().enumerate().map(|(at, line)| if at == 3 { line.repeat(2) } else { (*line).to_owned() }).collect();
    refused(doubled.as_bytes(), "Row 4");
    refused(csv.replacen(",CNY,", ",CNY,,", 1).as_bytes(), "Row 1 has 23 cells; the table has 22 columns");
    // Cut, at every byte of its end.
    for length in (csv.len() - 200)..csv.len() {
        assert_ne!(check(&csv.as_bytes()[..length]).0, 0, "cut at {length}");
    }
    refused(&csv.as_bytes()[..csv.len() / 2], "was cut");
    refused(&json.as_bytes()[..json.len() / 2], "was cut");
    refused(b"", "it does not say");
    // Saved by something else.
    refused(csv.trim_start_matches('\u{feff}').as_bytes(), "every cell agrees".replace("every", "Every").as_str());
    refused(csv.replace("\r\n", "\n").as_bytes(), "Every cell agrees");
    let utf16: Vec<u8> = csv.encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&utf16, "");
    let (gbk, ..) = encoding(&csv);
    refused(&gbk, "not UTF-8");
    // What it says of itself.
    refused(csv.replacen(digest, &"0".repeat(64), 1).as_bytes(), "digest: the file says");
    refused(csv.replacen("#rows,3", "#rows,4", 1).as_bytes(), "rows: the file says \"4\"");
    refused(csv.replacen("#root,", "#root,0", 1).as_bytes(), "root is no SHA-256");
    refused(csv.replacen("test.invalid/funds", "other.invalid/funds", 1).as_bytes(), "other.invalid/funds");
    refused(csv.replacen("#parameter.month,2026-03", "#parameter.month,2026-04", 1).as_bytes(), "Row 1, column");
    refused(csv.replacen("#parameter.month,2026-03", "#parameter.month,2026-13", 1).as_bytes(), "no month");
    refused(csv.replacen("#columns,line ", "#columns,line line ", 1).as_bytes(), "stands twice");
    refused(csv.replacen("#layout,fundledger-table/1", "#layout,fundledger-table/2", 1).as_bytes(), "layout");
    // As of a sequence that the log has not reached.
    let later = csv.replacen(&format!("#sequence,{}", made["sequence"]), "#sequence,99999", 1);
    let (code, said) = check(later.as_bytes());
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("the log ends at"), "{said}");
    // As of another one that it has.
    refused(csv.replacen(&format!("#sequence,{}", made["sequence"]), "#sequence,30", 1).as_bytes(), "");
}

/// A text as GBK.
fn encoding(text: &str) -> (Vec<u8>, bool) {
    let (bytes, _, lossy) = encoding_rs::GBK.encode(text.trim_start_matches('\u{feff}'));
    (bytes.into_owned(), lossy)
}

#[test]
fn a_workbook_is_checked_cell_by_cell() {
    let story = Story::new();
    story.made("a", &["--table", "execution", "--month", "2026-03"]);
    let path = story.path("a/execution-2026-03.zh.xlsx");
    assert_eq!(story.check(&path).0, 0);
    // The same workbook with one amount changed, as a spreadsheet would save it.
    let changed = story.path("changed.xlsx");
    rewrite_workbook(&path, &changed, ">3234.56<", ">3234.57<");
    let (code, said) = story.check(&changed);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Row 1, column used_in_month: the file says \"3234.57\""), "{said}");
    rewrite_workbook(&path, &changed, "name=\"provenance\"", "name=\"other\"");
    assert_eq!(story.check(&changed).0, 1);
    // No workbook at all.
    fs::write(&changed, b"PK\x03\x04 no archive").unwrap();
    let (code, said) = story.check(&changed);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no workbook"), "{said}");
}

/// Copies a workbook with a text changed in its parts.
fn rewrite_workbook(from: &Path, to: &Path, old: &str, new: &str) {
    let mut workbook = zip::ZipArchive::new(fs::File::open(from).unwrap()).unwrap();
    let mut changed = zip::ZipWriter::new(fs::File::create(to).unwrap());
    let mut changes = 0;
    for at in 0..workbook.len() {
        let mut part = workbook.by_index(at).unwrap();
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        changes += text.matches(old).count();
        changed.start_file(part.name().unwrap(), zip::write::SimpleFileOptions::default()).unwrap();
        changed.write_all(text.replacen(old, new, 1).as_bytes()).unwrap();
    }
    changed.finish().unwrap();
    assert!(changes > 0, "nothing was changed");
}

#[test]
fn names_and_what_is_left_out_count_where_the_file_is_on_record() {
    let story = Story::new();
    story.made("a", &["--table", "recipients", "--month", "2026-03"]);
    let path = story.path("a/recipients-2026-03.zh.csv");
    // The log does not prove names.
    let (code, said) = story.check(&path);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no publication of it is on record"), "{said}");
    let recorded =
        story.made("a2", &["--table", "recipients", "--month", "2026-03", "--record", "D-1", "--maker", "discloser-1"]);
    let path = story.path("a2/recipients-2026-03.zh.csv");
    assert_eq!(story.check(&path).0, 0);
    let csv = fs::read_to_string(&path).unwrap();
    let changed = story.path("changed.csv");
    let check = |text: &str| {
        fs::write(&changed, text).unwrap();
        story.check(&changed)
    };
    // Another name is another digest, and that one is not on record, even where the file was given it.
    let (code, said) = check(&csv.replacen("欧***", "王***", 1));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("digest: the file says"), "{said}");
    let (code, said) = check(&csv.replacen("欧***", "欧阳娜娜", 1));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("a name is not masked"), "{said}");
    // A row that is taken out is counted as left out.
    let row = csv.lines().find(|line| line.contains("欧***")).unwrap();
    let (code, said) = check(&csv.replacen(&format!("{row}\r\n"), "", 1));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("rows: the file says \"4\", the books say \"3\"") || said.contains("rows_left_out"),
        "{said}"
    );
    assert!(recorded["rows_left_out"] == 1);
}

#[test]
fn evidence_may_be_a_bundle_a_directory_or_another_ledger() {
    let mut story = Story::new();
    story.made("a", &["--table", "flow", "--fund", "GRANT"]);
    let file = story.path("a/flow-GRANT.en.csv");
    story.served.stop();
    let data = story.served.data();
    assert_eq!(check(&file, data.to_str().unwrap()).0, 0);
    let bundle = story.path("ledger.bundle");
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--bundle", bundle.to_str().unwrap()]);
    assert!(exported.status.success(), "{}", errors(&exported));
    assert_eq!(check(&file, bundle.to_str().unwrap()).0, 0);
    let from_bundle = |output: &Path| {
        let flow = ["disclose", bundle.to_str().unwrap(), "--table", "flow", "--fund", "GRANT"];
        run(&[&flow[..], &["--output", output.to_str().unwrap()]].concat())
    };
    // From a bundle it is made as well, byte by byte the same.
    let output = story.path("b");
    let made = from_bundle(&output);
    assert!(made.status.success(), "{}", errors(&made));
    assert!(fs::read(&file).unwrap() == fs::read(output.join("flow-GRANT.en.csv")).unwrap());
    // A damaged bundle publishes nothing.
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let output = story.path("c");
    let made = from_bundle(&output);
    assert_ne!(made.status.code(), Some(0));
    assert_eq!(fs::read_dir(output).unwrap().count(), 0, "nothing half made is left");
    let other = Story::new();
    let (code, said) = other.check(&file);
    assert_eq!(code, 1, "{said}");
}

#[test]
fn templates_are_read_strictly() {
    let story = Story::new();
    let template = story.path("template.toml");
    let disclose = |text: &str| {
        fs::write(&template, text).unwrap();
        let made = story.disclose("t", &["--template", template.to_str().unwrap()]);
        (made.status.code().unwrap(), errors(&made))
    };
    let good = "table = \"execution\"\nmonth = \"2026-03\"\nfunds = [\"GRANT\"]\ncolumns = [\"fund_id\", \"used\"]\n";
    assert_eq!(disclose(good).0, 0);
    let csv = fs::read_to_string(story.path("t/execution-2026-03-GRANT.en.csv")).unwrap();
    assert!(
        csv.starts_with("\u{feff}Fund,Used in all\r\nGRANT,3734.56\r\n")
            || csv.starts_with("\u{feff}Fund,Used in all\r\nGRANT,3234.56\r\n"),
        "{csv}"
    );
    assert_eq!(story.check(&story.path("t/execution-2026-03-GRANT.zh.csv")).0, 0);
    for (text, expected) in [
        ("table = \"execution\"\nmonth = \"2026-03\"\ncolour = \"red\"\n", "colour"),
        ("table = \"execution\"\nmonth = \"2026-03\"\ncolumns = [\"used\", \"payee_name\"]\n", "payee_name"),
        ("table = \"execution\"\nmonth = \"2026-03\"\ncolumns = [\"used\", \"used\"]\n", "twice"),
        ("table = \"salaries\"\nmonth = \"2026-03\"\n", "salaries"),
        ("table = \"execution\"\nmonth = \"2026-3\"\n", "2026-3"),
        ("table = \"execution\"\n", "needs a month"),
        ("table = \"flow\"\n", "exactly one fund"),
        ("table = \"flow\"\nmonth = \"2026-03\"\nfunds = [\"GRANT\"]\n", "has no month"),
        ("table = \"recipients\"\nmonth = \"2026-03\"\ncolumns = [\"recipient\"]\n", "sequence, operation and amount"),
        ("table = ", "template.toml"),
    ] {
        let (code, said) = disclose(text);
        assert_eq!(code, 2, "{text}: {said}");
        assert!(said.contains(expected), "{text}: {said}");
    }
    let beyond = story.disclose("t", &["--table", "execution", "--month", "2026-03", "--as-of", "9999"]);
    assert_eq!(beyond.status.code(), Some(2), "{}", errors(&beyond));
}

/// Nothing about a minor is published: not what they got, nor what came back of it, in whatever month, nor what they got when
/// their number was not told again; with names or without.
#[test]
fn of_a_minor_no_row_is_published() {
    let story = Story::new();
    let mut later = payout("2026-04-10", "out-6", "H2", 45_000, &[]);
    later["executePayment"]["payout"]["period"] = 202_604.into();
    story.post(&[
        clear("out-2"),
        back("2026-03-26", "back-2", "out-2", 10_000),
        back("2026-04-03", "back-3", "out-2", 5_000),
        later,
    ]);
    for (month, left_out, amount, amounts) in
        [("2026-03", 2, "30000", &["300.00", "500.00", "600.00", "-100.00"][..]), ("2026-04", 2, "40000", &["700.00"])]
    {
        for (directory, more) in [("named", &[][..]), ("unnamed", &["--without-names"])] {
            let made = story.made(directory, &[&["--table", "recipients", "--month", month][..], more].concat());
            assert_eq!(
                (made["rows_left_out"].as_u64(), &made["amount_left_out_minor"]),
                (Some(left_out), &amount.into())
            );
            let said = rows(&story.path(&format!("{directory}/recipients-{month}.json")));
            assert_eq!(
                said.iter().map(|row| row["amount"].as_str()).collect::<Vec<_>>(),
                amounts,
                "{month} {directory}"
            );
            assert!(more.is_empty() || said.iter().all(|row| row["recipient"].is_empty()), "{said:?}");
            // The books prove all but who is a minor; the record stands for that.
            let (code, told) = story.check(&story.path(&format!("{directory}/recipients-{month}.en.csv")));
            assert_eq!(code, 1, "{told}");
            assert!(told.contains("on record"), "{told}");
        }
    }
}

/// Where nobody's age is known it is said, whatever remarks are wanted.
#[test]
fn without_a_vault_it_is_said_that_minors_are_in_it() {
    let mut story = Story::new();
    story.served.stop();
    let (data, output) = (story.served.data(), story.path("a"));
    let arguments = ["--quiet", "disclose", data.to_str().unwrap(), "--table", "recipients", "--month", "2026-03"];
    let made = run(&[&arguments[..], &["--output", output.to_str().unwrap()]].concat());
    assert!(made.status.success(), "{}", errors(&made));
    assert!(errors(&made).contains("Not for publication"), "{}", errors(&made));
}

/// What is not on record, where it was to be, is not there.
#[test]
fn no_file_comes_before_its_record() {
    let story = Story::new();
    let refused =
        story.disclose("a", &["--table", "execution", "--month", "2026-03", "--record", "BAD/id", "--maker", "m"]);
    assert_eq!(refused.status.code(), Some(2), "{}", errors(&refused));
    assert_eq!(fs::read_dir(story.path("a")).map_or(0, Iterator::count), 0);
}

/// A fund that there is not is a slip of the keyboard, and no empty table.
#[test]
fn of_an_unknown_fund_nothing_is_made() {
    let story = Story::new();
    for more in [
        &["--table", "flow", "--fund", "GRUNT"][..],
        &["--table", "execution", "--month", "2026-03", "--fund", "GRUNT"],
    ] {
        let refused = story.disclose("a", more);
        assert_eq!(refused.status.code(), Some(2), "{}", errors(&refused));
        assert!(errors(&refused).contains("GRUNT"), "{}", errors(&refused));
        assert_eq!(fs::read_dir(story.path("a")).map_or(0, Iterator::count), 0);
    }
}

/// A month or a division of which there is nothing makes a table, which is true, and a remark.
#[test]
fn a_table_without_rows_is_told() {
    let story = Story::new();
    for (more, is_empty) in [
        (&["--table", "execution", "--month", "1999-01"][..], true),
        (&["--table", "special", "--month", "2026-03", "--region", "999999"], true),
        (&["--table", "execution", "--month", "2026-03"], false),
    ] {
        let made = story.disclose("a", more);
        assert_eq!(made.status.code(), Some(0), "{}", errors(&made));
        assert_eq!(errors(&made).contains("The table is empty"), is_empty, "{}", errors(&made));
    }
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    let story = Story::new();
    let whole = story.made("a", &["--table", "recipients", "--month", "2026-03"]);
    // What was asked for before: two names, and half of another line.
    let sequences: Vec<String> =
        rows(&story.path("a/recipients-2026-03.json")).iter().map(|row| row["sequence"].clone()).collect();
    let kept = story.path("b/recipients-2026-03.names.part");
    fs::create_dir(story.path("b")).unwrap();
    let child: i64 = sequences[0].parse::<i64>().unwrap() + 1;
    fs::write(&kept, format!("{} s王*\n{child} m\n{} ", sequences[0], sequences[1])).unwrap();
    let resumed = story.made("b", &["--table", "recipients", "--month", "2026-03"]);
    // What was kept is not asked for again, and the rest is.
    assert_eq!(resumed["rows"], whole["rows"]);
    let names = |directory: &str| -> Vec<String> {
        let said = rows(&story.path(directory).join("recipients-2026-03.json"));
        said.into_iter().map(|row| row["recipient"].clone()).collect()
    };
    assert_eq!((names("a")[0].as_str(), names("b")[0].as_str()), ("欧***", "王*"));
    assert_eq!(names("a")[1..], names("b")[1..]);
    assert!(!kept.exists());
    // Names of another table are not taken.
    fs::create_dir(story.path("c")).unwrap();
    fs::write(story.path("c/recipients-2026-03.names.part"), "1 s王*\n").unwrap();
    assert_eq!(story.made("c", &["--table", "recipients", "--month", "2026-03"])["digest"], whole["digest"]);
}
