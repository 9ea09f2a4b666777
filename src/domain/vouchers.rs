//! Payments by voucher number, for ever: by far the largest table of the state.
//!
//! Rows lie in the order in which they came, their numbers beside them; a hash table of eight bytes a row finds them. A hash
//! table that doubles stops the writer until every row is moved: many small ones double one after another.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;

use super::hash::Folding;
use super::ids::PaymentId;
use super::rows::{Rows, TextChunk, Texts, fill};
use super::state::Payment;

const SHARDS: usize = 256;
/// Bits of a slot that say which row; the others are of the number's hash.
const ROW_BITS: u32 = 32;

/// Payments by voucher number.
#[derive(Clone, Debug)]
pub(crate) struct Payments {
    rows: Rows<Payment>,
    numbers: Texts,
    hasher: Folding,
    // Row number and half a hash, each in its half of the word.
    shards: Vec<HashTable<u64>>,
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            rows: Rows::default(),
            numbers: Texts::default(),
            hasher: Folding::default(),
            shards: vec![HashTable::new(); SHARDS],
        }
    }
}

impl PartialEq for Payments {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.numbers == other.numbers
    }
}

impl Eq for Payments {}

/// Where a hash belongs: its shard, and the half that a slot keeps.
struct Place {
    shard: usize,
    half: u64,
}

impl Place {
    fn of(hash: u64) -> Self {
        let shard = usize::try_from(hash & 0xff).unwrap_or_default();
        Self { shard, half: hash >> ROW_BITS }
    }

    /// What the table goes by: it takes its places from the low bits, and its tags from the highest.
    const fn spread(half: u64) -> u64 {
        half | half << ROW_BITS
    }
}

fn row_of(slot: u64) -> usize {
    usize::try_from(slot & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}

impl Payments {
    /// The table of what was listed.
    pub(crate) fn of(listed: ListedPayments) -> Self {
        let ListedPayments { rows, numbers } = listed;
        let mut payments = Self { rows, numbers, ..Self::default() };
        let slots = (0..payments.rows.len()).filter_map(|at| {
            let Place { shard, half } = Place::of(payments.hasher.hash_one(payments.numbers.get(at)?));
            Some((shard, half << ROW_BITS | u64::from(u32::try_from(at).ok()?)))
        });
        fill(&mut payments.shards, slots, |slot| Place::spread(slot >> ROW_BITS));
        payments
    }

    fn place(&self, payment_id: &PaymentId) -> Place {
        Place::of(self.hasher.hash_one(payment_id.as_str()))
    }

    fn find(&self, payment_id: &PaymentId) -> Option<usize> {
        let Place { shard, half } = self.place(payment_id);
        let is_it = |slot: &u64| {
            slot >> ROW_BITS == half
                && self.numbers.get(row_of(*slot)).is_some_and(|number| number == payment_id.as_str())
        };
        self.shards.get(shard)?.find(Place::spread(half), is_it).map(|slot| row_of(*slot))
    }

    pub(crate) fn get(&self, payment_id: &PaymentId) -> Option<&Payment> {
        self.rows.get(self.find(payment_id)?)
    }

    pub(super) fn get_mut(&mut self, payment_id: &PaymentId) -> Option<&mut Payment> {
        let row = self.find(payment_id)?;
        self.rows.get_mut(row)
    }

    /// Whether a slot may be its own: asked for many numbers in a row, it brings their parts of the table near.
    pub(crate) fn may_have(&self, payment_id: &PaymentId) -> bool {
        let Place { shard, half } = self.place(payment_id);
        let found =
            self.shards.get(shard).and_then(|shard| shard.find(Place::spread(half), |slot| slot >> ROW_BITS == half));
        found.is_some()
    }

    /// Adds a payment; one that has the number already is replaced.
    pub(crate) fn insert(&mut self, payment_id: &PaymentId, payment: Payment) {
        if let Some(known) = self.get_mut(payment_id) {
            *known = payment;
            return;
        }
        let Place { shard, half } = self.place(payment_id);
        let Ok(row) = u32::try_from(self.rows.len()) else { return };
        if let Some(shard) = self.shards.get_mut(shard) {
            let rehash = |slot: &u64| Place::spread(slot >> ROW_BITS);
            shard.insert_unique(Place::spread(half), half << ROW_BITS | u64::from(row), rehash);
        }
        self.rows.push(payment);
        self.numbers.push(payment_id.as_str());
    }

    /// Takes the payment that was added last away again.
    pub(super) fn remove_last(&mut self, payment_id: &PaymentId) {
        let last = self.rows.len().checked_sub(1);
        if last.is_none() || self.find(payment_id) != last {
            return;
        }
        let Place { shard, half } = self.place(payment_id);
        let is_it = |slot: &u64| Some(row_of(*slot)) == last;
        if let Some(found) =
            self.shards.get_mut(shard).and_then(|shard| shard.find_entry(Place::spread(half), is_it).ok())
        {
            found.remove();
        }
        self.rows.pop();
        self.numbers.pop();
    }

    /// The rows and their numbers alone, as they are now.
    pub(crate) fn listed(&self) -> ListedPayments {
        ListedPayments { rows: self.rows.clone(), numbers: self.numbers.clone() }
    }
}

/// Payments in the order in which they came, to be written out while others are added.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListedPayments {
    rows: Rows<Payment>,
    numbers: Texts,
}

