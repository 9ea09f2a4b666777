//! What is served over plain HTTP, beside the API: metrics and probes, and the log's tiles.

pub mod metrics;
pub mod observing;
pub mod tiles;
