//! The services, and the only conversions between wire and domain.

mod approvals;
mod audit;
pub mod convert;
mod ledger;
pub mod node;
mod page;
mod proposals;
mod query;
pub mod server;
pub mod status;