impl ListedPayments {
    /// Adds a payment; no other has its number.
    pub(crate) fn push(&mut self, payment_id: &str, payment: Payment) {
        self.rows.push(payment);
        self.numbers.push(payment_id);
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Payments and their numbers, chunk by chunk, each of [`super::rows::CHUNK_ROWS`] but the last.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (&Arc<Vec<Payment>>, &Arc<TextChunk>)> {
        self.rows.chunks().iter().zip(self.numbers.chunks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Sequence;

    fn payment(sequence: i64) -> Payment {
        Payment { sequence: Sequence(sequence), ..Payment::default() }
    }

    fn id(number: i64) -> PaymentId {
        PaymentId::stored(format!("voucher-{number}"))
    }

    #[test]
    fn every_voucher_is_found_under_its_own_number() {
        let mut payments = Payments::default();
        for number in 0..100_000 {
            assert!(payments.get(&id(number)).is_none());
            payments.insert(&id(number), payment(number));
        }
        payments.get_mut(&id(77)).unwrap().returned_minor = 5;
        for number in 0..100_000 {
            let found = payments.get(&id(number)).unwrap();
            assert_eq!((found.sequence.0, found.returned_minor), (number, if number == 77 { 5 } else { 0 }));
            assert!(payments.may_have(&id(number)));
        }
        assert!(payments.get(&id(-1)).is_none());
        let before = payments.clone();
        payments.insert(&id(100_000), payment(100_000));
        payments.remove_last(&id(99_999));
        assert_eq!(payments.listed().len(), 100_001, "only the last one goes");
        payments.remove_last(&id(100_000));
        assert!(payments == before && payments.get(&id(100_000)).is_none());
        payments.insert(&id(3), payment(300));
        assert_eq!((payments.listed().len(), payments.get(&id(3)).unwrap().sequence.0), (100_000, 300));
        let mut again = Payments::of(payments.listed());
        assert!(again == payments);
        for number in 0..100_000 {
            assert_eq!(again.get(&id(number)), payments.get(&id(number)));
        }
        again.insert(&id(100_001), payment(100_001));
        assert!(again.get(&id(100_001)).is_some() && again.get(&id(100_002)).is_none());
        let listed = payments.listed();
        let (rows, numbers) = listed.chunks().next().unwrap();
        assert_eq!((numbers.get(3).unwrap(), &rows[3]), ("voucher-3", &payment(300)));
    }
}
