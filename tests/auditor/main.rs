//! The auditor's work through the real program: reports, samples and charts of a served ledger, a stopped one, a bundle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may fail"
)]

#[path = "../approvals/world.rs"]
#[allow(dead_code, reason = "another test's world, of which a part is used")]
mod approving;
mod charts;
mod refusals;
mod reports;
mod samples;
#[path = "../server/mod.rs"]
mod server;
mod signed;
mod terminal;
mod world;
