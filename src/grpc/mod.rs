//! The services, and the only conversions between wire and domain.

mod audit;
mod balances;
pub mod convert;
mod ledger;
mod listing;
pub mod node;
mod page;
mod query;
mod reading;
pub mod server;
mod statement;
pub mod status;
mod trace;
