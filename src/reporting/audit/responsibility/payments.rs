//! Payments with what was done about each, ten millions of them: texts that come again and again are kept once, and nothing has
//! an allocation of its own.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::Act;

/// A payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payment<'a> {
    pub(super) sequence: i64,
    pub(super) operation: i32,
    pub(super) fund: i32,
    pub(super) unit_id: &'a str,
    pub(super) amount: i128,
}

/// A payment's place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

/// All of them, in the order in which they were made.
#[derive(Default)]
pub(super) struct Payments {
    /// Their names, one behind the other.
    names: String,
    known: Vec<Known>,
    /// Places by name.
    places: HashTable<Place>,
    hasher: RandomState,
    /// What was done about them, in the order in which it was.
    acts: Vec<Done>,
    /// The events of those acts.
    events: Vec<Happened>,
    /// Units and persons.
    texts: Texts,
    /// What acts are called.
    terms: Vec<&'static str>,
}

/// A payment as it is kept.
struct Known {
    /// Where its name ends, and that of the next begins.
    name_end: usize,
    sequence: i64,
    amount: i128,
    operation: i32,
    fund: i32,
    unit: u32,
}

/// An act as it is kept.
struct Done {
    payment: Place,
    event: u32,
    person: u32,
    key: i32,
    term: u8,
}

#[derive(Clone, Copy)]
struct Happened {
    sequence: i64,
    booked_at_ns: i64,
    day: i32,
}

impl Payments {
    /// A payment that was made. Payments come in the order of their events.
    pub(super) fn make(&mut self, payment_id: &str, payment: &Payment<'_>) -> Place {
        let place = Place(number(self.known.len()));
        self.names.push_str(payment_id);
        self.known.push(Known {
            name_end: self.names.len(),
            sequence: payment.sequence,
            amount: payment.amount,
            operation: payment.operation,
            fund: payment.fund,
            unit: self.texts.number(payment.unit_id),
        });
        let Self { names, known, places, hasher, .. } = self;
        let hash = hasher.hash_one(payment_id);
        let is_it = |place: &Place| name(names, known, *place) == payment_id;
        match places.find_mut(hash, is_it) {
            // What comes from here on is about the later one.
            Some(other) => *other = place,
            None => {
                places.insert_unique(hash, place, |place| hasher.hash_one(name(names, known, *place)));
            }
        }
        place
    }

    /// The payment of a name.
    pub(super) fn named(&self, payment_id: &str) -> Option<Place> {
        let is_it = |place: &Place| name(&self.names, &self.known, *place) == payment_id;
        self.places.find(self.hasher.hash_one(payment_id), is_it).copied()
    }

    /// The payments of an event.
    pub(super) fn made_at(&self, sequence: i64) -> impl Iterator<Item = Place> + use<> {
        let first = self.known.partition_point(|known| known.sequence < sequence);
        let last = self.known.partition_point(|known| known.sequence <= sequence);
        (number(first)..number(last)).map(Place)
    }

    /// The operation of a transaction that a payment is.
    pub(super) fn operation(&self, payment: Place) -> Option<i32> {
        self.known.get(index(payment.0)).map(|known| known.operation)
    }

    /// Something was done about a payment.
    pub(super) fn add(&mut self, payment: Place, act: &Act) {
        let happened = Happened { sequence: act.sequence, booked_at_ns: act.booked_at_ns, day: act.day };
        if self.events.last().is_none_or(|last| last.sequence != act.sequence) {
            self.events.push(happened);
        }
        let term = self.terms.iter().position(|term| *term == act.did).unwrap_or_else(|| {
            self.terms.push(act.did);
            self.terms.len().saturating_sub(1)
        });
        self.acts.push(Done {
            payment,
            event: number(self.events.len().saturating_sub(1)),
            person: self.texts.number(&act.person),
            key: act.key,
            term: u8::try_from(term).unwrap_or(u8::MAX),
        });
    }

