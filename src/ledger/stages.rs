//! The hot path taken apart: the writer and the log without threads between them, one step after another, so that each can be
//! measured by itself. The steps are the ones that a running ledger takes.

use std::sync::Arc;

use super::clock::Clock;
use super::directory::DataDirectory;
use super::writer::{Group, Writer};
use super::{Digests, OpenError, Outcome, Prepared, Shared, Unavailable, recovered};
use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::format::block::Block;
use crate::log::sled::SledLog;
use crate::log::{Fault, Log, LogRead};

/// A ledger whose steps are called one by one.
pub struct Stages {
    writer: Writer,
    log: SledLog,
    shared: Arc<Shared>,
    digests: Digests,
    reader: Arc<dyn LogRead>,
    _directory: DataDirectory,
}

/// What the writer made of commands.
pub struct Decided {
    /// One a command.
    pub outcomes: Vec<Outcome>,
    /// Their events.
    pub events: Vec<Event>,
    /// The same, as they are stored.
    pub blocks: Arc<Vec<Block>>,
}

impl Stages {
    /// Opens the ledger in a directory.
    pub fn open(directory: DataDirectory, clock: Box<dyn Clock>) -> Result<Self, OpenError> {
        let mut log = directory.open_log()?;
        let digests = directory.digests();
        let reader = log.reader();
        let (start, _) = recovered(&mut log, reader.as_ref(), &digests, None)?;
        let shared = Arc::new(Shared::new(&start, None));
        let writer =
            Writer::new(start, Arc::clone(&shared), Arc::clone(&reader), clock, digests.fingerprints.clone(), false);
        Ok(Self { writer, log, shared, digests, reader, _directory: directory })
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn LogRead> {
        Arc::clone(&self.reader)
    }

    /// Computes what a command's key is looked up and compared by.
    pub fn prepare(&self, command: Command, scratch: &mut Vec<u8>) -> Prepared {
        self.digests.prepare(command, scratch)
    }

    /// Looks keys up, decides, encodes and hashes.
    pub fn decide(&mut self, commands: Vec<Prepared>) -> Result<Decided, Unavailable> {
        let outcomes = self.writer.decide_posted(commands)?;
        let Group { blocks, events, .. } = self.writer.close_group(Vec::new());
        Ok(Decided { outcomes, events, blocks })
    }

    /// Puts blocks into the store, without making them durable.
    pub fn store(&self, blocks: &[Block]) -> Result<(), Fault> {
        self.log.write(blocks)
    }

    /// Makes durable what was stored.
    pub fn flush(&mut self, blocks: &[Block]) -> Result<(), Fault> {
        self.log.sync()?;
        if let Some(last) = blocks.last() {
            self.shared.set_committed(last.head);
        }
        Ok(())
    }
}
