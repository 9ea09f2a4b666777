//! Rows of the families' events: persons and payers, benefits and withdrawals, what came into pools, documents.

use super::row::{Part, PoolSource, Subject};
use crate::domain::account::AccountKind;
use crate::domain::event::{Leg, Payload};
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
        PersonsEvent::EligibilityRecorded { person, .. } => other(Subject::payee(*person), add),
        PersonsEvent::ContributionReceived { employer, .. } => other(Subject::payee(*employer), add),
        PersonsEvent::BenefitPaid { payment_id, account, payee, .. } => {
            let paid = paid_minor(legs);
            add(Subject::payment(payment_id.as_str()), paid, Part::Paid.number());
            add(Subject::payee(*payee), paid, Part::Paid.number());
            if let Some(person) = person_of(*account, books).filter(|person| person != payee) {
                other(Subject::payee(person), add);
            }
        }
        PersonsEvent::BenefitRecovered { payment_id, original, .. } => {
            let back = paid_minor(legs).saturating_neg();
            add(Subject::payment(payment_id.as_str()), back, Part::Returned.number());
            if let Some(payee) = events.benefit_payee(*original)? {
                add(Subject::payee(payee), back, Part::Returned.number());
            }
        }
        PersonsEvent::RelationTransferred { account, .. } => {
            if let Some(person) = person_of(*account, books) {
                other(Subject::payee(person), add);
            }
        }
        PersonsEvent::IncomeReceived { document_number, .. } | PersonsEvent::FundsMoved { document_number, .. } => {
            if let Some(document_number) = document_number {
                other(Subject::document(document_number.as_str()), add);
            }
        }
        PersonsEvent::InterestCredited { .. } => {}
    }
    Ok(())
}

pub(super) fn collect_housing(
    event: &HousingEvent,
    legs: &[Leg],
    books: &Books,
    add: &mut impl FnMut(Subject, i64, u32),
) {
    match event {
        HousingEvent::Withdrawn { payment_id, payee, .. } => {
            let paid = paid_minor(legs);
            add(Subject::payment(payment_id.as_str()), paid, Part::Paid.number());
            add(Subject::payee(*payee), paid, Part::Paid.number());
        }
        HousingEvent::LoanIssued { account, .. } => {
            if let Some(person) = person_of(*account, books) {
                other(Subject::payee(person), add);
            }
        }
        HousingEvent::SurplusDistributed { document_number } => {
            other(Subject::document(document_number.as_str()), add);
        }
        HousingEvent::LoanRepaid { .. } => {}
    }
}

pub(super) fn collect_nontax(event: &NontaxEvent, add: &mut impl FnMut(Subject, i64, u32)) {
    if let NontaxEvent::Noticed { payer, .. } = event {
        other(Subject::payee(*payer), add);
    }
}

pub(super) fn collect_oversight(event: &OversightEvent, add: &mut impl FnMut(Subject, i64, u32)) {
    if let Some(case_id) = event.case_id() {
        other(Subject::case(case_id), add);
    }
    if let Oversight::Reconciliation(compared) = event {
        other(Subject::reconciled(compared.account), add);
    }
    if let Oversight::MatterOpen(matter) = event
        && let Some(party) = matter.party
    {
        other(Subject::payee(party), add);
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
