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
        &["--workload", "payouts"],
        &["--compare", "checkpoints"],
        &["--approvals", "batch"],
        &["--approvals", "each"],
        &["--readers", "2"],
        // Refuses to end well where a refusal names no delay, or the head does not count what was accepted.
        &["--overload", "2"],
    ] {
        let few =
            ["bench", "--events", "6000", "--batch", "1000", "--clients", "1", "--accounts", "600", "--format", "json"];
        let ran = server::run(&[&few, mix].concat());
        assert!(ran.status.success(), "{mix:?}: {}", server::errors(&ran));
    }
}

#[test]
fn what_bench_cannot_do_is_said() {
    for (arguments, said) in [
        (&["--approvals", "batch", "--batch", "1"][..], "at least two commands"),
        (&["--approvals", "each", "--server", "http://127.0.0.1:1"], "leave --server out"),
        (&["--overload", "2", "--mix", "city"], "cannot be used with"),
    ] {
        let ran = server::run(&[&["bench", "--events", "1000"], arguments].concat());
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}");
        assert!(server::errors(&ran).contains(said), "{arguments:?}: {}", server::errors(&ran));
    }
}
