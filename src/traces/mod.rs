//! Traces that go through this service and others.

pub mod context;
