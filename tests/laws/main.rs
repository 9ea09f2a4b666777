//! Laws, over random inputs: of money against a second model, of the bytes, and of what survives.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail"
)]

mod families;
mod formats;
mod genes;
mod model;
mod money;
mod storage;
#[path = "../support/mod.rs"]
mod support;
mod transactions;
