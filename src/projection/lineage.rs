//! Lineage: what was paid from each lot to whom, and what came back. Only numbers are kept; names, dates and persons are
//! read from the events when somebody asks.

use siphasher::sip::SipHasher13;

use super::books::Books;
use crate::domain::account::AccountKind;
use crate::domain::event::{Event, Payload};
use crate::domain::ids::{AccountNumber, LotNumber, PayeeRef, PaymentId, Sequence};
use crate::domain::state::Lookup;
use crate::format::fingerprint::FingerprintTable;
use crate::format::stored::{Malformed, Stored};
use crate::stored_struct;

/// What a movement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// A payment.
    Paid,
    /// A return of one.
    Returned,
    /// A reversal of one.
    Reversed,
}

impl Stored for MovementKind {
    fn put(&self, to: &mut Vec<u8>) {
        let tag: u8 = match self {
            Self::Paid => 1,
            Self::Returned => 2,
            Self::Reversed => 3,
        };
        tag.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            1 => Ok(Self::Paid),
            2 => Ok(Self::Returned),
            3 => Ok(Self::Reversed),
            _ => Err(Malformed),
        }
    }
}

/// Money of one lot to a payee, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The event.
    pub sequence: Sequence,
    /// The payment's event: the same for a payment itself.
    pub original: Sequence,
    /// Minor units; negative for returns and reversals.
    pub amount_minor: i64,
    /// Place of the payee in the table of payees.
    payee: u32,
    /// The USED account it was booked on.
    pub used: AccountNumber,
    /// What it is.
    pub kind: MovementKind,
}

stored_struct!(Movement { sequence, original, amount_minor, payee, used, kind });

/// Where a movement lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    lot: LotNumber,
    index: u32,
}

stored_struct!(Place { lot, index });

/// A lot's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LotHistory {
    // Ascending by sequence.
    movements: Vec<Movement>,
    // Every event that moved the lot, ascending.
    events: Vec<Sequence>,
}

stored_struct!(LotHistory { movements, events });

/// A payee's history.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PayeeHistory {
    payee: PayeeRef,
    // In the order of the log.
    places: Vec<Place>,
}

stored_struct!(PayeeHistory { payee, places });

/// Payments by lot and payee.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    lots: Vec<LotHistory>,
    payees: Vec<PayeeHistory>,
    payee_places: Lookup<PayeeRef, u32>,
    payments: FingerprintTable,
}

impl PartialEq for Lineage {
    fn eq(&self, other: &Self) -> bool {
        self.lots == other.lots && self.payees == other.payees && self.payments.sorted() == other.payments.sorted()
    }
}

impl Eq for Lineage {}

// Without a key of its own: a client that aims at collisions makes its own traces slower, nothing else.
fn fingerprint(payment_id: &str) -> u64 {
    SipHasher13::new().hash(payment_id.as_bytes())
}

impl Lineage {
    /// Payments from a lot, and what came back, in the order of the log.
    pub fn of_lot(&self, lot: LotNumber) -> impl Iterator<Item = (PayeeRef, &Movement)> {
        let movements = self.lots.get(lot.index()).map_or(&[][..], |history| &history.movements);
        movements.iter().filter_map(|movement| Some((self.payee_at(movement.payee)?, movement)))
    }

    /// Every event that moved a lot, ascending.
    pub fn events_of_lot(&self, lot: LotNumber) -> &[Sequence] {
        self.lots.get(lot.index()).map_or(&[], |history| &history.events)
    }

    /// Payments to a payee, and what came back, by lot, in the order of the log; `None` for somebody never paid.
    pub fn of_payee(&self, payee: PayeeRef) -> Option<impl Iterator<Item = (LotNumber, &Movement)>> {
        let index = usize::try_from(*self.payee_places.get(&payee)?).ok()?;
        let places = &self.payees.get(index)?.places;
        Some(places.iter().filter_map(|place| Some((place.lot, self.movement(*place)?))))
    }

