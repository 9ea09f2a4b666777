//! The history index over the API: statements, balances, traces and events, now and as of then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::type_complexity,
    reason = "a test may fail"
)]

mod as_of;
mod events;
mod readers;
#[path = "../server/mod.rs"]
mod server;
mod world;
