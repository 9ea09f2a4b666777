//! The chain: what ties values together. Sequences, links, heads, genesis, booking times, request ids.
//!
//! It never stops at a fault. After one it goes on from the stored bytes, so that one change gives one or two faults and
//! an auditor sees the extent of the damage.

use prost::bytes::{Bytes, BytesMut};

use super::Start;
use super::books::Record;
use super::frame::{Block, Entry, Facts, Hash, Part, Place, Reader, Spare, Unplaced, Value, ZEROS};
use super::printable::is_steering;
use super::report::{Fact, Fault, FaultKind, Findings, LastEntry, hex};
use super::requests::Requests;
use super::tiles::Shelf;
use super::tree::Tree;

const FORMAT_VERSION: i32 = 1;
const ORIGIN_CHARS_MAX: usize = 255;

/// What the books are to take in.
pub(super) enum ForBooks {
    /// The next event.
    Event(i64, Box<Record>),
    /// An event is missing or unreadable: no balance after this sequence can be derived.
    Stop(i64),
}

/// A long entry whose parts are still coming.
struct Split {
    place: Place,
    parts: u8,
    taken: u8,
    payload: BytesMut,
    faults: Unplaced,
}

/// Follows the chain from value to value.
pub(super) struct Chain {
    pub(super) findings: Findings,
    pub(super) events: u64,
    pub(super) last: Option<LastEntry>,
    pub(super) origin: Option<String>,
    pub(super) is_development: bool,
    first_sequence: i64,
    next_sequence: i64,
    /// Hash of the last entry; unknown after a gap.
    head: Option<Hash>,
    /// What the last block's head said instead, where it was reported to be wrong.
    refuted: Option<Hash>,
    /// The block before: tells an entry that moved.
    recent: Neighbours,
    /// Faults that name the entry before a break. Where a gap follows, the break is the gap.
    at_break: Vec<Fault>,
    /// By how much the keys were last seen to differ from the count.
    key_shift: i64,
    /// Entries were lost to a fault that is reported: the next key is believed.
    is_after_damage: bool,
    split: Option<Split>,
    last_booked_ns: Option<i64>,
    requests: Requests,
    claimed: Option<(i64, Hash)>,
    at_claimed: Option<Hash>,
    /// The tree over the entries; it stops growing where one is lost.
    tree: Tree,
    /// The tiles that the tree gives, while they are wanted.
    shelf: Option<Shelf>,
    /// Sizes whose roots are wanted, the smallest last.
    wanted: Vec<u64>,
    pub(super) roots: Vec<(u64, Hash)>,
}

impl Chain {
    pub(super) fn new(claimed: Option<(i64, Hash)>, mut wanted: Vec<u64>, shelf: Option<Shelf>, start: &Start) -> Self {
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        wanted.dedup();
        let tree = start.edge.clone().unwrap_or_default();
        let mut roots = Vec::new();
        // What ends before the start is not read; what ends with it has the root of its edge.
        while let Some(size) = wanted.pop_if(|size| *size <= tree.size()) {
            if size == tree.size() && size > 0 {
                roots.push((size, tree.root()));
            }
        }
        Self {
            findings: Findings::default(),
            events: 0,
            last: None,
            origin: start.origin.clone(),
            is_development: false,
            first_sequence: start.sequence,
            next_sequence: start.sequence,
            head: (start.sequence == 0).then_some(ZEROS),
            refuted: None,
            recent: Neighbours::default(),
            at_break: Vec::new(),
            key_shift: 0,
            is_after_damage: false,
            split: None,
            last_booked_ns: None,
            requests: Requests::default(),
            claimed,
            at_claimed: None,
            tree,
            shelf,
            wanted,
            roots,
        }
    }

