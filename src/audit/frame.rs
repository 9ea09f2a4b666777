//! Framing: from stored values to entries, each with its hash and what its event says (docs/format.md, Block).
//!
//! All of it looks at one value at a time, so that values can be read on several cores; what ties them together is in
//! `chain`.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Range;

use prost::Message;
use prost::bytes::Bytes;
use sha2::{Digest, Sha256};
use siphasher::sip128::{Hash128, SipHasher13};

use super::books::{Record, is_own_key};
use super::glance::Schema;
use super::report::{Fact, FaultKind};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{Event, LedgerCreated};

/// A SHA-256.
pub(super) type Hash = [u8; 32];
/// The link of the genesis.
pub(super) const ZEROS: Hash = [0; 32];

const HEADER_BYTES: usize = 76;
const VALUE_BYTES_MAX: usize = 6_000;
const PAYLOAD_BYTES_MAX: usize = 5_924;
const PARTS_MAX: u8 = 12;
/// Most entries of one value: none is shorter than its length and its link.
const ENTRIES_MAX: usize = PAYLOAD_BYTES_MAX / (2 + 32);
const REQUEST_ID_BYTES_MAX: usize = 64;

const _: () = assert!(VALUE_BYTES_MAX - HEADER_BYTES == PAYLOAD_BYTES_MAX, "docs/format.md, Block");

/// A keyed hash of an id: stands for it where millions are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint(u64, u64);

impl Fingerprint {
    /// What tables place it by.
    pub(super) const fn hash(self) -> u64 {
        self.0
    }

    /// A part of it, where to tell two apart by it is enough.
    pub(super) const fn short(self) -> u32 {
        let [a, b, c, d, ..] = self.1.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Its first byte, and the others, foremost.
    pub(super) fn split(self) -> (u8, u128) {
        let [first, ..] = self.0.to_be_bytes();
        (first, (u128::from(self.0) << 64 | u128::from(self.1)) << 8)
    }
}

impl std::hash::Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Fingerprints are hashes already.
#[derive(Default)]
pub(super) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Hashes fingerprints by taking them as they are.
pub(super) type AsItIs = BuildHasherDefault<Taken>;

/// The key of the fingerprints, drawn anew for each audit: nobody can prepare ids that collide.
#[derive(Debug)]
pub(super) struct Fingerprints(SipHasher13);

impl Default for Fingerprints {
    fn default() -> Self {
        // The standard hasher's own keys are random; two of its hashes are a key.
        let (one, other) = (RandomState::new(), RandomState::new());
        Self(SipHasher13::new_with_keys(one.hash_one(0), other.hash_one(1)))
    }
}

impl Fingerprints {
    pub(super) fn of(&self, id: &str) -> Fingerprint {
        self.of_bytes(id.as_bytes())
    }

    fn of_bytes(&self, id: &[u8]) -> Fingerprint {
        let Hash128 { h1, h2 } = self.0.hash(id);
        Fingerprint(h1, h2)
    }
}

/// What the audit of the chain needs of an event.
pub(super) struct Facts {
    pub(super) booked_at_ns: i64,
    pub(super) request: Result<Fingerprint, String>,
    pub(super) genesis: Option<Box<Genesis>>,
    /// For the books.
    pub(super) record: Option<Box<Record>>,
}

/// What a genesis says.
pub(super) struct Genesis {
    pub(super) created: LedgerCreated,
    /// A genesis is nobody's command and moves nothing.
    pub(super) is_bare: bool,
}

/// One entry.
pub(super) struct Entry {
    /// Where its bytes are in the payload of its block.
    range: Range<usize>,
    pub(super) link: Hash,
    pub(super) hash: Hash,
    pub(super) facts: Result<Facts, Fact>,
}

impl Entry {
    /// What it would hash to after another entry: tells a changed link from a changed neighbour.
    pub(super) fn hash_after(&self, link: &Hash, payload: &[u8]) -> Hash {
        let bytes = payload.get(self.range.clone()).unwrap_or_default();
        entry_hash(link, bytes.get(link.len()..).unwrap_or_default())
    }
}

/// Where a block says it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) sequence: i64,
    pub(super) count: u16,
    pub(super) previous: Hash,
    pub(super) head: Hash,
}

/// Faults of a value whose entry is yet to be found out.
pub(super) type Unplaced = Vec<(FaultKind, Fact)>;

