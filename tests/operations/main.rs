//! What operators have of a running service: metrics, probes, logs, limits, and a stop that loses nothing; each from the real
//! binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod check;
mod clock;
mod hostile;
mod limits;
mod logs;
mod metrics;
mod otlp;
mod raw;
#[path = "../server/mod.rs"]
mod server;
mod service;
mod standing;
mod stopping;
