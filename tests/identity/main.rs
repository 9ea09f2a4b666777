//! Who may do what over mutual TLS: certificates made by the tests, real connections, roles from the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod actors;
mod certificates;
mod checks;
mod document;
mod matrix;
mod open;
mod revocation;
#[path = "../server/mod.rs"]
mod server;
mod serving;
mod strangers;
#[allow(dead_code, reason = "shared with the tests of approvals, which use more of it")]
#[path = "../approvals/world.rs"]
mod world;
