//! A ledger without threads: the writer and the committer that a running one has, taken step by step. Whatever can happen
//! between two steps can be tried, and tried again.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::clock::Clock;
use super::committer::Committer;
use super::writer::{Group, Reply, Writer};
use super::{CommitSink, Digests, OpenError, Outcome, Prepared, Shared, SubmissionKind, Unavailable, recovered};
use crate::domain::command::Command;
use crate::format::record::Head;
use crate::log::Log;

/// The answer to a request, once there is one.
pub type Answer = oneshot::Receiver<Result<Vec<Outcome>, Unavailable>>;

/// The ledger, between two steps. Dropped, it is as if its process had been killed.
pub struct Steps {
    writer: Writer,
    committer: Committer,
    shared: Arc<Shared>,
    digests: Digests,
    // Of the group that is being decided.
    replies: Vec<Reply>,
    // Decided and not committed, in order.
    groups: VecDeque<Group>,
    has_failed: bool,
}

impl Steps {
    /// Recovers a log; every event is replayed.
    pub fn open(
        mut log: Box<dyn Log>,
        digests: &Digests,
        clock: Box<dyn Clock>,
        sink: CommitSink,
    ) -> Result<Self, OpenError> {
        let reader = log.reader();
        let (start, read_only) = recovered(log.as_mut(), reader.as_ref(), digests, None)?;
        let shared = Arc::new(Shared::new(&start, read_only));
        let fingerprints = digests.fingerprints.clone();
        let writer = Writer::new(start, Arc::clone(&shared), reader, clock, fingerprints, false);
        let committer = Committer::new(log, Arc::clone(&shared), sink, None);
        let (replies, groups) = (Vec::new(), VecDeque::new());
        Ok(Self { writer, committer, shared, digests: digests.clone(), replies, groups, has_failed: false })
    }

    /// Decides a request, as part of the group that is open.
    pub fn post(&mut self, commands: Vec<Command>) -> Answer {
        let (to, answer) = oneshot::channel();
        let mut scratch = Vec::new();
        let prepared: Vec<Prepared> =
            commands.into_iter().map(|command| self.digests.prepare(command, &mut scratch)).collect();
        self.replies.extend(self.writer.answer(prepared, SubmissionKind::Post, to));
        answer
    }

    /// Hands the open group over to be committed.
    pub fn close_group(&mut self) {
        let group = self.writer.close_group(std::mem::take(&mut self.replies));
        if self.has_failed {
            self.fail(group);
        } else {
            self.groups.push_back(group);
        }
    }

    /// Commits the oldest group that waits; after a failure nothing is committed any more.
    pub fn commit(&mut self) {
        let Some(group) = self.groups.pop_front() else { return };
        if self.committer.commit(group).is_break() {
            self.has_failed = true;
            for group in std::mem::take(&mut self.groups) {
                self.fail(group);
            }
        }
    }

    fn fail(&self, group: Group) {
        group.fail(&Unavailable::OutcomeUnknown(self.shared.read_only.get().cloned().unwrap_or_default()));
    }

    /// Whether a write failed.
    pub const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Groups that wait to be committed.
    pub fn waiting(&self) -> usize {
        self.groups.len()
    }

    /// The last entry that is on disk.
    pub fn committed(&self) -> Head {
        self.shared.committed()
    }

    /// All that the rules know, as bytes: equal states have equal ones.
    pub fn state(&self) -> Vec<u8> {
        self.writer.snapshot().state().to_vec()
    }
}
