//! Plain-text accounting: beancount, hledger and ledger agree with the trial balance, and see a fen that is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::ledgers::{Balance, Ledger, SCENARIOS, content, python, tool};
use crate::server::{self, set_up};

const FORMS: [&str; 3] = ["beancount", "hledger", "ledger"];

/// What checks a journal of a form; `None` where the program is not here.
fn check(form: &str, journal: &Path) -> Option<Output> {
    let mut command = match form {
        "beancount" => Command::new(tool("bean-check")?),
        "hledger" => Command::new(tool("hledger")?),
        _ => Command::new(tool("ledger")?),
    };
    match form {
        "beancount" => command.arg("--no-cache").arg(journal),
        "hledger" => command.arg("check").args(["--strict", "-f"]).arg(journal),
        _ => command.args(["--strict", "-f"]).arg(journal).arg("balance"),
    };
    let output = server::output(&mut command).unwrap();
    // ledger only warns of what was not declared.
    assert!(!server::errors(&output).contains("Warning"), "{form}: {}", server::errors(&output));
    Some(output)
}

/// What a program says every account holds, in minor units.
fn balances(form: &str, journal: &Path) -> Option<BTreeMap<String, i64>> {
    let output = match form {
        "beancount" => python("beancount_balances.py", &[journal])?,
        "hledger" => {
            let mut command = Command::new(tool("hledger")?);
            command.args(["balance", "--flat", "--empty", "--no-total", "-O", "csv", "-f"]).arg(journal);
            server::output(&mut command).unwrap()
        }
        _ => {
            let mut command = Command::new(tool("ledger")?);
            let format = "%(account),%(quantity(scrub(display_total)))\n";
            command.args(["balance", "--flat", "--empty", "--no-total", "--balance-format", format, "-f"]).arg(journal);
            server::output(&mut command).unwrap()
        }
    };
    content(&output).unwrap_or_else(|said| panic!("{form}: {said}"));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (account, amount) = line.trim().split_once(',')?;
        let account = account.trim_matches('"').to_owned();
        let digits: String = amount.chars().filter(|c| c.is_ascii_digit() || "-.".contains(*c)).collect();
        account.contains(':').then(|| (account, minor(&digits)))
    };
    Some(text.lines().filter_map(line).collect())
}

/// A decimal of yuan in fen.
fn minor(decimal: &str) -> i64 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

/// An identifier as it stands in an account's name.
fn escaped(id: &str) -> String {
    let escape = |c: char| match c {
        '-' => "--".to_owned(),
        '.' => "-p".to_owned(),
        '_' => "-u".to_owned(),
        ':' => "-c".to_owned(),
        other => other.to_string(),
    };
    id.chars().map(escape).collect()
}

/// The end of an account's name in the journal, as docs/exports.md says; of a person's account only what is before its number.
fn name(balance: &Balance) -> String {
    let lot = if balance.lot.is_empty() { String::new() } else { format!(":L-{}", escaped(&balance.lot)) };
    format!(":F-{}:*-{}{lot}", escaped(&balance.fund), escaped(&balance.account))
}

/// Without the number of the kind, which the server does not give.
fn without_kind(name: &str) -> String {
    let mut parts: Vec<String> = name.split(':').map(str::to_owned).collect();
    let account = parts.iter_mut().find(|part| part.as_bytes().first().is_some_and(u8::is_ascii_digit)).unwrap();
    *account = format!("*-{}", &account[3..]);
    format!(":{}", parts[2..].join(":"))
}

fn is_persons(balance: &Balance) -> bool {
    balance.kind == "PERSONAL" || balance.kind == "HOUSING_PERSONAL"
}

/// Holds what a program says against the trial balance: account by account, and of persons' accounts all amounts.
fn compare(form: &str, found: &BTreeMap<String, i64>, trial: &[Balance]) {
    let is_number = |name: &str| name.contains(":*--n");
    let found: Vec<(String, i64)> = found.iter().map(|(name, minor)| (without_kind(name), *minor)).collect();
    let named = |rows: &[(String, i64)]| -> BTreeMap<String, i64> {
        rows.iter().filter(|(name, minor)| *minor != 0 && !is_number(name)).cloned().collect()
    };
    let trial_named: Vec<(String, i64)> =
        trial.iter().filter(|balance| !is_persons(balance)).map(|balance| (name(balance), balance.minor)).collect();
    assert_eq!(named(&found), named(&trial_named), "{form}");
    let sorted = |mut amounts: Vec<i64>| {
        amounts.retain(|minor| *minor != 0);
        amounts.sort_unstable();
        amounts
    };
    let of_persons = found.iter().filter(|(name, _)| is_number(name)).map(|(_, minor)| *minor).collect();
    let expected = trial.iter().filter(|balance| is_persons(balance)).map(|balance| balance.minor).collect();
    assert_eq!(sorted(of_persons), sorted(expected), "{form}");
}

#[test]
fn each_program_agrees_with_the_trial_balance() {
    for scenario in SCENARIOS {
        let ledger = Ledger::after(scenario);
        for form in FORMS {
            let journal = ledger.export(form, &[]);
            let Some(checked) = check(form, &journal) else { continue };
            content(&checked).unwrap_or_else(|said| panic!("{form}, {scenario}: {said}"));
            if let Some(found) = balances(form, &journal) {
                compare(form, &found, &ledger.trial);
            }
        }
        // Whose an account is, nobody reads: neither a name that they were given by nor one that tells.
        let text = fs::read_to_string(ledger.beside("hledger")).unwrap();
        for balance in ledger.trial.iter().filter(|balance| is_persons(balance)) {
            for told in [&balance.account, &escaped(&balance.account)] {
                assert!(!text.contains(told), "{told} is in the journal of {scenario}");
            }
        }
    }
}