    /// Takes the next value.
    pub(super) fn value(&mut self, value: Value, reader: &Reader, spare: &mut Spare, books: &mut Vec<ForBooks>) {
        match value {
            Value::Block(block) => {
                self.end_split(books);
                self.block(block, spare, books);
            }
            Value::Part(part) => self.part(part, reader, spare, books),
            Value::Unusable(sequence, message) => {
                self.end_split(books);
                self.findings.add(self.next_sequence, FaultKind::Framing, message);
                if sequence.is_some() {
                    self.lose_from(self.next_sequence, books);
                }
            }
        }
    }

    /// What can be said only at the end. `is_whole`: the evidence was read to its end.
    pub(super) fn finish(&mut self, is_whole: bool, books: &mut Vec<ForBooks>) {
        if is_whole {
            self.end_split(books);
        }
        self.settle_break(0);
        for sequence in std::mem::take(&mut self.requests).doubles() {
            self.findings.add(sequence, FaultKind::RequestId, fact!("the request id was used before"));
        }
        if !is_whole {
            return;
        }
        if self.events == 0 && self.first_sequence == 0 {
            self.findings.add(0, FaultKind::Genesis, fact!("the log has no readable entry"));
        }
        let Some((sequence, hash)) = self.claimed else { return };
        let last = self.last.map_or(-1, |last| last.sequence);
        if last < sequence {
            let message = fact!("the log ends at sequence {}, its source claims {}", last, sequence);
            self.findings.add(last.saturating_add(1), FaultKind::Head, message);
        } else if let Some(found) = self.at_claimed.filter(|found| *found != hash) {
            let message = fact!("the entry hashes to {}, its source claims {}", hex(&found), hex(&hash));
            self.findings.add(sequence, FaultKind::Head, message);
        }
    }

    fn part(&mut self, part: Part, reader: &Reader, spare: &mut Spare, books: &mut Vec<ForBooks>) {
        let sequence = part.place.sequence;
        let mut split = match self.split.take() {
            Some(split) if split.continues_with(&part) => split,
            before => {
                self.split = before;
                self.end_split(books);
                if part.number > 0 {
                    let message = fact!("part {} of {} does not continue the value before it", part.number, part.parts);
                    self.findings.add(self.next_sequence.min(sequence.max(0)), FaultKind::Framing, message);
                    return;
                }
                let Part { place, parts, .. } = part;
                Split { place, parts, taken: 0, payload: BytesMut::new(), faults: Vec::new() }
            }
        };
        if part.place.previous != split.place.previous || part.place.head != split.place.head {
            split.faults.push((FaultKind::BlockHead, fact!("part {} has other heads than part 0", part.number)));
        }
        split.taken = split.taken.saturating_add(1);
        let is_last = split.taken == split.parts;
        if part.payload.is_empty() || (!is_last && !part.is_full()) {
            let message = fact!("part {} of {} has {} bytes", part.number, part.parts, part.payload.len());
            split.faults.push((FaultKind::Framing, message));
        }
        split.payload.extend_from_slice(&part.payload);
        split.faults.extend(part.faults);
        if is_last {
            let Split { place, payload, faults, .. } = split;
            self.block(reader.block(place, &Bytes::from(payload), faults, spare), spare, books);
        } else {
            self.split = Some(split);
        }
    }

    /// A long entry must be whole before the next one.
    fn end_split(&mut self, books: &mut Vec<ForBooks>) {
        let Some(split) = self.split.take() else { return };
        let message = fact!("only {} of {} parts of an entry", split.taken, split.parts);
        self.findings.add(self.next_sequence, FaultKind::Framing, message);
        self.lose_from(self.next_sequence, books);
    }

    /// Entries from here on are lost; the next block's key tells how many.
    fn lose_from(&mut self, sequence: i64, books: &mut Vec<ForBooks>) {
        self.is_after_damage = true;
        self.next_sequence = sequence.saturating_add(1);
        self.head = None;
        self.refuted = None;
        books.push(ForBooks::Stop(sequence));
    }

