//! The families of public money over the public API: the worked scenarios S2 to S7 with their golden numbers, what is
//! refused, and every field of every command wrong in turn.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail"
)]

mod clocks;
mod complaints;
mod fields;
mod frozen;
mod funds;
mod marks;
mod oversight;
mod performance;
mod personal_data;
mod persons;
mod procurement;
mod receipts;
mod refusals;
mod relief;
mod rules;
mod scenarios;
#[path = "../server/mod.rs"]
mod server;
mod traces;
mod world;