/// Entries that lay together.
pub(super) struct Block {
    /// `None` for entries that came without their blocks.
    pub(super) place: Option<Place>,
    /// The bytes of its entries.
    pub(super) payload: Bytes,
    pub(super) entries: Vec<Entry>,
    pub(super) faults: Unplaced,
    /// The records do not fill the payload: the last entries may be cut in the wrong place.
    pub(super) is_torn: bool,
    /// The link of the entry where a torn block stops, if that much is left of it.
    pub(super) torn_link: Option<Hash>,
}

/// A part of a long entry.
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) number: u8,
    pub(super) parts: u8,
    pub(super) payload: Bytes,
    pub(super) faults: Unplaced,
}

/// One value, read.
pub(super) enum Value {
    Block(Block),
    Part(Part),
    /// Not even a header; with the sequence its key names.
    Unusable(Option<i64>, Fact),
}

/// What is kept of an event beyond the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing.
    Nothing,
    /// What the books rest on.
    Books,
    /// All of it.
    Events,
}

/// Lists of entries whose blocks have been followed: memory that is warm already.
#[derive(Default)]
pub(super) struct Spare(Vec<Vec<Entry>>);

impl Spare {
    fn take(&mut self) -> Vec<Entry> {
        self.0.pop().unwrap_or_default()
    }

    /// Takes a list back, without what is in it.
    pub(super) fn give(&mut self, mut entries: Vec<Entry>) {
        entries.clear();
        self.0.push(entries);
    }
}

/// Reads values and entries.
pub(super) struct Reader {
    pub(super) fingerprints: Fingerprints,
    pub(super) keep: Keep,
    schema: Option<Schema>,
}

impl Reader {
    /// A reader that keeps so much of each event.
    pub(super) fn new(keep: Keep) -> Self {
        let schema = if keep == Keep::Nothing { Schema::new() } else { None };
        Self { fingerprints: Fingerprints::default(), keep, schema }
    }

    /// Reads one stored value under its key.
    pub(super) fn value(&self, key: &[u8], value: &Bytes, spare: &mut Spare) -> Value {
        let Some((sequence, [key_part])) = key.split_first_chunk::<8>() else {
            return Value::Unusable(None, fact!("a key of {} bytes", key.len()));
        };
        let sequence = i64::from_be_bytes(*sequence);
        let Some(header) = value.first_chunk::<HEADER_BYTES>() else {
            return Value::Unusable(Some(sequence), fact!("a value of {} bytes has no header", value.len()));
        };
        let [version, part, parts, reserved, count_0, count_1, length_0, length_1, rest @ ..] = header;
        let (sum, hashes) = rest.split_at(4);
        let (previous, head) = hashes.split_at(32);
        let count = u16::from_be_bytes([*count_0, *count_1]);
        let length = u16::from_be_bytes([*length_0, *length_1]);
        let payload = value.slice(HEADER_BYTES..);
        let place = Place {
            sequence,
            count,
            previous: previous.try_into().unwrap_or(ZEROS),
            head: head.try_into().unwrap_or(ZEROS),
        };
        let mut faults = Vec::new();
        if sum != checksum(value).to_be_bytes() {
            faults.push((FaultKind::Checksum, fact!("the stored block is not the one its checksum was made for")));
        }
        let mut framing = |is_wrong: bool, message: &dyn Fn() -> Fact| {
            if is_wrong {
                faults.push((FaultKind::Framing, message()));
            }
        };
        framing(*version != 1, &|| fact!("block format version {}", version));
        framing(value.len() > VALUE_BYTES_MAX, &|| fact!("a value of {} bytes", value.len()));
        framing(part != key_part, &|| fact!("part {} under the key of part {}", part, key_part));
        framing(*parts == 0 || *parts > PARTS_MAX, &|| fact!("a block of {} parts", parts));
        framing(*reserved != 0, &|| fact!("the reserved byte is {}", reserved));
        framing(count == 0, &|| fact!("a block without entries"));
        framing(*parts > 1 && count > 1, &|| fact!("{} entries in a block of several parts", count));
        framing(usize::from(length) != payload.len(), &|| {
            fact!("a payload of {} bytes, {} in the header", payload.len(), length)
        });
        framing(*parts > 1 && *key_part == 0 && payload.len() != PAYLOAD_BYTES_MAX, &|| {
            fact!("part {} of {} has {} bytes", part, parts, payload.len())
        });
        // Every part but the last is full, so a first part that is not full is a block with a damaged header.
        if *key_part > 0 || (*parts > 1 && payload.len() == PAYLOAD_BYTES_MAX) {
            return Value::Part(Part { place, number: *key_part, parts: *parts, payload, faults });
        }
        Value::Block(self.block(place, &payload, faults, spare))
    }

