//! Rows of the families' events: persons and payers, benefits and withdrawals, what came into pools, documents.

use super::row::{Part, PoolSource, Subject};
use crate::domain::account::AccountKind;
use crate::domain::event::{Frozen, Leg, Payload};
use crate::domain::housing::HousingEvent;
use crate::domain::ids::{AccountNumber, PayeeRef, Sequence};
use crate::domain::nontax::NontaxEvent;
use crate::domain::oversight::{Oversight, OversightEvent};
use crate::domain::persons::{IncomeSource, PersonsEvent, TransferDirection};
use crate::log::Fault;
use crate::projection::books::Books;
use crate::projection::events::Events;

fn other(subject: Subject, add: &mut impl FnMut(Subject, i64, u32)) {
    add(subject, 0, Part::Other.number());
}

pub(super) fn collect_persons(
    event: &PersonsEvent,
    legs: &[Leg],
    books: &Books,
    events: &mut Events<'_>,
    add: &mut impl FnMut(Subject, i64, u32),
) -> Result<(), Fault> {
    if let Some(source) = source_of(event) {
        collect_inflow(source, legs, books, add);
    }
    match event {
        PersonsEvent::BenefitPaid { payment_id, payee, .. } => {
            let paid = paid_minor(legs);
            add(Subject::payment(payment_id.as_str()), paid, Part::Paid.number());
            add(Subject::payee(*payee), paid, Part::Paid.number());
        }
        PersonsEvent::BenefitRecovered { payment_id, original, .. } => {
            let back = paid_minor(legs).saturating_neg();
            add(Subject::payment(payment_id.as_str()), back, Part::Returned.number());
            if let Some(payee) = events.benefit_payee(*original)? {
                add(Subject::payee(payee), back, Part::Returned.number());
            }
        }
        PersonsEvent::EligibilityRecorded { .. }
        | PersonsEvent::ContributionReceived { .. }
        | PersonsEvent::RelationTransferred { .. }
        | PersonsEvent::IncomeReceived { .. }
        | PersonsEvent::FundsMoved { .. }
        | PersonsEvent::InterestCredited { .. } => {}
    }
    Ok(())
}

pub(super) fn collect_housing(event: &HousingEvent, legs: &[Leg], add: &mut impl FnMut(Subject, i64, u32)) {
    if let HousingEvent::Withdrawn { payment_id, payee, .. } = event {
        let paid = paid_minor(legs);
        add(Subject::payment(payment_id.as_str()), paid, Part::Paid.number());
        add(Subject::payee(*payee), paid, Part::Paid.number());
    }
}

pub(super) fn collect_oversight(event: &OversightEvent, add: &mut impl FnMut(Subject, i64, u32)) {
    if let Oversight::Reconciliation(compared) = event {
        other(Subject::reconciled(compared.account), add);
    }
}

/// Whom a step is about without paying them: insured persons, payers, borrowers, who brings a matter, whose data they are.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these types are about somebody")]
pub fn party_of(payload: &Payload, books: &Books) -> Option<PayeeRef> {
    match payload {
        Payload::Committed { payee, .. } | Payload::Frozen { scope: Frozen::Payee(payee), .. } => Some(*payee),
        Payload::Persons(event) => match event.as_ref() {
            PersonsEvent::EligibilityRecorded { person, .. } => Some(*person),
            PersonsEvent::ContributionReceived { employer, .. } => Some(*employer),
            PersonsEvent::BenefitPaid { account, payee, .. } => {
                person_of(*account, books).filter(|person| person != payee)
            }
            PersonsEvent::RelationTransferred { account, .. } => person_of(*account, books),
            _ => None,
        },
        Payload::Housing(event) => match event.as_ref() {
            HousingEvent::LoanIssued { account, .. } => person_of(*account, books),
            _ => None,
        },
        Payload::Nontax(event) => match event.as_ref() {
            NontaxEvent::Noticed { payer, .. } => Some(*payer),
            _ => None,
        },
        Payload::Procurement(event) => event.supplier(),
        Payload::Oversight(event) => match event.as_ref() {
            Oversight::MatterOpen(matter) => matter.party,
            Oversight::PersonalData(data) => Some(data.party()),
            _ => None,
        },
        _ => None,
    }
}

/// A reversal takes back what its original brought into a pool.
pub(super) fn collect_reversal(
    original: Sequence,
    legs: &[Leg],
    books: &Books,
    events: &mut Events<'_>,
    add: &mut impl FnMut(Subject, i64, u32),
) -> Result<(), Fault> {
    let is_pool = |leg: &Leg| books.account(leg.account).is_some_and(|account| account.kind == AccountKind::Pool);
    if !legs.iter().any(is_pool) {
        return Ok(());
    }
    if let Payload::Persons(event) = &events.event(original)?.decision.payload
        && let Some(source) = source_of(event)
    {
        collect_inflow(source, legs, books, add);
    }
    Ok(())
}

/// Where what an event brings into a pool comes from; `None` where it brings nothing.
const fn source_of(event: &PersonsEvent) -> Option<PoolSource> {
    match event {
        PersonsEvent::ContributionReceived { .. } => Some(PoolSource::Contributions),
        PersonsEvent::IncomeReceived { source: IncomeSource::Subsidy, .. } => Some(PoolSource::Subsidies),
        PersonsEvent::IncomeReceived { source: IncomeSource::Interest, .. } => Some(PoolSource::Interest),
        PersonsEvent::IncomeReceived { source: IncomeSource::Other, .. } => Some(PoolSource::Other),
        PersonsEvent::RelationTransferred { direction: TransferDirection::In, .. } => Some(PoolSource::Transfers),
        PersonsEvent::BenefitRecovered { .. } => Some(PoolSource::Recovered),
        PersonsEvent::RelationTransferred { direction: TransferDirection::Out, .. }
        | PersonsEvent::EligibilityRecorded { .. }
        | PersonsEvent::FundsMoved { .. }
        | PersonsEvent::BenefitPaid { .. }
        | PersonsEvent::InterestCredited { .. } => None,
    }
}

fn collect_inflow(source: PoolSource, legs: &[Leg], books: &Books, add: &mut impl FnMut(Subject, i64, u32)) {
    for leg in legs {
        let Some(account) = books.account(leg.account).filter(|account| account.kind == AccountKind::Pool) else {
            continue;
        };
        add(Subject::pool_source(leg.account, source), account.kind.change(leg.debit_minor), Part::Other.number());
    }
}

fn person_of(account: AccountNumber, books: &Books) -> Option<PayeeRef> {
    books.account(account)?.person
}

/// What legs move on one side.
fn paid_minor(legs: &[Leg]) -> i64 {
    legs.iter().fold(0, |sum, leg| sum.saturating_add(leg.debit_minor.max(0)))
}