    pub(super) fn block(&mut self, mut block: Block, spare: &mut Spare, books: &mut Vec<ForBooks>) {
        let Some(first) = self.find_place(block.place.as_ref(), books) else { return };
        let lost_at = cut_torn(&mut block).map(|kept| first.saturating_add(kept));
        let mut found = Findings::default();
        if let Some(place) = &block.place {
            self.check_previous_head(first, place, &block, &mut found);
        }
        let mut neighbours = Neighbours::new(std::mem::take(&mut block.entries));
        let mut sequence = first;
        let head = block.place.map(|place| place.head).filter(|_| lost_at.is_none());
        for at in 0..neighbours.entries.len() {
            let fits_block = at == 0 && block.place.is_some_and(|place| self.head == Some(place.previous));
            self.check_link(sequence, at, head, (&mut neighbours, &block.payload), fits_block, &mut found);
            self.refuted = None;
            if let Some(entry) = neighbours.entries.get_mut(at) {
                self.take_entry(sequence, entry, &mut found, books);
            }
            sequence = sequence.saturating_add(1);
        }
        self.next_sequence = sequence;
        spare.give(std::mem::replace(&mut self.recent, neighbours).entries);
        match (lost_at, &block.place) {
            (Some(lost_at), _) => self.lose_from(lost_at, books),
            (None, Some(place)) => self.check_head(place),
            (None, None) => {}
        }
        // A fault of the block as a whole belongs to the entry that was found to be wrong, where one was.
        let in_block = |fault: &Fault| (fault.sequence >= first).then_some(fault.sequence);
        let worst = found.first_of(in_block).into_iter().chain(self.at_break.iter().filter_map(in_block)).min();
        let sequence = lost_at.or(worst).unwrap_or(first);
        for (kind, message) in block.faults {
            found.add(sequence, kind, message);
        }
        self.findings.merge(found);
    }

    /// Where a block stands in the log; `None` where the log has that place already.
    fn find_place(&mut self, place: Option<&Place>, books: &mut Vec<ForBooks>) -> Option<i64> {
        let expected = self.next_sequence;
        let Some(place) = place else { return Some(expected) };
        let key = place.sequence;
        let shift = key.saturating_sub(expected);
        let was_damaged = std::mem::take(&mut self.is_after_damage);
        if shift == 0 || (was_damaged && shift > 0) {
            self.key_shift = 0;
            self.settle_break(0);
            return Some(key);
        }
        let continues = self.head == Some(place.previous);
        if continues && (shift < 0 || self.at_break.is_empty()) {
            self.settle_break(0);
            if shift == self.key_shift {
                // Not one wrong key: from here on the keys count otherwise.
                self.key_shift = 0;
                books.push(ForBooks::Stop(expected.min(key)));
                return Some(key);
            }
            self.key_shift = shift;
            let message = fact!("the key says {}, but the block continues the chain at {}", key, expected);
            self.findings.add(expected, FaultKind::Sequence, message);
            return Some(expected);
        }
        if shift < 0 {
            self.settle_break(0);
            let message = fact!("sequence {} stands after {}: twice, or out of order", key, expected.saturating_sub(1));
            let at = if key < 0 { expected } else { key };
            self.findings.add(at, FaultKind::Sequence, message);
            return None;
        }
        self.settle_break(1);
        let message = fact!("entries are missing: {} should follow, {} does", expected, key);
        self.findings.add(expected, FaultKind::Sequence, message);
        books.push(ForBooks::Stop(expected));
        self.head = None;
        self.refuted = None;
        Some(key)
    }

    /// Reports the faults at the last break, moved by `by`.
    fn settle_break(&mut self, by: i64) {
        for mut fault in self.at_break.drain(..) {
            fault.sequence = fault.sequence.saturating_add(by);
            self.findings.push(fault);
        }
    }

