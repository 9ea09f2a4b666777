//! What `bench` posts is accepted.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod server;

/// Every mix goes through, set-up and all; how fast they are is not for a test.
#[test]
fn the_mixes_of_bench_are_accepted() {
    for mix in [
        &["--mix", "city"][..],
        &["--workload", "payments"],
        &["--workload", "allocations"],
        &["--compare", "checkpoints"],
    ] {
        let few =
            ["bench", "--events", "6000", "--batch", "1000", "--clients", "1", "--accounts", "600", "--format", "json"];
        let ran = server::run(&[&few, mix].concat());
        assert!(ran.status.success(), "{mix:?}: {}", server::errors(&ran));
    }
}
