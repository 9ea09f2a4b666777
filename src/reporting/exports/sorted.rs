//! Records in the order of their keys, however many there are: what does not fit into memory waits in files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Bytes that wait in memory before they are written to a file.
const MEMORY_BYTES: usize = 64 << 20;
/// What a record takes beside its bytes, at the least.
const RECORD_BYTES: usize = 64;

type Record = (Vec<u8>, Vec<u8>);

/// Takes records in any order, and gives them by key as often as is asked.
pub struct Sorter {
    waiting: Vec<Record>,
    bytes: usize,
    bytes_max: usize,
    runs: Vec<File>,
    room: PathBuf,
}

impl Sorter {
    /// With nothing yet. The files have no name and lie below `room`.
    pub fn new(room: &Path) -> Self {
        Self::with_memory(room, MEMORY_BYTES)
    }

    fn with_memory(room: &Path, bytes_max: usize) -> Self {
        Self { waiting: Vec::new(), bytes: 0, bytes_max, runs: Vec::new(), room: room.to_owned() }
    }

    /// Takes a record. No two have the same key.
    pub fn push(&mut self, key: &[u8], record: Vec<u8>) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(record.len()).saturating_add(RECORD_BYTES);
        self.waiting.push((key.to_vec(), record));
        if self.bytes < self.bytes_max { Ok(()) } else { self.spill() }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.waiting.sort_unstable();
        let mut out = BufWriter::new(tempfile::tempfile_in(&self.room)?);
        for (key, record) in self.waiting.drain(..) {
            for part in [key, record] {
                let length = u32::try_from(part.len()).map_err(io::Error::other)?;
                out.write_all(&length.to_be_bytes())?;
                out.write_all(&part)?;
            }
        }
        self.bytes = 0;
        self.runs.push(out.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(())
    }

    /// Gives the records by key.
    pub fn each<E: From<io::Error>>(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.waiting.sort_unstable();
        let mut runs = Vec::new();
        for run in &mut self.runs {
            run.rewind()?;
            runs.push(BufReader::new(run));
        }
        let mut waiting = self.waiting.iter();
        // The smallest key of each run, and what waits in memory as one run more.
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(read(run)?.map(|record| Reverse((record, number))));
        }
        let in_memory = runs.len();
        heads.extend(waiting.next().map(|record| Reverse((record.clone(), in_memory))));
        while let Some(Reverse(((_, record), number))) = heads.pop() {
            let next = match runs.get_mut(number) {
                Some(run) => read(run)?,
                None => waiting.next().cloned(),
            };
            heads.extend(next.map(|record| Reverse((record, number))));
            take(&record)?;
        }
        Ok(())
    }
}

/// The next record of a run; `None` at its end.
fn read(run: &mut impl Read) -> io::Result<Option<Record>> {
    let mut part = || -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        match run.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?];
        run.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    };
    let Some(key) = part()? else { return Ok(None) };
    let record = part()?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    Ok(Some((key, record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_by_key_whether_or_not_they_fit_into_memory() {
        for bytes_max in [1, 500, 1 << 20] {
            let mut sorter = Sorter::with_memory(&std::env::temp_dir(), bytes_max);
            for number in 0..200_u32 {
                // 7 and 200 have no common divisor: all numbers, out of order.
                let number = number * 7 % 200;
                sorter.push(&number.to_be_bytes(), number.to_string().into_bytes()).unwrap();
            }
            for _ in 0..2 {
                let mut found = Vec::new();
                sorter
                    .each(|record| {
                        found.push(String::from_utf8(record.to_vec()).unwrap());
                        Ok::<(), io::Error>(())
                    })
                    .unwrap();
                assert_eq!(found, (0..200).map(|number: i32| number.to_string()).collect::<Vec<_>>(), "{bytes_max}");
            }
        }
    }
}
