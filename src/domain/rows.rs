//! Rows that only come to be, never go: kept in chunks, so that a table that grows is never moved, and so that a copy of it
//! costs nothing but what changes afterwards.

use std::sync::Arc;

use hashbrown::HashTable;

/// Rows of a chunk.
pub const CHUNK_ROWS: usize = 1 << 14;

/// Rows by number, from 0. A copy shares its chunks with the original; whoever changes a row copies its chunk then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<T> {
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Rows<T> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row of a number.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK_ROWS)?.get(at % CHUNK_ROWS)
    }

    /// The row of a number, to be changed.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        Arc::make_mut(self.chunks.get_mut(at / CHUNK_ROWS)?).get_mut(at % CHUNK_ROWS)
    }

    /// Adds a row.
    pub fn push(&mut self, row: T) {
        self.len = self.len.saturating_add(1);
        if let Some(last) = self.chunks.last_mut().filter(|last| last.len() < CHUNK_ROWS) {
            Arc::make_mut(last).push(row);
            return;
        }
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        chunk.push(row);
        self.chunks.push(Arc::new(chunk));
    }

    /// Takes the last row away.
    pub fn pop(&mut self) -> Option<T> {
        let row = Arc::make_mut(self.chunks.last_mut()?).pop()?;
        self.len = self.len.saturating_sub(1);
        if self.chunks.last().is_some_and(|last| last.is_empty()) {
            self.chunks.pop();
        }
        Some(row)
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The chunks, each of [`CHUNK_ROWS`] but the last.
    pub fn chunks(&self) -> &[Arc<Vec<T>>] {
        &self.chunks
    }
}

/// Texts by number, from 0, end to end: four bytes a text besides its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    chunks: Vec<Arc<TextChunk>>,
    len: usize,
}

/// Texts of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextChunk {
    text: String,
    // Where each ends.
    ends: Vec<u32>,
}

impl TextChunk {
    /// The text of a number within the chunk.
    pub fn get(&self, at: usize) -> Option<&str> {
        let place = |end: u32| usize::try_from(end).unwrap_or(usize::MAX);
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied().map(place))?;
        self.text.get(start..place(*self.ends.get(at)?))
    }

    fn end(&self) -> u32 {
        // Texts are at most 512 bytes long, and a chunk has 2^14 of them.
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

impl Texts {
    /// The text of a number.
    pub fn get(&self, at: usize) -> Option<&str> {
        self.chunks.get(at / CHUNK_ROWS)?.get(at % CHUNK_ROWS)
    }

    /// The chunks, each of [`CHUNK_ROWS`] but the last.
    pub fn chunks(&self) -> &[Arc<TextChunk>] {
        &self.chunks
    }

    /// Adds a text.
    pub fn push(&mut self, text: &str) {
        if self.len.is_multiple_of(CHUNK_ROWS) {
            self.chunks.push(Arc::default());
        }
        if let Some(last) = self.chunks.last_mut() {
            let last = Arc::make_mut(last);
            last.text.push_str(text);
            last.ends.push(last.end());
            self.len = self.len.saturating_add(1);
        }
    }

    /// Takes the last text away.
    pub fn pop(&mut self) {
        let Some(last) = self.chunks.last_mut().map(Arc::make_mut) else { return };
        last.ends.pop();
        let end = last.ends.last().map_or(0, |end| usize::try_from(*end).unwrap_or_default());
        last.text.truncate(end);
        if last.ends.is_empty() {
            self.chunks.pop();
        }
        self.len = self.len.saturating_sub(1);
    }
}

/// Slots that are gathered before they go into their shards: each shard is at hand then for as many as fall to it.
const GATHERED: usize = 1 << 20;

/// Fills hash tables of eight bytes a slot, given with their shards; none is there twice. Put in one by one, each slot would
/// wait for memory.
pub fn fill(
    shards: &mut [HashTable<u64>],
    mut slots: impl Iterator<Item = (usize, u64)>,
    hash: impl Fn(&u64) -> u64 + Copy,
) {
    let mut gathered = vec![Vec::new(); shards.len()];
    loop {
        let mut count = 0_usize;
        for (shard, slot) in slots.by_ref().take(GATHERED) {
            if let Some(gathered) = gathered.get_mut(shard) {
                gathered.push(slot);
            }
            count = count.saturating_add(1);
        }
        for (shard, gathered) in shards.iter_mut().zip(&mut gathered) {
            for slot in gathered.drain(..) {
                shard.insert_unique(hash(&slot), slot, hash);
            }
        }
        if count < GATHERED {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over the bounds of chunks and back, beside a copy that must not see it.
    #[test]
    fn rows_and_texts_are_as_in_one_list() {
        let (mut rows, mut texts, mut plain) = (Rows::default(), Texts::default(), Vec::new());
        for number in 0..CHUNK_ROWS * 2 + 3 {
            rows.push(number);
            texts.push(&number.to_string());
            plain.push(number);
        }
        let (rows_before, texts_before) = (rows.clone(), texts.clone());
        for _ in 0..CHUNK_ROWS + 5 {
            assert_eq!(rows.pop(), plain.pop());
            texts.pop();
        }
        *rows.get_mut(7).unwrap() = 70;
        plain[7] = 70;
        for number in 1..10 {
            rows.push(number);
            texts.push("");
            plain.push(number);
        }
        assert!(rows.iter().eq(&plain) && rows.len() == plain.len());
        let last = plain.len() - 1;
        assert_eq!((rows.get(last), rows.get(last + 1)), (Some(&9), None));
        assert_eq!((texts.get(last), texts.get(last + 1), texts.get(12_345)), (Some(""), None, Some("12345")));
        assert_eq!((rows_before.get(7), texts_before.get(last)), (Some(&7), Some(&*last.to_string())));
        assert_eq!(rows_before.len(), CHUNK_ROWS * 2 + 3);
    }
}
