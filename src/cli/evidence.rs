//! Evidence for the auditor: read without ever opening the original for writing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use tempfile::TempDir;

use super::connect::Connection;
use super::{Failure, Globals};
use crate::audit::{KeyValue, Unreadable};
use crate::ledger::checkpoints::{CHECKPOINT_FILE, WITNESSED_FILE};
use crate::ledger::directory::{identify, lock_for_reading, log_path};
use crate::log::sled::SledLog;
use crate::log::{Log, LogRead};
use crate::messages::cli as text;
use crate::pb::v1;

/// Messages of a running server that wait for the verifier.
const MESSAGES_WAITING_MAX: usize = 4;

/// A private copy of a stopped ledger's log. The store's own open writes, so it is never let near the original.
pub struct PrivateCopy {
    /// The checkpoints that lie beside the log, by file: the last one, and the last one that witnesses cosigned.
    pub checkpoints: Vec<(&'static str, String)>,
    reader: Arc<dyn LogRead>,
    // Dropped last: the store closes before its files go.
    _directory: TempDir,
}

impl PrivateCopy {
    /// Copies the log of a stopped ledger. A running one is refused: its URL is the way to it.
    pub fn take(path: &Path) -> Result<Self, Failure> {
        identify(path)?;
        let lock = lock_for_reading(path)?;
        let failed = |error: std::io::Error| Failure::about(path.display(), error);
        let directory = tempfile::Builder::new().prefix("fundledger-verify-").tempdir().map_err(failed)?;
        copy_tree(&log_path(path), directory.path()).map_err(failed)?;
        let mut checkpoints = Vec::new();
        for name in [CHECKPOINT_FILE, WITNESSED_FILE] {
            let file = path.join(name);
            match fs::read_to_string(&file) {
                Ok(checkpoint) => checkpoints.push((name, checkpoint)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::about(file.display(), error)),
            }
        }
        drop(lock);
        let reader = SledLog::open(directory.path())?.reader();
        Ok(Self { checkpoints, reader, _directory: directory })
    }

    /// The log, for reading.
    pub fn reader(&self) -> &dyn LogRead {
        self.reader.as_ref()
    }

    /// The stored values, as they are.
    pub fn values(&self) -> impl Iterator<Item = Result<KeyValue, Unreadable>> + Send + '_ {
        self.reader.values_from(&[]).map(|item| item.map_err(|fault| Unreadable(fault.to_string())))
    }
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Entries of a running server, with the head that it claims.
pub struct Served {
    /// Sequence and hash of the head, as the server says.
    pub claimed_head: (i64, [u8; 32]),
    /// The checkpoints that the server stands by.
    pub checkpoints: Vec<String>,
    first: Vec<Vec<u8>>,
    rest: Receiver<Result<Vec<Vec<u8>>, Unreadable>>,
}

impl Served {
    /// Starts reading all entries from a server.
    pub fn start(globals: &Globals, url: &str) -> Result<Self, Failure> {
        let (mut globals, lang) = (globals.clone(), globals.lang);
        globals.server = Some(url.to_owned());
        let (sender, rest) = sync_channel(MESSAGES_WAITING_MAX);
        let (head_sender, head) = sync_channel(1);
        std::thread::spawn(move || {
            let read = super::connect::with(&globals, async |connection| {
                // First, so that the log read after it covers it.
                let checkpoints = latest(connection).await;
                let mut stream = open(connection).await?;
                let first = stream.message().await.map_err(|status| connection.failure(&status))?;
                let first = first.map(|first| (first, checkpoints));
                // Nobody listening any more ends the reading.
                if head_sender.send(Ok(first)).is_err() {
                    return Ok(());
                }
                loop {
                    let item = match stream.message().await {
                        Ok(None) => return Ok(()),
                        Ok(Some(message)) => Ok(owned(message)),
                        Err(status) => Err(Unreadable(connection.explain(&status).message)),
                    };
                    let is_last = item.is_err();
                    if sender.send(item).is_err() || is_last {
                        return Ok(());
                    }
                }
            });
            if let Err(failure) = read {
                drop(head_sender.send(Err(failure)));
            }
        });
        let gone = |_| Failure::Unavailable(text::server_gone(lang));
        let message = head.recv().map_err(gone)??;
        let (message, checkpoints) = message.ok_or_else(|| Failure::Unavailable(text::verify_no_entries(lang)))?;
        let position = message.head.clone().unwrap_or_default();
        let hash = <[u8; 32]>::try_from(position.entry_hash.as_ref())
            .map_err(|_| Failure::Unavailable(text::verify_no_hash(lang)))?;
        Ok(Self { claimed_head: (position.sequence, hash), checkpoints, first: owned(message), rest })
    }

    /// The entries, in order.
    pub fn entries(self) -> impl Iterator<Item = Result<Vec<u8>, Unreadable>> + Send {
        let first = self.first.into_iter().map(Ok);
        first.chain(self.rest.into_iter().flat_map(|item| match item {
            Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(unreadable) => vec![Err(unreadable)],
        }))
    }
}

/// What the server has signed; nothing, where it signs nothing or knows nothing of it.
async fn latest(connection: &Connection) -> Vec<String> {
    let mut notes = Vec::new();
    for witnessed in [false, true] {
        let request = connection.request(v1::GetCheckpointRequest { min_sequence: None, witnessed });
        if let Ok(answer) = connection.audit().get_checkpoint(request).await {
            notes.push(answer.into_inner().checkpoint);
        }
    }
    notes
}

async fn open(connection: &Connection) -> Result<tonic::Streaming<v1::ReadEntriesResponse>, Failure> {
    let request = v1::ReadEntriesRequest { start_sequence: 0, end_sequence: None };
    let answer = connection.audit().read_entries(connection.request(request)).await;
    Ok(answer.map_err(|status| connection.failure(&status))?.into_inner())
}

fn owned(message: v1::ReadEntriesResponse) -> Vec<Vec<u8>> {
    message.entries.into_iter().map(Vec::from).collect()
}
