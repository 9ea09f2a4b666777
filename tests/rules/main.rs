//! Every rule: what it refuses, and what it leaves behind. Nothing but the rules is running: no threads, no bytes.

#![expect(clippy::panic, clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, reason = "a test may fail")]
#![expect(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

mod effects;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
mod world;
