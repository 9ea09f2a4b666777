//! What is told of a ledger: tables for the public, for auditors and for other systems, made from the bytes of its log alone.
//!
//! In reading order: [`register`] (names for numbers, and what later events refer to), [`table`] (columns, cells, the digest
//! by which a table is known), [`rows`] (rows as events make them), [`disclosure`] (which tables may be published), [`audit`]
//! (what auditors ask), [`files`] (CSV, JSON, workbooks), [`publish`] (all of them at once), [`chart`] (tables as pictures),
//! [`check`] (a published file against the log), [`exports`] (forms that other programs read).

pub mod audit;
pub mod chart;
pub mod check;
pub mod decimal;
pub mod disclosure;
pub mod exports;
pub mod files;
pub mod publish;
pub mod register;
pub mod rows;
pub mod table;
pub mod terms;
