//! What is served over plain HTTP, beside the API: metrics.

pub mod metrics;
