//! Payments that wait for witnesses: what a fund's policy says of them, and which ones may be acted on.
//!
//! A held payment is booked and unreleased. Banks act on it only once a `PaymentReleased` event cites a checkpoint that covers
//! it and that a quorum of witnesses cosigned: money then never moves on a history that nobody outside has seen.

use super::event::Payload;
use super::housing::HousingEvent;
use super::ids::Sequence;
use super::nontax::NontaxEvent;
use super::numbered::numbered;
use super::persons::PersonsEvent;

numbered! {
    /// What becomes of a payment that no quorum of witnesses has seen.
    WitnessRule {
        /// It is held until they have.
        Hold = 1, "HOLD";
        /// It goes on, and the ledger raises an alarm if they have not in time.
        Alarm = 2, "ALARM";
    }
}

/// What a policy says of witnesses: which payments, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnessing {
    /// What becomes of them.
    pub rule: WitnessRule,
    /// The smallest payment that it is for, minor units; 0 means every one.
    pub from_minor: i64,
}

/// A payment: its event, and which operation of a transaction it is, from 1; 0 for none.
pub type PaymentPlace = (Sequence, u32);

/// Most payments that one event releases: it fits into an entry with any proof.
pub const RELEASED_MAX: usize = 2_000;

/// Payments that may now be acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Which, ascending; at least one.
    pub payments: Vec<PaymentPlace>,
    /// That the last of them is in a log that witnesses saw: a C2SP tlog-proof with its cosigned checkpoint. Each entry holds
    /// the hash of the one before, so that it vouches for the others too.
    pub proof: Box<str>,
}

impl Payload {
    /// Whether a person, or a firm, is at its other end: who was paid, or paid back, gets a receipt. A transaction's operations
    /// are looked at one by one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types pay somebody")]
    pub fn has_receipt(&self) -> bool {
        match self {
            Self::PaymentExecuted(_) => true,
            Self::Nontax(event) => matches!(event.as_ref(), NontaxEvent::Refunded { .. }),
            Self::Persons(event) => {
                matches!(event.as_ref(), PersonsEvent::BenefitPaid { .. } | PersonsEvent::BenefitRecovered { .. })
            }
            Self::Housing(event) => !matches!(event.as_ref(), HousingEvent::SurplusDistributed { .. }),
            _ => false,
        }
    }

    /// Whether it orders money out of the public purse: what a bank would act on. What a bank has done already is a fact, and
    /// nothing to hold.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types order a payment")]
    pub fn is_payment_order(&self) -> bool {
        match self {
            Self::PaymentExecuted(_) => true,
            Self::Persons(event) => matches!(event.as_ref(), PersonsEvent::BenefitPaid { .. }),
            Self::Housing(event) => {
                matches!(event.as_ref(), HousingEvent::Withdrawn { .. } | HousingEvent::LoanIssued { .. })
            }
            _ => false,
        }
    }
}
