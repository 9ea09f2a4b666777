//! 投诉: who may file, accept, answer and close a complaint, and in which order. Who is complained about does none of it but file.

use super::Context;
use super::guard::{Case, decided, is_auditor};
use crate::domain::account::AccountKind;
use crate::domain::complaint::{
    Complaint, ComplaintOrder, ComplaintOutcome, ComplaintStage, ComplaintState, Filed, Filing, Subject,
};
use crate::domain::event::{Decision, Event, Payload};
use crate::domain::ids::{ActorId, ComplaintId, FundNumber, LotId, Sequence, UnitId};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::State;

pub(super) fn decide(case: Case<'_>, order: ComplaintOrder, context: &Context<'_>) -> Result<Decision, Refusal> {
    let event = match order {
        Complaint::File(filing) => Complaint::File(file(case, filing, context)?),
        Complaint::Accept { complaint_id, unit_id, first_handler } => {
            let known = open(case, &complaint_id)?;
            by_no_respondent(case, known)?;
            is_no_respondent(known, &first_handler)?;
            if known.unit_id.as_ref() == Some(&unit_id) {
                return Err(Refusal::new(Reason::SegregationOfDuties).with("unit", &unit_id));
            }
            Complaint::Accept { complaint_id, unit_id, first_handler }
        }
        Complaint::Answer { complaint_id, document_number, document_sha256 } => {
            let known = open(case, &complaint_id)?;
            by_no_respondent(case, known)?;
            if known.stage == ComplaintStage::Filed {
                return Err(unready(&complaint_id, known.stage));
            }
            Complaint::Answer { complaint_id, document_number, document_sha256 }
        }
        Complaint::Close { complaint_id, outcome } => {
            is_auditor(case)?;
            let known = open(case, &complaint_id)?;
            let actor = &case.envelope.actor;
            by_no_respondent(case, known)?;
            if known.answered_by.contains(actor) {
                return Err(Refusal::new(Reason::SegregationOfDuties).with("actor", actor).with("answered_by", actor));
            }
            if known.stage != ComplaintStage::Answered && outcome != ComplaintOutcome::Withdrawn {
                return Err(unready(&complaint_id, known.stage).with("outcome", outcome.as_str()));
            }
            Complaint::Close { complaint_id, outcome }
        }
    };
    Ok(decided(Payload::Complaint(Box::new(event))))
}

/// The sequence of the event that a complaint to be filed is about, where it is about one.
pub(super) fn event_about(state: &State, order: &ComplaintOrder) -> Option<Sequence> {
    let Complaint::File(filing) = order else { return None };
    sequence_of(state, &filing.about)
}

fn sequence_of(state: &State, about: &Subject<LotId>) -> Option<Sequence> {
    match about {
        Subject::Lot(_) => None,
        Subject::Payment(payment_id) => state.voucher(payment_id),
        Subject::Event(sequence) => Some(*sequence),
    }
}

fn file(case: Case<'_>, filing: Filing, context: &Context<'_>) -> Result<Filed, Refusal> {
    let Filing { complaint_id, kind, about, unit_id, reporter, text_sha256 } = filing;
    if case.state.families.complaints.contains_key(&complaint_id) {
        return Err(Refusal::new(Reason::ComplaintExists).with("complaint", &complaint_id));
    }
    let original = sequence_of(case.state, &about).and_then(|sequence| context.original_event(sequence));
    let (about, fund) = match about {
        Subject::Lot(lot_id) => {
            let lot = case.lot(&lot_id)?;
            (Subject::Lot(lot.number), lot.row.fund)
        }
        Subject::Payment(payment_id) => {
            let found = original.ok_or_else(|| Refusal::new(Reason::PaymentNotFound).with("payment", &payment_id))?;
            (Subject::Payment(payment_id), fund_of(case, found))
        }
        Subject::Event(sequence) => {
            let found = original.ok_or_else(|| {
                Refusal::new(Reason::EventNotFound)
                    .with("original_sequence", sequence.0)
                    .with("head_sequence", context.head.0)
            })?;
            (Subject::Event(sequence), fund_of(case, found))
        }
    };
    let unit_id = unit_id.or_else(|| original.and_then(|event| unit_of(case, event)));
    let respondents = original.map(respondents_of).unwrap_or_default();
    Ok(Filed { complaint_id, kind, about, fund, unit_id, respondents, reporter, text_sha256 })
}

/// Who made and who approved an event, each once, the maker first.
fn respondents_of(event: &Event) -> Vec<ActorId> {
    let Some(envelope) = &event.envelope else { return Vec::new() };
    let mut respondents = vec![envelope.actor.clone()];
    for approver in envelope.approvals.actors() {
        if !respondents.contains(approver) {
            respondents.push(approver.clone());
        }
    }
    respondents
}

fn fund_of(case: Case<'_>, event: &Event) -> FundNumber {
    let first = event.decision.legs.first().and_then(|leg| case.state.account(leg.account));
    first.map_or(FundNumber::default(), |account| account.fund)
}

/// The unit whose authority an event used; where it used none, the first whose account it moved.
fn unit_of(case: Case<'_>, event: &Event) -> Option<UnitId> {
    let accounts = || event.decision.legs.iter().filter_map(|leg| case.state.account(leg.account));
    let used = accounts().find(|account| account.kind == AccountKind::AuthorityUsed);
    let mut units = used.into_iter().chain(accounts()).map(|account| account.unit);
    units.find_map(|unit| case.state.unit(unit)).cloned()
}

fn open<'a>(case: Case<'a>, complaint_id: &ComplaintId) -> Result<&'a ComplaintState, Refusal> {
    match case.state.families.complaints.get(complaint_id) {
        None => Err(Refusal::new(Reason::ComplaintNotFound).with("complaint", complaint_id)),
        Some(known) if known.stage == ComplaintStage::Closed => {
            Err(Refusal::new(Reason::ComplaintClosed).with("complaint", complaint_id))
        }
        Some(known) => Ok(known),
    }
}

fn unready(complaint_id: &ComplaintId, stage: ComplaintStage) -> Refusal {
    let stage = match stage {
        ComplaintStage::Filed => "FILED",
        ComplaintStage::Accepted => "ACCEPTED",
        ComplaintStage::Answered => "ANSWERED",
        ComplaintStage::Closed => "CLOSED",
    };
    Refusal::new(Reason::ComplaintUnready).with("complaint", complaint_id).with("stage", stage)
}

/// Neither who makes an order nor who approves it is somebody complained about.
fn by_no_respondent(case: Case<'_>, known: &ComplaintState) -> Result<(), Refusal> {
    let envelope = case.envelope;
    std::iter::once(&envelope.actor).chain(envelope.approvals.actors()).try_for_each(|by| is_no_respondent(known, by))
}

/// Nobody deals with a complaint about what they made or approved.
fn is_no_respondent(known: &ComplaintState, actor: &ActorId) -> Result<(), Refusal> {
    if !known.respondents.contains(actor) {
        return Ok(());
    }
    Err(Refusal::new(Reason::SegregationOfDuties).with("actor", actor).with("respondent", actor))
}
