//! The history index: which events concerned an account, a lot, a payee, a payment, a document, or a text that a [`Mark`] names,
//! with the business date and the change of a balance. It answers balances as of an earlier sequence or a business date,
//! statements, traces and filters.
//!
//! Rows of the newest events are in memory, sorted; behind them lie immutable runs in `index/`, one a range of sequences,
//! merged by tiers. Runs are derived from the log: each carries the entry hash at its last sequence and checksums, and one
//! that does not read back or does not fit the log is built again.

mod bytes;
mod collect;
mod families;
mod mark;
mod merge;
mod page;
mod row;
mod run;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;

pub use self::collect::{collect, documents_of, part_of};
pub use self::families::party_of;
pub use self::mark::Mark;
pub use self::row::{DateKey, Part, PoolSource, Row, Subject};
pub use self::snapshot::{Bounds, Page, Snapshot};
pub use self::store::{History, Sizes};
