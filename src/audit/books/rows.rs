//! Tables of which there is a row for each event or payment of a log: millions, none of which is ever forgotten. They grow
//! without moving what is in them. One that moves its rows into new memory each time it has doubled touches three times what it
//! holds, and memory that is touched for the first time took a third of a whole audit.

use hashbrown::HashTable;

use crate::audit::frame::Fingerprint;

/// Rows of a piece.
const PIECE: usize = 4_096;
/// Tables of places, one for each value of a byte of the hash: each is small when it grows.
const SHARDS: usize = 256;

/// A list in pieces.
pub(super) struct Pieces<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}

impl<T> Pieces<T> {
    pub(super) fn push(&mut self, row: T) {
        if self.len.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(row);
            self.len = self.len.saturating_add(1);
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.pieces.last().and_then(|piece| piece.last())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }
}

/// Rows by id.
pub(super) struct Rows<T> {
    shards: Vec<HashTable<Place>>,
    rows: Pieces<(Fingerprint, T)>,
}

/// Where the row of an id lies; with its hash, so that growing does not look at the rows.
struct Place {
    hash: u64,
    at: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(HashTable::new).take(SHARDS).collect(), rows: Pieces::default() }
    }
}

impl<T> Rows<T> {
    pub(super) const fn is_empty(&self) -> bool {
        self.rows.len == 0
    }

    pub(super) fn get(&self, id: Fingerprint) -> Option<&T> {
        self.find(id).and_then(|at| self.rows.get(at)).map(|(_, row)| row)
    }

    pub(super) fn get_mut(&mut self, id: Fingerprint) -> Option<&mut T> {
        self.find(id).and_then(|at| self.rows.get_mut(at)).map(|(_, row)| row)
    }

    /// Adds a row; `Err` with the one that has the id already, which stays.
    pub(super) fn add(&mut self, id: Fingerprint, row: T) -> Result<(), &T> {
        if let Some(at) = self.find(id) {
            return self.rows.get(at).map_or(Ok(()), |(_, row)| Err(row));
        }
        let (hash, at) = (id.hash(), self.rows.len);
        if let Some(shard) = self.shards.get_mut(shard_of(hash)) {
            self.rows.push((id, row));
            shard.insert_unique(hash, Place { hash, at }, |place| place.hash);
        }
        Ok(())
    }

    fn find(&self, id: Fingerprint) -> Option<usize> {
        let hash = id.hash();
        let is_of = |place: &Place| place.hash == hash && self.rows.get(place.at).is_some_and(|row| row.0 == id);
        self.shards.get(shard_of(hash))?.find(hash, is_of).map(|place| place.at)
    }
}

/// By bits that a table itself does not look at first: it takes the lowest ones for the place, and the highest ones beside it.
fn shard_of(hash: u64) -> usize {
    let [_, _, byte, ..] = hash.to_be_bytes();
    usize::from(byte)
}
