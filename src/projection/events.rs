//! Events read back from the log. Read in ascending order, each block is read once; those far apart, one by one.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::domain::event::{Event, Payload, PaymentExecuted};
use crate::domain::housing::HousingEvent;
use crate::domain::ids::{PayeeRef, PaymentId, Sequence};
use crate::domain::persons::PersonsEvent;
use crate::format::block::Block;
use crate::format::codec;
use crate::format::record::{EntryHash, Head, split_entry};
use crate::log::{Fault, LogRead};

/// Blocks kept: the one at hand, and those of the payments that returns look back at.
const BLOCKS_KEPT: usize = 8;

fn missing(sequence: i64) -> Fault {
    Fault::new("reading the log", format!("no entry at {sequence}"))
}

/// A reader of events that keeps the last blocks.
pub struct Events<'a> {
    log: &'a dyn LogRead,
    // The last one used first.
    blocks: VecDeque<Block>,
    // The last entry that was read by itself.
    single: Option<(i64, Vec<u8>)>,
    // The last event that somebody looked back at: many operations of a transaction may undo one.
    looked_back: Option<(Sequence, Event)>,
    last: i64,
}

impl<'a> Events<'a> {
    /// Reads from a log.
    pub fn new(log: &'a dyn LogRead) -> Self {
        Self { log, blocks: VecDeque::with_capacity(BLOCKS_KEPT), single: None, looked_back: None, last: i64::MIN }
    }

    /// The entry of a sequence: link and event, the bytes that were hashed.
    pub fn entry(&mut self, sequence: Sequence) -> Result<&[u8], Fault> {
        let sequence = sequence.0;
        // Whoever goes on with the next one reads on: by the block. Anything else is one entry here and another there.
        let goes_on = sequence == self.last.saturating_add(1);
        self.last = sequence;
        let holds = |block: &Block| (block.first_sequence..=block.head.sequence).contains(&sequence);
        match self.blocks.iter().position(holds) {
            Some(0) => {}
            Some(at) => self.blocks.swap(0, at),
            None if goes_on => {
                self.blocks.truncate(BLOCKS_KEPT.saturating_sub(1));
                if let Some(block) = self.log.block_at(sequence)? {
                    self.blocks.push_front(block);
                }
            }
            None => {
                let entry = self.log.entry_at(sequence)?;
                let (_, entry) = self.single.insert((sequence, entry.ok_or_else(|| missing(sequence))?));
                return Ok(entry);
            }
        }
        let entry = self.blocks.front().and_then(|block| block.entry_at(sequence));
        entry.ok_or_else(|| missing(sequence))
    }

    /// The event of a sequence.
    pub fn event(&mut self, sequence: Sequence) -> Result<Event, Fault> {
        let (_, bytes) = split_entry(self.entry(sequence)?).unwrap_or_default();
        codec::decode(bytes).map_err(|error| Fault::new(format!("decoding the event at {}", sequence.0), error))
    }

    /// The event of a sequence as a head: its hash is what an answer as of it carries.
    pub fn head(&mut self, sequence: i64) -> Result<Head, Fault> {
        let entry = self.entry(Sequence(sequence))?;
        Ok(Head { sequence, hash: EntryHash::of(entry) })
    }

    /// A payment, from the event that ordered it; nothing where something else stands there.
    #[expect(clippy::wildcard_enum_match_arm, reason = "asks for one type among all")]
    fn payment(&mut self, sequence: Sequence, payment_id: &PaymentId) -> Result<Option<PaymentExecuted>, Fault> {
        if self.looked_back.as_ref().is_none_or(|(of, _)| *of != sequence) {
            self.looked_back = Some((sequence, self.event(sequence)?));
        }
        let Some((_, event)) = &self.looked_back else { return Ok(None) };
        let payments = event.decision.steps().filter_map(|step| match step.payload {
            Payload::PaymentExecuted(payment) => Some(payment.as_ref()),
            _ => None,
        });
        let mut found = payments.filter(|payment| payment.payment_id == *payment_id);
        Ok(found.next().cloned())
    }

    /// Who got a benefit or a withdrawal, from the event that paid it; nothing where something else stands there.
    pub fn benefit_payee(&mut self, sequence: Sequence) -> Result<Option<PayeeRef>, Fault> {
        Ok(benefit_payee_of(&self.event(sequence)?.decision.payload))
    }

    /// Who was paid, or paid before, by a step of an event.
    pub fn payee_of(&mut self, payload: &Payload) -> Result<Option<PayeeRef>, Fault> {
        if let Payload::Persons(event) = payload
            && let PersonsEvent::BenefitRecovered { original, .. } = event.as_ref()
        {
            return self.benefit_payee(*original);
        }
        match benefit_payee_of(payload) {
            Some(payee) => Ok(Some(payee)),
            None => Ok(self.payment_of(payload)?.map(|payment| payment.payee)),
        }
    }

    /// The payment that a step of an event is or undoes.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types are about one payment")]
    pub fn payment_of<'e>(&mut self, payload: &'e Payload) -> Result<Option<Cow<'e, PaymentExecuted>>, Fault> {
        match payload {
            Payload::PaymentExecuted(payment) => Ok(Some(Cow::Borrowed(payment))),
            Payload::PaymentReturned { original, payment_id, .. }
            | Payload::Reversed { original, payment_id: Some(payment_id), .. } => {
                Ok(self.payment(*original, payment_id)?.map(Cow::Owned))
            }
            _ => Ok(None),
        }
    }
}

/// Who got a benefit or a withdrawal.
fn benefit_payee_of(payload: &Payload) -> Option<PayeeRef> {
    if let Payload::Persons(event) = payload
        && let PersonsEvent::BenefitPaid { payee, .. } = event.as_ref()
    {
        return Some(*payee);
    }
    if let Payload::Housing(event) = payload
        && let HousingEvent::Withdrawn { payee, .. } = event.as_ref()
    {
        return Some(*payee);
    }
    None
}
