//! A log as static files (C2SP tlog-tiles), in a directory or behind a URL: plain files that any server gives.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;

use super::Failure;
use crate::audit::Unreadable;
use crate::audit::note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError};
use crate::audit::tiles::{Compared, StaticTiles, TileFiles};
use crate::ledger::checkpoints::CHECKPOINT_FILE;
use crate::ledger::directory::is_data_directory;

/// Longest that a server may take for a file.
const PATIENCE: Duration = Duration::from_mins(1);
const TILES: &str = "tile";

/// The files of a log, and the checkpoint that they lie under.
pub struct TileTree {
    /// The signed checkpoint.
    pub note: String,
    /// The files.
    pub tiles: StaticTiles,
}

impl TileTree {
    /// The tile tree in a directory; `None` where there is something else.
    pub fn open(path: &Path) -> Result<Option<Self>, Failure> {
        if is_data_directory(path) || !path.join(TILES).is_dir() {
            return Ok(None);
        }
        let files = Directory(path.to_owned());
        let shown = path.join(CHECKPOINT_FILE);
        let note =
            files.read(CHECKPOINT_FILE, NOTE_BYTES_MAX).map_err(|error| Failure::Unavailable(error.to_string()))?;
        let note = note.ok_or_else(|| Failure::about(shown.display(), ErrorKind::NotFound))?;
        Self::new(note, Arc::new(files)).map(Some).map_err(|error| Failure::about(shown.display(), error))
    }

    /// The tiles in a directory, under a checkpoint that does not lie there yet.
    pub fn under(path: &Path, note: &str) -> Result<Self, NoteError> {
        Self::new(note.as_bytes().to_vec(), Arc::new(Directory(path.to_owned())))
    }

    /// The tile tree behind a URL; `None` where no checkpoint is served there: it may be the API of a ledger.
    pub fn fetch(url: &str) -> Option<Self> {
        let agent = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
        let files = Address { agent, url: url.trim_end_matches('/').to_owned() };
        let note = files.read(CHECKPOINT_FILE, NOTE_BYTES_MAX).ok()??;
        Self::new(note, Arc::new(files)).ok()
    }

    fn new(note: Vec<u8>, files: Arc<dyn TileFiles>) -> Result<Self, NoteError> {
        let note = String::from_utf8(note).map_err(|_| NoteError::Form("it is no text"))?;
        let checkpoint = Checkpoint::parse(Note::parse(&note)?.text())?;
        Ok(Self { note, tiles: StaticTiles::new(files, checkpoint.size) })
    }

    /// The tiles of hashes, to be compared.
    pub fn compared(&self) -> Compared {
        Compared { source: Arc::new(self.tiles.clone()), size: self.tiles.size() }
    }
}

struct Directory(PathBuf);

impl TileFiles for Directory {
    fn read(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, Unreadable> {
        let path = self.0.join(name);
        match File::open(&path).and_then(|file| read_at_most(file, most)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Unreadable(format!("{}: {error}", path.display()))),
        }
    }
}

struct Address {
    agent: Agent,
    url: String,
}

impl TileFiles for Address {
    fn read(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, Unreadable> {
        let url = format!("{}/{name}", self.url);
        let failed = |error: &dyn std::fmt::Display| Unreadable(format!("{url}: {error}"));
        let mut answer = self.agent.get(&url).call().map_err(|error| failed(&error))?;
        match answer.status().as_u16() {
            200 => read_at_most(answer.body_mut().as_reader(), most).map(Some).map_err(|error| failed(&error)),
            404 | 410 => Ok(None),
            status => Err(failed(&status)),
        }
    }
}

/// One byte more than there may be shows that there are too many.
fn read_at_most(from: impl Read, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
