//! Tables on a terminal: through a pager, as wide as it is. `script` (util-linux) makes the terminal.

use std::fs;
use std::process::Command;

use crate::server::{BINARY, output};
use crate::world::{World, payments};

/// What a command shows on a terminal of 100 columns.
fn on_a_terminal(world: &World, arguments: &str, pager: &str) -> (String, i32) {
    let transcript = world.path("transcript");
    let line = format!("stty cols 100 rows 24; exec {BINARY} --server {} {arguments}", world.served.url());
    let shown = output(
        Command::new("script")
            .args(["--quiet", "--return", "--command", &line])
            .arg(&transcript)
            .env("FUNDLEDGER_PAGER", pager)
            .env("TERM", "dumb"),
    )
    .unwrap();
    (fs::read_to_string(&transcript).unwrap().replace('\r', ""), shown.status.code().unwrap())
}

#[test]
fn wide_tables_are_paged_and_fitted() {
    let world = World::new();
    world.post_lines(&payments(61, |_| 100));
    let pager = "sed 's/^/paged: /'";
    let responsibility = "report responsibility --fund F --unit U --from 2026-06-01";
    let (shown, code) = on_a_terminal(&world, responsibility, pager);
    assert_eq!(code, 0, "{shown}");
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains('│') || line.contains("made from")).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("paged: ")), "{shown}");
    let titles = lines.iter().filter(|line| line.contains("Payment") && line.contains("Signature")).count();
    assert_eq!(titles, 4, "122 rows, 40 on a page: {shown}");

    for (arguments, pager) in [(format!("{responsibility} --no-pager"), pager), (responsibility.to_owned(), "")] {
        let (shown, _) = on_a_terminal(&world, &arguments, pager);
        assert!(shown.contains("made from test.invalid/funds") && !shown.contains("paged: "), "{shown}");
    }
    // What has room is fitted to the terminal: no line is longer than it.
    let (shown, _) = on_a_terminal(&world, "report findings --no-pager", "");
    let widest = |text: &str| {
        text.lines().filter(|line| line.contains('│')).map(|line| line.chars().count()).max().unwrap_or_default()
    };
    let plain = String::from_utf8(world.run(&["report", "findings"]).stdout).unwrap();
    assert!(widest(&shown) < widest(&plain), "{shown}\n{plain}");

    // A workbook is no text.
    let (shown, code) = on_a_terminal(&world, "report idle --format xlsx", "");
    assert!(code == 2 && shown.contains("--output FILE.xlsx"), "{shown}");
}