    fn check_previous_head(&self, first: i64, place: &Place, block: &Block, found: &mut Findings) {
        let link = block.entries.first().map(|entry| entry.link);
        let is_told_elsewhere = self.refuted == Some(place.previous) || link == Some(place.previous);
        let is_wrong = match self.head {
            Some(head) => place.previous != head && !is_told_elsewhere,
            None => link.is_some_and(|link| link != place.previous),
        };
        if is_wrong {
            let message = fact!("the block's previous head is not the hash of the entry before it");
            found.add(first, FaultKind::BlockHead, message);
        }
    }

    /// The entry's stored link against the recomputed hash of the entry before it; which of the two was changed shows in
    /// what comes after, the claim on this entry's hash: the next entry's link, or the `head` of the block.
    fn check_link(
        &mut self,
        sequence: i64,
        at: usize,
        head: Option<Hash>,
        (block, payload): (&mut Neighbours, &[u8]),
        fits_block: bool,
        found: &mut Findings,
    ) {
        let Some(entry) = block.entries.get(at) else { return };
        let Some(before) = self.head.filter(|before| *before != entry.link) else {
            self.head = Some(entry.hash);
            return;
        };
        self.head = Some(entry.hash);
        if self.refuted == Some(entry.link) {
            return;
        }
        if sequence == 0 {
            found.add(0, FaultKind::Genesis, fact!("the first entry does not stand after 32 zero bytes"));
            return;
        }
        let earlier = sequence.saturating_sub(1);
        let claim = block.entries.get(at.saturating_add(1)).map(|next| next.link).or(head);
        let (link, hash) = (entry.link, entry.hash);
        let repaired = entry.hash_after(&before, payload);
        if claim == Some(repaired) && claim != Some(hash) {
            let message =
                fact!("the link stored in entry {} was changed: with the hash of {} it fits", sequence, earlier);
            found.add(sequence, FaultKind::Chain, message);
            self.head = Some(repaired);
        } else if block.contains(&link) || self.recent.contains(&link) {
            found.add(sequence, FaultKind::Chain, fact!("the entry follows another one than {}", earlier));
        } else if fits_block {
            let message =
                fact!("the entry does not follow {}, though its block does: one is missing or replaced", earlier);
            found.add(sequence, FaultKind::Chain, message);
        } else {
            let message = fact!("entry {} does not hash to what the link of the next entry says", earlier);
            self.settle_break(0);
            self.at_break.push(Fault { sequence: earlier, kind: FaultKind::Chain, message });
        }
    }

    fn check_head(&mut self, place: &Place) {
        if self.head.is_some_and(|head| head != place.head) {
            let sequence = self.next_sequence.saturating_sub(1);
            let message = fact!("entry {} does not hash to what the head of its block says", sequence);
            self.at_break.push(Fault { sequence: sequence.max(0), kind: FaultKind::BlockHead, message });
            self.refuted = Some(place.head);
        }
    }

    fn take_entry(&mut self, sequence: i64, entry: &mut Entry, found: &mut Findings, books: &mut Vec<ForBooks>) {
        self.events = self.events.saturating_add(1);
        self.last = Some(LastEntry { sequence, hash: entry.hash });
        self.grow(sequence, entry.hash);
        if self.claimed.is_some_and(|(claimed, _)| claimed == sequence) {
            self.at_claimed = Some(entry.hash);
        }
        match &mut entry.facts {
            Ok(facts) => {
                self.check_facts(sequence, facts, found);
                if let Some(mut record) = facts.record.take() {
                    record.entry_hash = entry.hash;
                    books.push(ForBooks::Event(sequence, record));
                }
            }
            Err(why) => {
                found.add(sequence, FaultKind::Decode, why.clone());
                books.push(ForBooks::Stop(sequence));
            }
        }
    }

