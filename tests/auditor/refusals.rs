//! What cannot be answered is refused, with a reason and the right exit code, before anything is shown.

use crate::server::errors;
use crate::world::World;

#[test]
fn what_cannot_be_answered_is_refused() {
    let world = World::new();
    let svg = world.path("x.svg");
    let svg = svg.to_str().unwrap();
    let rows: &[(&[&str], &str)] = &[
        (&["report", "idle", "--fund", "NONE"], "the log has no fund NONE"),
        (&["report", "responsibility", "--payment", "P2", "--payment", "NONE"], "the log has no payment NONE"),
        (&["report", "idle", "--as-of", "100000"], "the log ends at sequence"),
        (&["report", "idle", "--on", "2026-02-30"], "does not exist"),
        (&["report", "execution", "--from", "2026-05-01", "--to", "2026-04-30"], "--from is after --to"),
        (&["report", "compare", "--from", "20", "--to", "10"], "--from is after --to"),
        (&["report", "compare", "--from", "20", "--to", "2026-04-30"], "two dates, or two sequences"),
        (&["report", "compare", "--from", "20", "--to", "200000"], "the log ends at sequence"),
        (&["report", "compare", "--from", "20"], "--to"),
        (&["report", "idle", "--format", "dot"], "it has table, json, csv, xlsx"),
        (&["sample", "--interval", "1000"], "--seed"),
        (&["sample", "--seed", "", "--interval", "1000"], "--seed takes 1 to 256 bytes"),
        (&["sample", "--seed", "s"], "--interval"),
        (&["sample", "--seed", "s", "--interval", "0"], "at least 1"),
        (&["sample", "--seed", "s", "--interval", "1", "--hits", "1"], "cannot be used with"),
        (&["sample", "--seed", "s", "--hits", "0"], "at least 1"),
        (&["sample", "--seed", "s", "--confidence", "95"], "--tolerable-ppm"),
        (&["sample", "--seed", "s", "--confidence", "94", "--tolerable-ppm", "1"], "no factors for a confidence of 94"),
        (&["sample", "--seed", "s", "--confidence", "95", "--tolerable-ppm", "0"], "lies between 1 and 1000000"),
        (
            &["sample", "--seed", "s", "--confidence", "95", "--tolerable-ppm", "10", "--expected-ppm", "10"],
            "no sample can show",
        ),
        (&["sample", "--seed", "s", "--hits", "1", "--fund", "NONE"], "the log has no fund NONE"),
        (&["sample", "--seed", "s", "--hits", "1", "--as-of", "100000"], "the log ends at sequence"),
        (&["sample", "--seed", "s", "--hits", "1", "--debits-of", "MOON"], "no kind of account"),
        (&["chart", "flow", "--lot", "NONE", "--svg", svg], "the log has no lot NONE"),
        (&["chart", "execution", "--fund", "NONE", "--svg", svg], "the log has no fund NONE"),
        (&["chart", "flow", "--lot", "NEW"], "--svg"),
        (&["balance", "F.treasury", "--format", "xlsx"], "--format xlsx is not for this command"),
    ];
    for (arguments, reason) in rows {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(reason), "{arguments:?}: {}", errors(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert!(!world.path("x.svg").exists());
    let chinese = world.run(&["report", "idle", "--fund", "NONE", "--lang", "zh"]);
    assert!(errors(&chinese).contains("没有资金"), "{}", errors(&chinese));
    let nowhere = world.run(&["report", "idle", "/nonexistent"]);
    assert_eq!(nowhere.status.code(), Some(3), "{}", errors(&nowhere));
}
