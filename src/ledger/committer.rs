//! The committer: stores a group, makes it durable once, tells everyone.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc::Receiver};
use std::time::Instant;

use super::state_files::StateFiles;
use super::writer::Group;
use super::{CommitSink, Committed, Shared, Unavailable};
use crate::log::Log;

pub(super) struct Committer {
    log: Box<dyn Log>,
    shared: Arc<Shared>,
    sink: CommitSink,
    snapshots: Option<StateFiles>,
}

impl Committer {
    pub(super) fn new(log: Box<dyn Log>, shared: Arc<Shared>, sink: CommitSink, snapshots: Option<StateFiles>) -> Self {
        Self { log, shared, sink, snapshots }
    }

    /// Runs until the writer is gone, or until a write fails: then nothing is acknowledged any more.
    pub(super) fn run(mut self, groups: &Receiver<Group>) {
        while let Ok(group) = groups.recv() {
            if self.commit(group).is_break() {
                break;
            }
        }
        // Whoever still waits is told that nobody knows: the events may be on disk.
        while let Ok(group) = groups.try_recv() {
            group.fail(&unknown(&self.shared));
        }
    }

    pub(super) fn commit(&mut self, group: Group) -> ControlFlow<()> {
        let Some(last) = group.blocks.last().map(|block| block.head) else {
            self.shared.counts.add(group.tally);
            group.answer();
            return ControlFlow::Continue(());
        };
        let began = Instant::now();
        if let Err(error) = self.log.append(self.log.head(), &group.blocks) {
            // Before anyone is told: whoever learns of it and posts again must find the ledger read-only.
            self.shared.poison(&error.to_string());
            group.fail(&unknown(&self.shared));
            return ControlFlow::Break(());
        }
        self.shared.set_committed(last);
        if let Some(event) = group.events.last() {
            self.shared.booked_at.store(event.booked_at.0, Ordering::Relaxed);
        }
        if let Some(meters) = self.shared.meters.get() {
            meters.record(began.elapsed().as_secs_f64(), group.events.len());
        }
        // Before the answers: whoever has one and asks for the counts finds it in them.
        self.shared.counts.add(group.tally);
        let Group { blocks, events, replies, snapshot, .. } = group;
        // Answers first: whoever posted waits, whoever reads says which sequence they need.
        Group::answer_all(replies);
        (self.sink)(Committed { blocks, events });
        if let (Some(taken), Some(files)) = (snapshot, &self.snapshots) {
            files.write_behind(last, taken);
        }
        ControlFlow::Continue(())
    }
}

fn unknown(shared: &Shared) -> Unavailable {
    Unavailable::OutcomeUnknown(shared.read_only.get().cloned().unwrap_or_default())
}