    fn grow(&mut self, sequence: i64, hash: Hash) {
        if u64::try_from(sequence) == Ok(self.tree.size()) {
            match &mut self.shelf {
                None => self.tree.push(hash),
                Some(shelf) => {
                    self.tree.grow(hash, |height, hash| shelf.node(height, hash));
                    if shelf.is_done(self.tree.size()) {
                        self.shelf = None;
                    }
                }
            }
            if let Some(size) = self.wanted.pop_if(|size| *size == self.tree.size()) {
                self.roots.push((size, self.tree.root()));
            }
        }
    }

    /// Size and root of the tree over all entries; `None` where entries are missing.
    pub(super) fn tree(&self) -> Option<(u64, Hash)> {
        let before = u64::try_from(self.first_sequence).unwrap_or_default();
        let is_whole = self.tree.size() == before.saturating_add(self.events);
        (is_whole && self.events > 0).then(|| (self.tree.size(), self.tree.root()))
    }

    fn check_facts(&mut self, sequence: i64, facts: &Facts, found: &mut Findings) {
        let booked_ns = facts.booked_at_ns;
        if let Some(before) = self.last_booked_ns.filter(|before| booked_ns <= *before) {
            found.add(sequence, FaultKind::Time, fact!("booked at {} ns, not after {} ns", booked_ns, before));
        }
        self.last_booked_ns = Some(booked_ns);
        let Some(genesis) = &facts.genesis else {
            if sequence == 0 {
                found.add(sequence, FaultKind::Genesis, fact!("the first event is not a genesis"));
            }
            match &facts.request {
                Ok(request) => self.requests.note(*request, sequence),
                Err(id) => {
                    found.add(sequence, FaultKind::RequestId, fact!("{} is no request id", format_args!("{id:?}")));
                }
            }
            return;
        };
        if sequence != 0 {
            return found.add(sequence, FaultKind::Genesis, fact!("a second genesis"));
        }
        let created = &genesis.created;
        let mut wrong = |is_wrong: bool, message: Fact| {
            if is_wrong {
                found.add(sequence, FaultKind::Genesis, message);
            }
        };
        wrong(created.format_version != FORMAT_VERSION, fact!("the genesis is of an unknown format version"));
        wrong(!(1..=ORIGIN_CHARS_MAX).contains(&created.origin.chars().count()), fact!("the genesis names no origin"));
        wrong(created.origin.chars().any(is_steering), fact!("the origin in the genesis contains control characters"));
        wrong(!genesis.is_bare, fact!("the genesis carries a command"));
        if self.origin.is_none() {
            self.origin = Some(created.origin.clone());
            self.is_development = created.development;
        }
    }
}

/// The entries of a block, in whose hashes wrong links are looked up: put in order once, and only where there is such a link.
#[derive(Default)]
struct Neighbours {
    entries: Vec<Entry>,
    sorted: Option<Vec<Hash>>,
}

impl Neighbours {
    const fn new(entries: Vec<Entry>) -> Self {
        Self { entries, sorted: None }
    }

    fn contains(&mut self, hash: &Hash) -> bool {
        let sorted = self.sorted.get_or_insert_with(|| {
            let mut hashes: Vec<Hash> = self.entries.iter().map(|entry| entry.hash).collect();
            hashes.sort_unstable();
            hashes
        });
        sorted.binary_search(hash).is_ok()
    }
}

impl Split {
    fn continues_with(&self, part: &Part) -> bool {
        part.number == self.taken && part.parts == self.parts && part.place.sequence == self.place.sequence
    }
}

/// Keeps of a torn block the entries that the next link vouches for; how many, where it is torn.
fn cut_torn(block: &mut Block) -> Option<i64> {
    if !block.is_torn {
        return None;
    }
    let links = block.entries.iter().skip(1).map(|entry| entry.link).chain(block.torn_link);
    let kept = block.entries.iter().zip(links).take_while(|(entry, next)| entry.hash == *next).count();
    block.entries.truncate(kept);
    i64::try_from(kept).ok()
}