    /// Cuts a whole payload into its entries.
    pub(super) fn block(&self, place: Place, payload: &Bytes, mut faults: Unplaced, spare: &mut Spare) -> Block {
        let mut entries = spare.take();
        entries.reserve(usize::from(place.count).min(ENTRIES_MAX));
        let mut at = 0_usize;
        let mut is_torn = false;
        let mut torn_link = None;
        while at < payload.len() {
            let record = payload.get(at..).unwrap_or_default();
            let cut = record
                .split_first_chunk::<2>()
                .map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest.len()))
                .filter(|(length, rest)| length <= rest && entries.len() < ENTRIES_MAX);
            let Some((length, _)) = cut else {
                is_torn = true;
                torn_link = record.get(2..).and_then(|rest| rest.first_chunk::<32>()).copied();
                break;
            };
            let start = at.saturating_add(2);
            at = start.saturating_add(length);
            entries.push(self.entry(payload, start..at));
        }
        if is_torn {
            faults.push((FaultKind::Framing, fact!("the entries do not fill the payload")));
        } else if entries.len() != usize::from(place.count) {
            let message = fact!("{} entries, {} in the header", entries.len(), place.count);
            faults.push((FaultKind::Framing, message));
        }
        Block { place: Some(place), payload: payload.clone(), entries, faults, is_torn, torn_link }
    }

    /// Entries that came without their blocks.
    pub(super) fn loose(&self, bytes: &[Vec<u8>], spare: &mut Spare) -> Block {
        let payload = Bytes::from(bytes.concat());
        let mut entries = spare.take();
        let mut at = 0_usize;
        entries.extend(bytes.iter().map(|entry| {
            let start = at;
            at = start.saturating_add(entry.len());
            self.entry(&payload, start..at)
        }));
        Block { place: None, payload, entries, faults: Vec::new(), is_torn: false, torn_link: None }
    }

    fn entry(&self, payload: &Bytes, range: Range<usize>) -> Entry {
        let bytes = payload.get(range.clone()).unwrap_or_default();
        let (link, facts) = match bytes.split_first_chunk::<32>() {
            Some((link, event)) => (*link, self.facts(payload, event)),
            None => (ZEROS, Err(fact!("an entry of {} bytes has no link", bytes.len()))),
        };
        let hash = entry_hash(&[], bytes);
        Entry { range, link, hash, facts }
    }

    /// What an event says; it is a part of the payload, which decoding shares.
    fn facts(&self, payload: &Bytes, event: &[u8]) -> Result<Facts, Fact> {
        let glance = self.schema.as_ref().and_then(|schema| schema.glance(event));
        if let Some(glance) = glance.filter(|glance| is_request_id(glance.request_id)) {
            let request = Ok(self.fingerprints.of_bytes(glance.request_id));
            return Ok(Facts { booked_at_ns: glance.booked_at_ns, request, genesis: None, record: None });
        }
        let event = Event::decode(payload.slice_ref(event)).map_err(|error| fact!("no event: {}", error))?;
        let genesis = match &event.payload {
            None => return Err(fact!("the event has no payload of a known type")),
            Some(Payload::LedgerCreated(created)) => Some(Box::new(Genesis {
                created: created.clone(),
                is_bare: event.request_id.is_empty()
                    && event.actor.is_empty()
                    && event.approvals.is_empty()
                    && event.legs.is_empty(),
            })),
            Some(_) => None,
        };
        let request = if is_request_id(event.request_id.as_bytes()) || is_own_key(&event) {
            Ok(self.fingerprints.of(&event.request_id))
        } else {
            Err(event.request_id.clone())
        };
        Ok(Facts {
            booked_at_ns: event.booked_at_ns,
            request,
            genesis,
            record: match self.keep {
                Keep::Nothing => None,
                Keep::Books => Some(Record::new(event, &self.fingerprints)),
                Keep::Events => Some(Record::whole(event)),
            },
        })
    }
}

impl Part {
    /// A part that another may follow is full.
    pub(super) fn is_full(&self) -> bool {
        self.payload.len() == PAYLOAD_BYTES_MAX
    }
}

fn is_request_id(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(allowed)
}

/// `SHA-256(0x00 ‖ link ‖ event)`.
fn entry_hash(link: &[u8], event: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(link);
    hasher.update(event);
    hasher.finalize().into()
}

/// CRC-32 of the value without the four bytes that hold it.
fn checksum(value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(value.get(..8).unwrap_or_default());
    hasher.update(value.get(12..).unwrap_or_default());
    hasher.finalize()
}
