//! Blocks: how entries lie in the store (docs/format.md, Block).

use thiserror::Error;

use super::record::{ENTRY_BYTES_MAX, EntryHash, HASH_BYTES, Head, split_entry};

/// Longest value: what a larger one does to sled's files is in docs/hazards.md.
pub const VALUE_BYTES_MAX: usize = 6_000;
/// Header of a value.
pub const HEADER_BYTES: usize = 76;
/// Longest payload of a value.
pub const PAYLOAD_BYTES_MAX: usize = VALUE_BYTES_MAX - HEADER_BYTES;
/// Key: sequence (8) and part (1).
pub const KEY_BYTES: usize = 9;
const LENGTH_BYTES: usize = 2;
const PARTS_MAX: usize = (ENTRY_BYTES_MAX + LENGTH_BYTES).div_ceil(PAYLOAD_BYTES_MAX);
const BLOCK_VERSION: u8 = 1;

const _: () = assert!(HEADER_BYTES == 12 + 2 * HASH_BYTES, "the header's layout is part of format 1");
const _: () = assert!(PARTS_MAX == 12, "a part number fits one byte, and docs/format.md says 12");

/// A value under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// The key.
    pub key: [u8; KEY_BYTES],
    /// The value.
    pub value: Vec<u8>,
}

/// Entries that are written together.
#[derive(Clone, Debug)]
pub struct Block {
    /// Sequence of its first entry.
    pub first_sequence: i64,
    /// Head before it.
    pub previous: EntryHash,
    /// Its last entry.
    pub head: Head,
    /// `length (2) ‖ entry`, for each entry.
    pub records: Vec<u8>,
}

impl Block {
    /// The entries, in order.
    pub fn entries(&self) -> Entries<'_> {
        Entries { rest: &self.records }
    }

    /// The entry of a sequence.
    pub fn entry_at(&self, sequence: i64) -> Option<&[u8]> {
        self.entries().nth(usize::try_from(sequence.checked_sub(self.first_sequence)?).ok()?)
    }

    /// The values that store it: one, or several for an entry too long for one.
    pub fn to_values(&self) -> impl Iterator<Item = StoredValue> + '_ {
        let parts = self.records.len().div_ceil(PAYLOAD_BYTES_MAX).max(1);
        let count = self.head.sequence.saturating_sub(self.first_sequence).saturating_add(1);
        (0..parts).map(move |part| {
            let payload = self.records.chunks(PAYLOAD_BYTES_MAX).nth(part).unwrap_or_default();
            let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
            let mut value = Vec::with_capacity(HEADER_BYTES.saturating_add(payload.len()));
            value.extend_from_slice(&[BLOCK_VERSION, byte(part), byte(parts), 0]);
            value.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
            value.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
            value.extend_from_slice(&[0; 4]);
            value.extend_from_slice(&self.previous.0);
            value.extend_from_slice(&self.head.hash.0);
            value.extend_from_slice(payload);
            let checksum = checksum(&value).to_be_bytes();
            for (place, byte) in value.iter_mut().skip(8).zip(checksum) {
                *place = byte;
            }
            StoredValue { key: key(self.first_sequence, byte(part)), value }
        })
    }
}

/// The key of a part of a block.
pub fn key(first_sequence: i64, part: u8) -> [u8; KEY_BYTES] {
    let mut key = [part; KEY_BYTES];
    for (place, byte) in key.iter_mut().zip(first_sequence.to_be_bytes()) {
        *place = byte;
    }
    key
}

/// The sequence and part of a key.
pub fn parse_key(key: &[u8]) -> Option<(i64, u8)> {
    let (sequence, part) = key.split_first_chunk::<8>()?;
    let [part] = part else { return None };
    Some((i64::from_be_bytes(*sequence), *part))
}

fn checksum(value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(value.get(..8).unwrap_or_default());
    hasher.update(value.get(12..).unwrap_or_default());
    hasher.finalize()
}

/// The entries of a block.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<LENGTH_BYTES>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        self.rest = rest;
        Some(entry)
    }
}

