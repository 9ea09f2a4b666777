//! `export --as`: made by the real binary of the worked scenarios, held against the balances that the server gives, and read by
//! the programs they are for. A program that is not here is skipped, and the test says so (`.ci/exports` installs them).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::explicit_write,
    reason = "a test may fail, and says why it is skipped"
)]

mod audit_interchange;
mod budget_comparison;
mod command;
mod contracting;
mod fiscal;
mod journals;
mod ledgers;
#[path = "../server/mod.rs"]
mod server;