    /// Sequences of events that may be the payment with this id: whoever asks reads them to know.
    pub fn payment_candidates(&self, payment_id: &PaymentId) -> impl Iterator<Item = i64> + '_ {
        self.payments.candidates(fingerprint(payment_id.as_str()))
    }

    fn payee_at(&self, index: u32) -> Option<PayeeRef> {
        self.payees.get(usize::try_from(index).ok()?).map(|history| history.payee)
    }

    fn movement(&self, place: Place) -> Option<&Movement> {
        self.lots.get(place.lot.index())?.movements.get(usize::try_from(place.index).ok()?)
    }

    fn lot_mut(&mut self, lot: LotNumber) -> Option<&mut LotHistory> {
        let index = lot.index();
        // Lots are numbered without gaps, so a history is at most one behind in an honest log; a forged number is passed over.
        if index == self.lots.len() {
            self.lots.push(LotHistory::default());
        }
        self.lots.get_mut(index)
    }

    pub(super) fn apply(&mut self, books: &Books, sequence: Sequence, event: &Event) {
        for leg in event.decision.legs.iter().filter(|leg| leg.lot != LotNumber::NONE) {
            if let Some(history) = self.lot_mut(leg.lot)
                && history.events.last() != Some(&sequence)
            {
                history.events.push(sequence);
            }
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these types move money to payees and back")]
        let (kind, original, payee) = match &event.decision.payload {
            Payload::PaymentExecuted(payment) => {
                self.payments.insert(fingerprint(payment.payment_id.as_str()), sequence.0);
                (MovementKind::Paid, sequence, Some(payment.payee))
            }
            Payload::PaymentReturned { original, .. } => (MovementKind::Returned, *original, None),
            Payload::Reversed { original, payment_id: Some(_), .. } => (MovementKind::Reversed, *original, None),
            _ => return,
        };
        for leg in &event.decision.legs {
            let is_used = books.account(leg.account).is_some_and(|account| account.kind == AccountKind::AuthorityUsed);
            if !is_used {
                continue;
            }
            let payee = match payee {
                Some(payee) => Some(self.intern(payee)),
                None => self.payee_of(leg.lot, original),
            };
            let Some(payee) = payee else { continue };
            let used = leg.account;
            let amount_minor = leg.debit_minor.saturating_neg();
            self.add(leg.lot, Movement { sequence, original, amount_minor, payee, used, kind });
        }
    }

    fn intern(&mut self, payee: PayeeRef) -> u32 {
        let next = u32::try_from(self.payees.len()).unwrap_or(u32::MAX);
        let index = *self.payee_places.entry(payee).or_insert(next);
        if index == next {
            self.payees.push(PayeeHistory { payee, places: Vec::new() });
        }
        index
    }

    /// The payee of a payment, found among its lot's movements.
    fn payee_of(&self, lot: LotNumber, original: Sequence) -> Option<u32> {
        let movements = &self.lots.get(lot.index())?.movements;
        let at = movements.binary_search_by_key(&original, |movement| movement.sequence).ok()?;
        movements.get(at).map(|movement| movement.payee)
    }

    fn add(&mut self, lot: LotNumber, movement: Movement) {
        let Some(history) = self.lot_mut(lot) else { return };
        let index = u32::try_from(history.movements.len()).unwrap_or(u32::MAX);
        history.movements.push(movement);
        let payee = usize::try_from(movement.payee).ok().and_then(|index| self.payees.get_mut(index));
        if let Some(history) = payee {
            history.places.push(Place { lot, index });
        }
    }
}

impl Stored for Lineage {
    fn put(&self, to: &mut Vec<u8>) {
        self.lots.put(to);
        self.payees.put(to);
        self.payments.sorted().put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let mut lineage = Self { lots: Stored::take(from)?, payees: Stored::take(from)?, ..Self::default() };
        for (at, history) in lineage.payees.iter().enumerate() {
            lineage.payee_places.insert(history.payee, u32::try_from(at).unwrap_or(u32::MAX));
        }
        for (fingerprint, sequence) in Vec::<(u64, i64)>::take(from)? {
            lineage.payments.insert(fingerprint, sequence);
        }
        Ok(lineage)
    }
}
