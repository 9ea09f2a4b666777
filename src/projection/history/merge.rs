//! Sorted rows of neighbouring ranges made into one run, without holding them.

use std::path::Path;
use std::sync::Arc;

use super::row::{Row, Subject};
use super::run::{Piece, Run, RunCursor, RunWriter};
use super::snapshot::Segment;
use crate::format::record::Head;
use crate::log::Fault;

/// Rows written between two looks at whether to go on.
const ROWS_A_LOOK: u32 = 65_536;

/// What is merged, in the order of the log.
pub(super) struct Sources(Vec<Source>);

enum Source {
    Segment { rows: Vec<Row>, at: usize },
    Run { cursor: RunCursor, next: Option<Piece> },
}

impl Sources {
    pub(super) fn of_segment(segment: Option<Segment>) -> Self {
        Self(segment.map(|segment| Source::Segment { rows: segment.rows, at: 0 }).into_iter().collect())
    }

    pub(super) fn of_runs(runs: &[Arc<Run>]) -> Self {
        Self(runs.iter().map(|run| Source::Run { cursor: run.cursor(), next: None }).collect())
    }
}

impl Source {
    /// The subject that comes next.
    fn subject(&mut self) -> Result<Option<Subject>, Fault> {
        match self {
            Self::Segment { rows, at } => Ok(rows.get(*at).map(|row| row.subject)),
            Self::Run { cursor, next } => {
                if next.is_none() {
                    *next = cursor.next_piece()?;
                }
                Ok(next.as_ref().and_then(Piece::subject))
            }
        }
    }

    /// Writes the rows of a subject, if it is the one that comes next; gives how many.
    fn write(&mut self, subject: Subject, to: &mut RunWriter) -> Result<u32, Fault> {
        let mut written = 0_u32;
        while self.subject()? == Some(subject) {
            match self {
                Self::Segment { rows, at } => {
                    if let Some(row) = rows.get(*at) {
                        to.push(*row)?;
                    }
                    *at = at.saturating_add(1);
                    written = written.saturating_add(1);
                }
                Self::Run { next, .. } => match next.take() {
                    Some(Piece::Rows(rows)) => {
                        for row in rows {
                            to.push(row)?;
                            written = written.saturating_add(1);
                        }
                    }
                    Some(Piece::Chunk(chunk, bytes)) => {
                        to.push_chunk(chunk, &bytes)?;
                        written = written.saturating_add(u32::try_from(chunk.rows()).unwrap_or(u32::MAX));
                    }
                    None => {}
                },
            }
        }
        Ok(written)
    }
}

/// Writes one run of all sources; `None` if it was given up because `gives_up` said so.
pub(super) fn merge(
    directory: &Path,
    first_sequence: i64,
    head: Head,
    mut sources: Sources,
    gives_up: impl Fn() -> bool,
) -> Result<Option<Arc<Run>>, Fault> {
    let mut writer = RunWriter::create(directory, first_sequence, head)?;
    let mut unlooked = 0_u32;
    loop {
        let mut next: Option<Subject> = None;
        for source in &mut sources.0 {
            if let Some(subject) = source.subject()? {
                next = Some(next.map_or(subject, |next| next.min(subject)));
            }
        }
        let Some(subject) = next else { break };
        for source in &mut sources.0 {
            unlooked = unlooked.saturating_add(source.write(subject, &mut writer)?);
        }
        if unlooked >= ROWS_A_LOOK {
            unlooked = 0;
            if gives_up() {
                return Ok(None);
            }
        }
    }
    Run::open(&writer.finish()?).map(Arc::new).map(Some)
}
