//! The services, and the only conversions between wire and domain.

mod approvals;
mod audit;
mod balances;
mod batch;
mod clocks;
pub mod convert;
#[cfg(fuzzing)]
pub mod fuzzing;
mod identities;
mod intake;
mod ledger;
mod listing;
pub mod node;
mod page;
mod personal;
mod post_stream;
pub(crate) mod posting;
mod proofs;
mod proposals;
mod query;
mod reading;
mod reconciling;
pub mod releasing;
pub(crate) mod rules;
pub mod server;
mod statement;
pub mod status;
mod stopping;
mod subscribe;
mod supervision;
mod trace;
mod waiting;
