//! The pure core: what public money means, and what is refused.
//!
//! No I/O, no clock, no randomness, no wire types: `decide` and `apply` are functions of their arguments, so that replay
//! at start is the same code as live posting. The source of every rule is named beside it.

pub mod account;
pub mod approval;
pub mod authority;
pub mod command;
pub mod complaint;
pub mod decide;
pub mod event;
pub mod fund;
mod hash;
pub mod housing;
pub mod ids;
pub mod log_key;
pub mod money;
pub mod nontax;
mod numbered;
pub mod oversight;
pub mod performance;
pub mod personal;
pub mod persons;
pub mod places;
pub mod policy;
pub mod principal;
pub mod procurement;
pub mod profile;
pub mod refusal;
pub mod release;
pub mod rights;
pub mod rows;
pub mod state;
pub mod time;
mod trial;
pub(crate) mod vouchers;
