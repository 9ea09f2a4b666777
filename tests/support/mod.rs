//! Orders in few words, and two ways to give them: to the rules alone, and to a ledger.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail"
)]

pub(crate) mod ledger;
pub(crate) mod orders;
pub(crate) mod rules;
