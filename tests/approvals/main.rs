//! Maker meets checker: proposals, signed approvals, roles and keys, over a real server on a real directory, with a clock
//! that the test moves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod batches;
mod cli;
mod clock;
mod forged;
mod keys;
mod personal_data;
mod preconditions;
mod refusals;
mod revoked;
#[path = "../server/mod.rs"]
mod server;
mod single;
mod waiting;
mod world;
