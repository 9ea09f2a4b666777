//! Rows as the events of a log make them.

use super::register::{Register, Step, steps};
use super::table::{Cell, Head};
use crate::pb::v1::Event;

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its cells, one a column.
    pub cells: Vec<Cell>,
    /// Whom it is about, where a column is for their name.
    pub person: Option<Person>,
}

/// A person by what the log holds of them: the event that brought their data, and their pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Person {
    /// Sequence of the event.
    pub sequence: i64,
    /// Pseudonym.
    pub party: [u8; 16],
}

impl Row {
    /// A row about nobody.
    pub const fn of(cells: Vec<Cell>) -> Self {
        Self { cells, person: None }
    }
}

/// Makes the rows of a table from what happens, one thing after another. What can be told at once is given at once, so that
/// a table of ten million payouts takes no room.
pub trait Rows: Send {
    /// Takes what happened next.
    fn take(&mut self, step: &Step<'_>, register: &Register, row: &mut dyn FnMut(Row));
    /// Gives the rows that could only be told at the end.
    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row));
}

/// A table that is being made from the events of a log, up to a sequence.
pub struct Making {
    register: Register,
    rows: Box<dyn Rows>,
    /// Places of the columns that are wanted, among those that there are.
    wanted: Vec<usize>,
    /// Last sequence that counts.
    last: i64,
}

impl Making {
    /// From nothing yet; `all` are the columns that the rows have, and `head` those that are wanted of them.
    pub fn new(rows: Box<dyn Rows>, all: &[super::table::Column], head: &Head, last: Option<i64>) -> Self {
        let wanted = head.columns.iter().filter_map(|column| all.iter().position(|known| known == column)).collect();
        Self { register: Register::default(), rows, wanted, last: last.unwrap_or(i64::MAX) }
    }

    /// Takes the next event, with the hash of its entry.
    pub fn take(&mut self, sequence: i64, entry_hash: [u8; 32], event: &Event, row: &mut dyn FnMut(Row)) {
        if sequence > self.last {
            return;
        }
        let Self { register, rows, wanted, .. } = self;
        let mut chosen = |given: Row| row(choose(&given, wanted));
        steps(sequence, entry_hash, event, |step| {
            register.take(step);
            rows.take(step, register, &mut chosen);
        });
    }

    /// Gives what is left, at the end of the events.
    pub fn close(mut self, row: &mut dyn FnMut(Row)) -> Register {
        let Self { register, rows, wanted, .. } = &mut self;
        rows.close(register, &mut |given| row(choose(&given, wanted)));
        self.register
    }
}

fn choose(row: &Row, wanted: &[usize]) -> Row {
    let cells = wanted.iter().map(|at| row.cells.get(*at).cloned().unwrap_or(Cell::Empty)).collect();
    Row { cells, person: row.person }
}
