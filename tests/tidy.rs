//! The house's rules that a compiler does not hold: which room may import which, who may name what, how large a room is.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

/// What each room may import from this crate, besides itself. Rooms that are not listed may import everything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("format", &["domain", "pb"]),
    ("log", &["format"]),
    ("ledger", &["domain", "format", "log"]),
    ("projection", &["domain", "format", "log"]),
    ("audit", &["pb"]),
    ("messages", &["domain"]),
    ("reporting", &["audit", "format", "messages", "pb"]),
    ("vault", &["domain", "format", "log"]),
    ("grpc", &["domain", "format", "ledger", "log", "messages", "pb", "projection", "tls", "traces", "vault", "audit"]),
    ("tls", &["domain", "ledger"]),
    ("traces", &["domain", "ledger"]),
    ("witness", &["audit", "format", "ledger", "log"]),
    ("http", &["format", "grpc", "ledger", "log", "traces"]),
    ("pb", &[]),
];

/// Crates that the pure core may name: those that hold data, and do nothing else.
const DOMAIN_EXTERNAL: &[&str] = &["std", "core", "crate", "super", "self", "hashbrown", "compact_str", "smallvec"];

/// Domain rooms that only the ledger may look into: everybody else lives on values.
const INNER_DOMAIN: &[&str] = &["domain::decide", "domain::state"];
const INNER_DOMAIN_READERS: &[&str] = &["domain", "ledger"];
/// An alias for lookup tables, without the state.
const INNER_DOMAIN_EXCEPTIONS: &[&str] = &["crate::domain::state::Lookup"];

/// A room longer than this is asked what it does; those below were asked.
const LINES_MAX: usize = 700;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// The room a file lies in: its folder, or its own name.
fn room(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Lines of code: without comments, and without the test modules that close a file.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn imports(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = room(&path);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == room) else { continue };
        // Tests of a room may look anywhere.
        if path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs") {
            continue;
        }
        for line in code(&text) {
            for imported in imports(line) {
                let is_macro = imported == "stored_struct";
                if imported != room && !is_macro && !allowed.contains(&imported) {
                    wrong.push(format!("{}: {} must not import {imported}: {}", path.display(), room, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_knows_nothing_but_the_standard_library_and_what_holds_data() {
    for (path, text) in sources().into_iter().filter(|(path, _)| room(path) == "domain") {
        for line in code(&text).filter(|line| line.trim_start().starts_with("use ")) {
            let named = line.trim_start().trim_start_matches("use ").split([':', ';', ' ']).next().unwrap();
            assert!(DOMAIN_EXTERNAL.contains(&named), "{}: {line}", path.display());
        }
        for forbidden in
            ["std::fs", "std::net", "std::time", "std::env", "std::io", "std::thread", "f32", "f64", "SystemTime"]
        {
            let found = code(&text).find(|line| line.contains(forbidden));
            assert!(found.is_none(), "{}: the core has no {forbidden}: {found:?}", path.display());
        }
    }
}

#[test]
fn only_the_ledger_sees_state_and_decisions() {
    for (path, text) in sources() {
        if INNER_DOMAIN_READERS.contains(&room(&path).as_str()) {
            continue;
        }
        for line in code(&text) {
            let is_exception = INNER_DOMAIN_EXCEPTIONS.iter().any(|allowed| line.contains(allowed));
            let found = INNER_DOMAIN.iter().find(|inner| line.contains(&format!("crate::{inner}")));
            assert!(found.is_none() || is_exception, "{}: {line}", path.display());
        }
    }
}

#[test]
fn one_file_names_sled_and_one_reads_the_time() {
    for (path, text) in sources() {
        let shown = path.display().to_string();
        let names = |needle: &str| code(&text).any(|line| line.contains(needle));
        if shown != "log/sled.rs" {
            assert!(!names("sled::Config") && !names("sled::Db") && !names("sled::open"), "{shown} names sled");
        }
        if !shown.starts_with("vault/") {
            assert!(!names("rusqlite"), "{shown} names the store of personal data");
        }
        if shown != "ledger/clock.rs" {
            assert!(
                !names("SystemTime::now") && !names("Timestamp::now") && !names("Zoned::now"),
                "{shown} reads the time"
            );
        }
    }
}

#[test]
fn rooms_stay_small() {
    for (path, text) in sources() {
        let lines = code(&text).count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines of code: does it do one thing?", path.display());
    }
}

/// The end of a call's arguments that start at the beginning of a text.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    let end = text.char_indices().find(|(_, char)| {
        depth = match char {
            '(' => depth + 1,
            ')' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The words of the string literals of a piece of code, without what stands in braces.
fn words(code: &str) -> impl Iterator<Item = String> {
    code.split('"').skip(1).step_by(2).flat_map(|literal| {
        let shown: String = literal.split('{').map(|part| part.rsplit('}').next().unwrap()).collect();
        shown.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 2).map(str::to_owned).collect::<Vec<_>>()
    })
}

#[test]
fn texts_of_the_command_line_stand_in_the_catalogues() {
    // The mapping's errors come from inside serde, which knows no language.
    for (path, text) in sources().into_iter().filter(|(path, _)| room(path) == "cli") {
        if path.components().any(|part| part.as_os_str() == "tests.rs") {
            continue;
        }
        let shown = path.display();
        let code: String = code(&text).flat_map(|line| [line, "\n"]).collect();
        let chinese = code.lines().find(|line| line.chars().any(|char| ('\u{4e00}'..='\u{9fff}').contains(&char)));
        assert!(chinese.is_none(), "{shown}: Chinese belongs in cli.zh-CN.ftl: {chinese:?}");
        for failure in ["Failure::Refused(", "Failure::Usage(", "Failure::Unavailable("] {
            for call in code.split(failure).skip(1) {
                let found = words(arguments(call)).next();
                assert!(found.is_none(), "{shown}: {failure}… belongs in the catalogues: {found:?}");
            }
        }
    }
}

/// A bug is planted where the source says what it is planted over: whoever moves that moves the twin as well.
#[test]
fn every_planted_bug_has_its_place() {
    let twins: toml::Table = fs::read_to_string("tests/faults/twins.toml").unwrap().parse().unwrap();
    let twins = twins["twin"].as_array().unwrap();
    assert!(!twins.is_empty());
    for twin in twins {
        let of = |key: &str| twin[key].as_str().unwrap();
        let source = fs::read_to_string(of("file")).unwrap();
        assert_eq!(source.matches(of("find")).count(), 1, "{} in {}", of("name"), of("file"));
    }
}