/// Opening balances are what was there before, so that the end is the same; and each fen counts in them too.
#[test]
fn a_later_beginning_ends_the_same() {
    let ledger = Ledger::after("s6-investment");
    for form in FORMS {
        let whole = ledger.export(form, &[]);
        let (later, output) = ledger.try_export(form, "later", &["--from", "2026-04-01"]);
        content(&output).unwrap();
        assert!(fs::read_to_string(&later).unwrap().contains("opening balances"));
        let Some(checked) = check(form, &later) else { continue };
        content(&checked).unwrap_or_else(|said| panic!("{form}: {said}"));
        // What came to nothing before is not opened.
        let held = |journal| {
            balances(form, journal).map(|mut found| {
                found.retain(|_, minor| *minor != 0);
                found
            })
        };
        assert_eq!(held(&whole), held(&later), "{form}");
    }
}

/// The amount of a line that ends in one, with a fen more.
fn fen_more(line: &str) -> String {
    let at = line.rfind(".00 CNY").unwrap_or_else(|| panic!("no round amount: {line}"));
    format!("{}.01 CNY{}", &line[..at], &line[at + ".00 CNY".len()..])
}

fn replaced(lines: &[&str], changed: &[(usize, String)]) -> String {
    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    for (at, line) in changed {
        lines[*at].clone_from(line);
    }
    lines.join("\n") + "\n"
}

/// One fen more in a posting; in an assertion; and, so that the transaction still balances, in a posting and its opposite.
#[test]
fn a_fen_is_found_by_each_program() {
    let ledger = Ledger::after("s6-investment");
    for form in FORMS {
        let journal = ledger.export(form, &[]);
        let text = fs::read_to_string(&journal).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let is_posting = |line: &str| {
            line.starts_with("    ") && line.contains(':') && line.ends_with(".00 CNY") && !line.contains(" = ")
        };
        let first = lines.iter().position(|line| is_posting(line)).unwrap();
        assert!(is_posting(lines[first + 1]), "{}", lines[first + 1]);
        let is_assertion = |line: &&str| line.contains(" balance ") || line.contains(" CNY = ");
        let assertion = lines.iter().rposition(|line| is_assertion(line) && !line.contains(" 0.00 ~")).unwrap();
        let wrong_assertion = match form {
            "beancount" => lines[assertion].replacen(".00 ~", ".01 ~", 1),
            _ => fen_more(lines[assertion]),
        };
        assert_ne!(wrong_assertion, lines[assertion]);
        // The first two postings are a debit and its credit: with a fen more and a fen less the transaction balances.
        let pair = [first, first + 1].map(|at| (at, fen_more(lines[at])));
        let planted = [
            ("posting", replaced(&lines, &[(first, fen_more(lines[first]))])),
            ("pair", replaced(&lines, &pair)),
            ("assertion", replaced(&lines, &[(assertion, wrong_assertion)])),
        ];
        let Some(checked) = check(form, &journal) else { continue };
        content(&checked).unwrap_or_else(|said| panic!("{form}: {said}"));
        for (what, text) in planted {
            let path = ledger.beside(&format!("{form}-{what}"));
            fs::write(&path, text).unwrap();
            assert!(!check(form, &path).unwrap().status.success(), "{form} passes a fen in the {what}");
        }
    }
}

/// Dates run backwards along a log; a journal has them in order, and what it asserts holds all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn days_stand_in_order() {
    let served = server::Served::new();
    served.accept(set_up()).await;
    let mut commands = Vec::new();
    for (number, month) in (0..).zip([9, 7, 8, 7]) {
        let mut payment = server::payment(&format!("back-{number}"));
        payment.business_date = Some(fundledger::pb::Date { year: 2026, month, day: 3 });
        commands.push(payment);
    }
    let last = served.accept(commands).await.last().unwrap().sequence;
    // Whoever is given the log is given as much as the server's view has.
    let request = fundledger::pb::v1::GetBalanceRequest {
        account_id: "treasury".to_owned(),
        min_sequence: Some(last),
        ..Default::default()
    };
    served.query().await.get_balance(request).await.unwrap();
    let journal = served.directory.path().join("journal");
    let (url, path) = (served.url(), journal.to_str().unwrap());
    // A running ledger, by its address.
    let output = server::run(&["export", "--as", "hledger", "--output", path, &url]);
    content(&output).unwrap();
    let text = fs::read_to_string(&journal).unwrap();
    let dates: Vec<&str> = text.lines().filter_map(|line| line.split_once(" * ")).map(|(date, _)| date).collect();
    assert!(dates.is_sorted(), "{dates:?}");
    assert!(dates.contains(&"2026-07-31") && dates.contains(&"2026-08-31"), "{dates:?}");
    for form in FORMS {
        content(&server::run(&["export", "--as", form, "--output", path, &url])).unwrap();
        if let Some(checked) = check(form, &journal) {
            content(&checked).unwrap_or_else(|said| panic!("{form}: {said}"));
        }
    }
}