/// Why stored values are not a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The header or the lengths do not add up.
    #[error("the stored block at sequence {first_sequence} is malformed: {what}")]
    Malformed {
        /// Where.
        first_sequence: i64,
        /// What is wrong.
        what: &'static str,
    },
    /// The bytes are not the ones that were written.
    #[error("the checksum of the stored block at sequence {first_sequence} does not match")]
    Checksum {
        /// Where.
        first_sequence: i64,
    },
    /// The block does not link to what stands before it.
    #[error("the stored block at sequence {first_sequence} does not continue the log")]
    Link {
        /// Where.
        first_sequence: i64,
    },
}

/// One parsed value: a whole block, or a part of one.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its number, from 0.
    pub part: u8,
    /// How many there are.
    pub parts: u8,
    /// The block so far: whole where there is one part.
    pub block: Block,
}

/// Parses one value and checks its framing and checksum.
pub fn parse_value(key: &[u8], value: &[u8]) -> Result<Part, BlockError> {
    let (first_sequence, key_part) =
        parse_key(key).ok_or(BlockError::Malformed { first_sequence: -1, what: "the key is not 9 bytes long" })?;
    let malformed = |what| BlockError::Malformed { first_sequence, what };
    let (header, payload) = value.split_first_chunk::<HEADER_BYTES>().ok_or(malformed("shorter than a header"))?;
    let [version, part, parts, zero, count_high, count_low, length_high, length_low, sum @ ..] = header;
    let (sum, hashes) = sum.split_first_chunk::<4>().ok_or(malformed("shorter than a header"))?;
    let (previous, head) = hashes.split_at(HASH_BYTES);
    if *version != BLOCK_VERSION || *zero != 0 {
        return Err(malformed("a version this program does not know"));
    }
    if u32::from_be_bytes(*sum) != checksum(value) {
        return Err(BlockError::Checksum { first_sequence });
    }
    if *part != key_part || part >= parts || usize::from(*parts) > PARTS_MAX {
        return Err(malformed("the part number is wrong"));
    }
    let count = u16::from_be_bytes([*count_high, *count_low]);
    if count == 0 || (*parts > 1 && count != 1) {
        return Err(malformed("the number of entries is wrong"));
    }
    if usize::from(u16::from_be_bytes([*length_high, *length_low])) != payload.len() {
        return Err(malformed("the payload's length is wrong"));
    }
    let hash = |bytes: &[u8]| <[u8; HASH_BYTES]>::try_from(bytes).map(EntryHash).unwrap_or_default();
    let last = first_sequence.saturating_add(i64::from(count)).saturating_sub(1);
    let block = Block {
        first_sequence,
        previous: hash(previous),
        head: Head { sequence: last, hash: hash(head) },
        records: payload.to_vec(),
    };
    if *parts == 1 {
        check_records(&block)?;
    }
    Ok(Part { part: *part, parts: *parts, block })
}

/// The records fill the payload exactly, and there are as many as the header says.
fn check_records(block: &Block) -> Result<(), BlockError> {
    let malformed = |what| BlockError::Malformed { first_sequence: block.first_sequence, what };
    let mut entries = block.entries();
    let counted = entries.by_ref().count();
    let expected = block.head.sequence.saturating_sub(block.first_sequence).saturating_add(1);
    if i64::try_from(counted) != Ok(expected) || !entries.rest.is_empty() {
        return Err(malformed("the entries do not fill the payload"));
    }
    Ok(())
}

/// Puts parsed values, in key order, together to blocks.
#[derive(Debug, Default)]
pub struct Assembler {
    partial: Option<Part>,
}

impl Assembler {
    /// Takes the next value; gives a block when one is complete.
    pub fn push(&mut self, part: Part) -> Result<Option<Block>, BlockError> {
        let first_sequence = part.block.first_sequence;
        let malformed = |what| BlockError::Malformed { first_sequence, what };
        let whole = match self.partial.take() {
            None if part.part == 0 => part,
            None => return Err(malformed("the first part is missing")),
            Some(mut so_far) => {
                let continues = so_far.block.first_sequence == first_sequence
                    && part.parts == so_far.parts
                    && so_far.part.checked_add(1) == Some(part.part)
                    && part.block.head == so_far.block.head
                    && part.block.previous == so_far.block.previous;
                if !continues {
                    return Err(malformed("a part is missing or belongs to another block"));
                }
                so_far.part = part.part;
                so_far.block.records.extend_from_slice(&part.block.records);
                so_far
            }
        };
        if whole.part.checked_add(1) == Some(whole.parts) {
            check_records(&whole.block)?;
            return Ok(Some(whole.block));
        }
        self.partial = Some(whole);
        Ok(None)
    }

