//! What lies in deploy/ holds together: alerts have their section in the runbook, and ask for metrics that there are; whoever
//! stops the service gives it the time that it takes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What follows a prefix, as far as it is a name.
fn names<'a>(text: &'a str, prefix: &str) -> impl Iterator<Item = &'a str> {
    text.match_indices(prefix).map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|char: char| !char.is_ascii_lowercase() && char != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// A metric without what a histogram adds to its name.
fn metric(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let operations = read("docs/operations.md");
    let table: BTreeSet<&str> =
        operations.lines().filter(|line| line.starts_with('|')).flat_map(|line| names(line, "fundledger_")).collect();
    assert!(table.contains("fundledger_position_sequence"), "the table was not found");
    for path in ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts.test.yml", "deploy/grafana/dashboard.json"] {
        let text = read(path);
        let found: BTreeSet<&str> = names(&text, "fundledger_").map(metric).collect();
        assert!(found.len() > 10, "{path}: no metrics were found");
        for name in found {
            assert!(table.contains(name), "{path}: there is no {name}");
        }
    }
}

#[test]
fn every_alert_has_its_section_and_its_tests() {
    let (alerts, tests) = (read("deploy/prometheus/alerts.yml"), read("deploy/prometheus/alerts.test.yml"));
    let runbook = read("docs/runbook.md");
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut rules = alerts.split("- alert: ").skip(1).peekable();
    assert!(rules.peek().is_some(), "no alerts were found");
    let mut named = BTreeSet::new();
    for rule in rules {
        let name = rule.lines().next().unwrap().trim();
        named.insert(name);
        assert!(sections.contains(&name), "docs/runbook.md has no section {name}");
        let link = format!("runbook: docs/runbook.md#{}\n", name.to_ascii_lowercase());
        assert!(rule.contains(&link), "{name} does not say where its section is");
        let cases: Vec<&str> = tests.lines().filter(|line| line.contains("alertname: ")).collect();
        let of_alert =
            |line: &&&str| line.split("alertname: ").nth(1).unwrap().trim_end_matches([',', '}']).starts_with(name);
        assert!(cases.iter().filter(of_alert).count() >= 2, "{name} has no case and near miss");
        let section = runbook.split("\n## ").find(|section| section.starts_with(name)).unwrap();
        for part in ["- **Look at:**", "- **Do:**", "- **Never:**"] {
            assert!(section.contains(part), "the section {name} has no {part}");
        }
    }
    for section in sections {
        assert!(named.contains(section), "docs/runbook.md tells of {section}, which no alert is called");
    }
}

/// The number that follows a name and what stands between them.
fn number(path: &str, name: &str) -> u32 {
    let text = read(path);
    let rest = text.split(name).nth(1).unwrap_or_else(|| panic!("{path} has no {name}"));
    let digits: String = rest.trim_start_matches([' ', '=', ':']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn supervisors_wait_longer_than_a_stop_takes() {
    let settings = "deploy/kubernetes/config.yaml";
    let stop =
        number(settings, "\n    drain_seconds").saturating_add(number(settings, "\n    shutdown_deadline_seconds"));
    let grace = number("deploy/kubernetes/statefulset.yaml", "terminationGracePeriodSeconds: ");
    let timeout = number("deploy/fundledger.service", "\nTimeoutStopSec=");
    for (name, seconds) in [("Kubernetes", grace), ("systemd", timeout)] {
        assert!(seconds >= stop.saturating_mul(2), "{name} waits {seconds} s for a stop of {stop} s and its snapshots");
    }
    assert_eq!(number("deploy/kubernetes/statefulset.yaml", "replicas: "), 1, "one writer");
}
