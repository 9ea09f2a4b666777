//! From an event to its rows.

use super::families::{self, party_of};
use super::mark::Mark;
use super::row::{Part, Row, Subject};
use crate::domain::account::AccountKind;
use crate::domain::event::{Event, Payload, Step};
use crate::domain::housing::HousingEvent;
use crate::domain::ids::{LotNumber, Sequence};
use crate::domain::oversight::Oversight;
use crate::domain::persons::PersonsEvent;
use crate::log::Fault;
use crate::projection::books::Books;
use crate::projection::events::Events;

/// Appends the rows of an event. `books` know every account and lot that it moves; `events` reads the payment that a return
/// or a reversal undoes.
pub fn collect(
    sequence: Sequence,
    event: &Event,
    books: &Books,
    events: &mut Events<'_>,
    rows: &mut Vec<Row>,
) -> Result<(), Fault> {
    let Some(envelope) = &event.envelope else { return Ok(()) };
    let business_day = envelope.business_date.days();
    for step in event.decision.steps() {
        let add = |subject, change_minor, second| {
            rows.push(Row { subject, sequence: sequence.0, change_minor, business_day, second });
        };
        collect_step(step, books, events, add)?;
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are about accounts, lots and documents at most")]
fn collect_step(
    step: Step<'_>,
    books: &Books,
    events: &mut Events<'_>,
    mut add: impl FnMut(Subject, i64, u32),
) -> Result<(), Fault> {
    let part = part_of(step.payload);
    let mut paid_minor = 0_i64;
    for leg in step.legs {
        // A forged number is passed over, as the books do.
        let Some(account) = books.account(leg.account) else { continue };
        let change_minor = account.kind.change(leg.debit_minor);
        add(Subject::account(leg.account), change_minor, leg.lot.0);
        if leg.lot == LotNumber::NONE {
            continue;
        }
        add(Subject::account_lot(leg.account, leg.lot), change_minor, leg.lot.0);
        let is_paid = part.is_movement() && account.kind == AccountKind::AuthorityUsed;
        let leg_minor = if is_paid { change_minor } else { 0 };
        add(Subject::lot(leg.lot), leg_minor, part.number());
        paid_minor = paid_minor.saturating_add(leg_minor);
    }
    match step.payload {
        Payload::PaymentExecuted(payment) => {
            add(Subject::payment(payment.payment_id.as_str()), paid_minor, part.number());
        }
        Payload::PaymentReturned { payment_id, .. } | Payload::Reversed { payment_id: Some(payment_id), .. } => {
            add(Subject::payment(payment_id.as_str()), paid_minor, part.number());
        }
        Payload::Cleared { payment_ids, .. } => {
            for payment_id in payment_ids {
                add(Subject::payment(payment_id.as_str()), 0, part.number());
            }
        }
        Payload::Persons(event) => families::collect_persons(event, step.legs, books, events, &mut add)?,
        Payload::Housing(event) => families::collect_housing(event, step.legs, &mut add),
        Payload::Oversight(event) => families::collect_oversight(event, &mut add),
        _ => {}
    }
    let payment = events.payment_of(step.payload)?;
    if let Some(payment) = &payment {
        add(Subject::payee(payment.payee), paid_minor, part.number());
    }
    for mark in Mark::ALL {
        if let Some(text) = mark.of(step.payload, payment.as_deref()) {
            add(mark.subject(text), paid_minor, part.number());
        }
    }
    if let Some(party) = party_of(step.payload, books) {
        add(Subject::payee(party), 0, Part::Other.number());
    }
    documents_of(step.payload, |document| add(Subject::document(document), 0, Part::Other.number()));
    // The reversal of what came into a pool.
    if let Payload::Reversed { original, payment_id: None, contract_id: None, .. } = step.payload {
        families::collect_reversal(*original, step.legs, books, events, &mut add)?;
    }
    Ok(())
}

/// The part a step plays for lots, payees and payments.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these types do anything to a payment")]
pub fn part_of(payload: &Payload) -> Part {
    match payload {
        Payload::PaymentExecuted(_) => Part::Paid,
        Payload::Persons(event) => match event.as_ref() {
            PersonsEvent::BenefitPaid { .. } => Part::Paid,
            PersonsEvent::BenefitRecovered { .. } => Part::Returned,
            _ => Part::Other,
        },
        Payload::Housing(event) if matches!(event.as_ref(), HousingEvent::Withdrawn { .. }) => Part::Paid,
        Payload::PaymentReturned { .. } => Part::Returned,
        Payload::Reversed { payment_id: Some(_), .. } => Part::Reversed,
        Payload::Cleared { .. } => Part::Cleared,
        _ => Part::Other,
    }
}

/// The numbers of the documents a step rests on.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these types name documents")]
pub fn documents_of(payload: &Payload, mut give: impl FnMut(&str)) {
    match payload {
        Payload::BudgetIssued { lot } => give(lot.definition.document_number.as_str()),
        Payload::OpeningBalance { document_number, lots, .. } => {
            give(document_number.as_str());
            for lot in lots {
                give(lot.definition.document_number.as_str());
            }
        }
        Payload::BudgetAdjusted { document_number, .. }
        | Payload::BudgetAllocated { document_number: Some(document_number) }
        | Payload::PlanApproved { document_number: Some(document_number) }
        | Payload::EstimateApproved { document_number, .. } => give(document_number.as_str()),
        Payload::Persons(event) => match event.as_ref() {
            PersonsEvent::IncomeReceived { document_number: Some(document_number), .. }
            | PersonsEvent::FundsMoved { document_number: Some(document_number), .. } => give(document_number.as_str()),
            _ => {}
        },
        Payload::Housing(event) => {
            if let HousingEvent::SurplusDistributed { document_number } = event.as_ref() {
                give(document_number.as_str());
            }
        }
        Payload::Oversight(event) => match event.as_ref() {
            Oversight::Explanation { document_number, .. }
            | Oversight::Rectification { document_number, .. }
            | Oversight::Performance { document_number, .. } => give(document_number.as_str()),
            Oversight::Goal(goal) => give(goal.document_number.as_str()),
            Oversight::Output(output) => give(output.document_number.as_str()),
            _ => {}
        },
        Payload::Procurement(event) => give(event.document_number().as_str()),
        _ => {}
    }
}
