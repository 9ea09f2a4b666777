//! Exports: what a log says, in the forms that other programs read.
//!
//! In reading order: [`selection`] (what is wanted, and what an export rests on), [`movement`] (what moved, as it is kept until
//! it can be written), [`sorted`] (in order of days, outside memory), [`names`] (accounts as other programs name them), then
//! one file a form: [`journal`] (plain-text accounting), [`audit_interchange`] (in the shape of GB/T 24589), [`contracting`]
//! (OCDS), [`fiscal`] (Fiscal Data Package), [`budget_comparison`] (IPSAS 24).

pub mod audit_interchange;
mod audit_tables;
pub mod budget_comparison;
pub mod contracting;
pub mod fiscal;
pub mod journal;
pub mod movement;
pub mod names;
pub mod output;
pub mod selection;
pub mod sorted;

use std::io;
use std::path::Path;

use thiserror::Error;

use super::register::{Register, Step, steps};
use crate::messages::Language;
use crate::pb::v1::Event;
use selection::{Basis, Selection};

/// What is exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A journal of plain-text accounting.
    Journal(journal::Dialect),
    /// Tables in the shape of GB/T 24589.
    AuditInterchange,
    /// An OCDS release package.
    Contracting,
    /// A Fiscal Data Package.
    Fiscal,
    /// The comparison of IPSAS 24.
    BudgetComparison,
}

/// Why nothing, or not all, was exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log has no such fund.
    #[error("the log has no fund {0}")]
    UnknownFund(String),
    /// A contract has no ocid, and no prefix was given to make one from.
    #[error("the contract {0} has no ocid, and no prefix was given")]
    NoOcid(String),
    /// What was written could not be.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a form does with what happened.
pub trait Exporting: Send {
    /// Takes what happened next. The day is not after the last one wanted; it may be before the first one.
    fn take(&mut self, step: &Step<'_>, register: &Register) -> io::Result<()>;
    /// Writes what was taken; `tick` is called for each thing that is written. Gives how many there were.
    fn finish(
        self: Box<Self>,
        basis: &Basis,
        register: &Register,
        output: &Path,
        tick: &mut dyn FnMut(),
    ) -> Result<u64, ExportError>;
}

/// An export that is being made from the events of a log.
pub struct Export {
    register: Register,
    selection: Selection,
    exporting: Box<dyn Exporting>,
    last_booked_ns: i64,
    failed: Option<io::Error>,
}

impl Export {
    /// Begins; what does not fit into memory is kept in files without a name below `room`.
    pub fn new(form: Form, selection: Selection, language: Language, room: &Path) -> Self {
        let exporting: Box<dyn Exporting> = match form {
            Form::Journal(dialect) => Box::new(journal::Journal::new(dialect, selection.clone(), room)),
            Form::AuditInterchange => Box::new(audit_interchange::AuditInterchange::new(selection.clone(), room)),
            Form::Contracting => Box::new(contracting::Contracting::new(selection.clone(), room)),
            Form::Fiscal => Box::new(fiscal::Fiscal::new(selection.clone(), room)),
            Form::BudgetComparison => Box::new(budget_comparison::BudgetComparison::new(selection.clone(), language)),
        };
        Self { register: Register::default(), selection, exporting, last_booked_ns: 0, failed: None }
    }

    /// Takes the next event of the log, with the hash of its entry. What fails is kept until the end.
    pub fn take(&mut self, sequence: i64, entry_hash: [u8; 32], event: &Event) {
        if self.failed.is_some() || self.selection.last_sequence.is_some_and(|last| sequence > last) {
            return;
        }
        let Self { register, selection, exporting, last_booked_ns, failed } = self;
        *last_booked_ns = event.booked_at_ns;
        steps(sequence, entry_hash, event, |step| {
            register.take(step);
            if failed.is_none() && selection.wants(step, register) {
                *failed = exporting.take(step, register).err();
            }
        });
    }

    /// Writes it to a path. `origin`, `sequence` and `root` say what it rests on.
    pub fn finish(
        self,
        origin: &str,
        (sequence, root): (i64, [u8; 32]),
        output: &Path,
        tick: &mut dyn FnMut(),
    ) -> Result<u64, ExportError> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        if let Some(fund_id) = &self.selection.fund
            && self.register.fund_named(fund_id).is_none()
        {
            return Err(ExportError::UnknownFund(fund_id.clone()));
        }
        let basis = Basis {
            origin: origin.to_owned(),
            sequence,
            root,
            booked_at_ns: self.last_booked_ns,
            selection: self.selection,
        };
        self.exporting.finish(&basis, &self.register, output, tick)
    }
}
