//! The services, and the only conversions between wire and domain.

mod approvals;
mod audit;
mod batch;
pub mod convert;
mod ledger;
pub mod node;
mod page;
mod post_stream;
mod proposals;
mod query;
pub mod server;
pub mod status;
mod stopping;
mod subscribe;