    /// Gives all acts, those of a payment together, and forgets them.
    pub(super) fn each(&mut self, mut give: impl FnMut(&str, &Payment<'_>, Act)) {
        // Stable: acts of one payment stay in their order.
        self.acts.sort_by_key(|act| act.payment);
        for act in std::mem::take(&mut self.acts) {
            let known = self.known.get(index(act.payment.0));
            let (Some(known), Some(event)) = (known, self.events.get(index(act.event))) else { continue };
            let payment = Payment {
                sequence: known.sequence,
                operation: known.operation,
                fund: known.fund,
                unit_id: self.texts.text(known.unit),
                amount: known.amount,
            };
            let done = Act {
                did: self.terms.get(usize::from(act.term)).copied().unwrap_or_default(),
                person: self.texts.text(act.person).to_owned(),
                key: act.key,
                sequence: event.sequence,
                day: event.day,
                booked_at_ns: event.booked_at_ns,
            };
            give(name(&self.names, &self.known, act.payment), &payment, done);
        }
    }
}

fn name<'a>(names: &'a str, known: &[Known], place: Place) -> &'a str {
    let at = index(place.0);
    let begin = at.checked_sub(1).and_then(|before| known.get(before)).map_or(0, |before| before.name_end);
    known.get(at).and_then(|known| names.get(begin..known.name_end)).unwrap_or_default()
}

/// Texts, each kept once.
#[derive(Default)]
struct Texts {
    numbers: BTreeMap<String, u32>,
    texts: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        let new = number(self.texts.len());
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), new);
        new
    }

    fn text(&self, number: u32) -> &str {
        self.texts.get(index(number)).map(String::as_str).unwrap_or_default()
    }
}

/// A place as it is kept: a log that could be read has fewer payments than this can count.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(did: &'static str, person: &str, sequence: i64) -> Act {
        Act { did, person: person.to_owned(), key: 0, sequence, day: 1, booked_at_ns: sequence.saturating_mul(10) }
    }

    #[test]
    fn the_acts_of_a_payment_stand_together_in_their_order() {
        let mut payments = Payments::default();
        let of = |sequence, operation, amount| Payment { sequence, operation, fund: 1, unit_id: "U", amount };
        let mut expected = Vec::new();
        for at in 0..1_000_i64 {
            let (sequence, operation) = (at / 2, i32::try_from(at % 2).unwrap());
            let place = payments.make(&format!("P{at}"), &of(sequence, operation, at.into()));
            assert_eq!(payments.operation(place), Some(operation));
            payments.add(place, &act("MAKER", &format!("m{}", at % 7), sequence));
        }
        for at in (0..1_000_i64).rev() {
            let place = payments.named(&format!("P{at}")).unwrap();
            payments.add(place, &act("Cleared", "bank", 2_000 - at));
            assert_eq!(payments.made_at(at / 2).map(|place| place.0).collect::<Vec<_>>().len(), 2);
            let (maker, cleared) = (format!("m{}", at % 7), 2_000 - at);
            expected.push((at, vec![("MAKER", maker, at / 2), ("Cleared", "bank".to_owned(), cleared)]));
        }
        expected.reverse();
        assert_eq!((payments.named("P"), payments.made_at(500).count()), (None, 0));
        let mut found: Vec<(i64, Vec<_>)> = Vec::new();
        payments.each(|name, payment, act| {
            let at: i64 = name.strip_prefix('P').unwrap().parse().unwrap();
            assert_eq!(
                (payment, act.booked_at_ns),
                (&of(at / 2, i32::try_from(at % 2).unwrap(), at.into()), act.sequence * 10)
            );
            if found.last().is_none_or(|(last, _)| *last != at) {
                found.push((at, Vec::new()));
            }
            found.last_mut().unwrap().1.push((act.did, act.person, act.sequence));
        });
        assert_eq!(found, expected);
    }
}
