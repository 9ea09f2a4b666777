//! What is served over plain HTTP, beside the API: metrics, and the log's tiles.

pub mod metrics;
pub mod tiles;
