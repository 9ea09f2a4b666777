//! What is derived from committed events: views of names and balances, and the history index. They know nothing of the
//! writer's state: a balance served is a second opinion on it, and `verify --deep` is a third.

pub mod books;
pub mod clocks;
pub mod complaints;
pub mod contracts;
pub mod events;
pub mod findings;
pub mod history;
pub mod performance;
pub mod trace;

use self::books::Books;
use self::clocks::Clocks;
use self::complaints::Complaints;
use self::contracts::Contracts;
use self::findings::Findings;
use self::performance::Performances;
use crate::domain::authority::Authority;
use crate::domain::event::Event;
use crate::domain::ids::Sequence;
use crate::format::record::Head;
use crate::format::stored::{Malformed, Stored};

/// Layout of [`Views::encode`], for the names of snapshot files.
pub const LAYOUT: &str = "views-9";

/// Names and balances, at one position of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Views {
    /// What the views are as of.
    pub position: Head,
    /// Names and balances.
    pub books: Books,
    /// Roles, keys and proposals.
    pub authority: Authority,
    /// Statutory clocks.
    pub clocks: Clocks,
    /// Auditors' findings.
    pub findings: Findings,
    /// Tenders, contracts and projects.
    pub contracts: Contracts,
    /// Goals and scores.
    pub performances: Performances,
    /// Complaints.
    pub complaints: Complaints,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            position: Head::EMPTY,
            books: Books::default(),
            authority: Authority::default(),
            clocks: Clocks::default(),
            findings: Findings::default(),
            contracts: Contracts::default(),
            performances: Performances::default(),
            complaints: Complaints::default(),
        }
    }
}

impl Views {
    /// Folds the events of a block; `head` is the block's.
    pub fn apply<'a>(&mut self, first_sequence: i64, head: Head, events: impl Iterator<Item = &'a Event> + Clone) {
        self.books.bring_near(events.clone());
        let mut sequence = first_sequence;
        for event in events {
            self.books.apply(Sequence(sequence), event);
            self.authority.apply(Sequence(sequence), event);
            self.clocks.apply(Sequence(sequence), event, &self.books);
            self.findings.apply(Sequence(sequence), event);
            self.contracts.apply(Sequence(sequence), event, &self.books);
            self.performances.apply(Sequence(sequence), event);
            self.complaints.apply(Sequence(sequence), event);
            sequence = sequence.saturating_add(1);
        }
        self.position = head;
    }

    /// The views as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        self.books.put(&mut to);
        self.authority.put(&mut to);
        self.clocks.put(&mut to);
        self.findings.put(&mut to);
        self.contracts.put(&mut to);
        self.performances.put(&mut to);
        self.complaints.put(&mut to);
        to
    }

    /// The views from bytes, as of a position.
    pub fn decode(position: Head, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = bytes;
        let from = &mut bytes;
        let views = Self {
            position,
            books: Books::take(from)?,
            authority: Authority::take(from)?,
            clocks: Clocks::take(from)?,
            findings: Findings::take(from)?,
            contracts: Contracts::take(from)?,
            performances: Performances::take(from)?,
            complaints: Complaints::take(from)?,
        };
        if from.is_empty() { Ok(views) } else { Err(Malformed) }
    }
}
