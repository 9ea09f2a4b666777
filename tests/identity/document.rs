//! The tables of docs/authority.md are made from the table that the server enforces.
//!
//! `UPDATE_DOCS=1 cargo test --test identity document` writes them anew.

use std::fmt::Write as _;
use std::{env, fs};

use fundledger::domain::approval::Role;
use fundledger::domain::rights::{Action, Reach};
use fundledger::grpc::access::{METHODS, Need};

const DOCUMENT: &str = "docs/authority.md";
const BEGIN: &str = "<!-- Made by a test from the table that the server enforces: UPDATE_DOCS=1 cargo test --test identity document -->\n";
const END: &str = "<!-- The end of what is made by a test. -->\n";

fn cell(reach: Option<Reach>) -> &'static str {
    match reach {
        None => "–",
        Some(Reach::Everywhere) => "yes",
        Some(Reach::OwnAgency) => "own agency",
    }
}

fn header(text: &mut String, first: &str) {
    let names: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    writeln!(text, "\n| {first} | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len())).unwrap();
}

fn row(text: &mut String, first: &str, reach: impl Fn(Role) -> Option<Reach>) {
    let cells: Vec<&str> = Role::ALL.iter().map(|role| cell(reach(*role))).collect();
    writeln!(text, "| {first} | {} |", cells.join(" | ")).unwrap();
}

fn reach_of(need: Need, role: Role) -> Option<Reach> {
    match need {
        Need::Certificate => Some(Reach::Everywhere),
        Need::Any(actions) => actions.iter().any(|action| action.reach(role).is_some()).then_some(Reach::Everywhere),
        Need::Whole(action) => action.reach(role).filter(|reach| *reach == Reach::Everywhere),
        Need::Scoped(action) => action.reach(role),
    }
}

fn tables() -> String {
    let mut text = String::from(BEGIN);
    header(&mut text, "action");
    for action in Action::ALL {
        row(&mut text, &format!("`{}` {}", action.as_str(), action.what()), |role| action.reach(role));
    }
    header(&mut text, "method");
    for (path, need) in METHODS {
        let name = path.rsplit('.').next().unwrap();
        let note = match need {
            Need::Certificate => "; no role is needed",
            Need::Any(actions) if actions.len() > 1 => "; then each command by its action",
            Need::Whole(_) => "; for all funds",
            Need::Any(_) | Need::Scoped(_) => "",
        };
        row(&mut text, &format!("`{name}`{note}"), |role| reach_of(*need, role));
    }
    text.push('\n');
    text.push_str(END);
    text
}

#[test]
fn the_document_shows_what_the_server_enforces() {
    let found = fs::read_to_string(DOCUMENT).unwrap();
    let begin = found.find(BEGIN).expect("where the tables begin");
    let end = found.find(END).expect("where the tables end") + END.len();
    let made = format!("{}{}{}", &found[..begin], tables(), &found[end..]);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(DOCUMENT, &made).unwrap();
        return;
    }
    let differs = made.lines().zip(found.lines()).find(|(made, found)| made != found);
    assert!(made == found, "UPDATE_DOCS=1 cargo test --test identity document; first difference: {differs:?}");
}