    /// Whether parts of a block are waiting for their rest.
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }
}

/// Checks that a block continues a log, entry by entry: stored links and recomputed hashes.
pub fn check_chain(block: &Block, before: Head) -> Result<(), BlockError> {
    let link_broken = BlockError::Link { first_sequence: block.first_sequence };
    if block.first_sequence != before.next_sequence() || block.previous != before.hash {
        return Err(link_broken);
    }
    let mut hash = before.hash;
    for entry in block.entries() {
        if split_entry(entry).is_none_or(|(link, _)| link != hash) {
            return Err(link_broken);
        }
        hash = EntryHash::of(entry);
    }
    if hash == block.head.hash { Ok(()) } else { Err(link_broken) }
}

/// Builds blocks from entries, closing each before it would outgrow a value.
#[derive(Debug)]
pub struct BlockBuilder {
    head: Head,
    previous: EntryHash,
    first_sequence: i64,
    records: Vec<u8>,
    closed: Vec<Block>,
}

/// An event too long for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the event is {bytes} bytes long, more than an entry may be")]
pub struct EventTooLong {
    /// Its length.
    pub bytes: usize,
}

impl BlockBuilder {
    /// Starts after a head.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            previous: head.hash,
            first_sequence: head.next_sequence(),
            records: Vec::with_capacity(VALUE_BYTES_MAX),
            closed: Vec::new(),
        }
    }

    /// The last entry so far.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Appends the entry of an event that `write` encodes; gives the new head. Nothing changes if the event is too long.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<Head, EventTooLong> {
        let start = self.records.len();
        self.records.extend_from_slice(&[0; LENGTH_BYTES]);
        self.records.extend_from_slice(&self.head.hash.0);
        write(&mut self.records);
        let entry_start = start.saturating_add(LENGTH_BYTES);
        let entry_bytes = self.records.len().saturating_sub(entry_start);
        let Ok(length) = u16::try_from(entry_bytes) else {
            self.records.truncate(start);
            return Err(EventTooLong { bytes: entry_bytes.saturating_sub(HASH_BYTES) });
        };
        for (place, byte) in self.records.iter_mut().skip(start).zip(length.to_be_bytes()) {
            *place = byte;
        }
        let hash = EntryHash::of(self.records.get(entry_start..).unwrap_or_default());
        if self.records.len() > PAYLOAD_BYTES_MAX && start > 0 {
            let record = self.records.split_off(start);
            self.close();
            self.records = record;
        }
        self.head = Head { sequence: self.head.next_sequence(), hash };
        if self.records.len() > PAYLOAD_BYTES_MAX {
            self.close();
        }
        Ok(self.head)
    }

    fn close(&mut self) {
        let records = std::mem::replace(&mut self.records, Vec::with_capacity(VALUE_BYTES_MAX));
        self.closed.push(Block {
            first_sequence: self.first_sequence,
            previous: self.previous,
            head: self.head,
            records,
        });
        self.previous = self.head.hash;
        self.first_sequence = self.head.next_sequence();
    }

    /// An entry that was pushed and not yet taken.
    pub fn entry_at(&self, sequence: i64) -> Option<&[u8]> {
        if sequence >= self.first_sequence {
            let within = usize::try_from(sequence.checked_sub(self.first_sequence)?).ok()?;
            return Entries { rest: &self.records }.nth(within);
        }
        let after = self.closed.partition_point(|block| block.first_sequence <= sequence);
        self.closed.get(after.checked_sub(1)?)?.entry_at(sequence)
    }

    /// Gives the blocks so far and goes on after them.
    pub fn take(&mut self) -> Vec<Block> {
        if !self.records.is_empty() {
            self.close();
        }
        std::mem::take(&mut self.closed)
    }
}
