//! Supervision: what may be said of findings, matters and closed months, and by whom.

use super::guard::{Case, decided, is_auditor, kind_is};
use super::{Context, performance};
use crate::domain::account::AccountKind;
use crate::domain::event::{Decision, Payload};
use crate::domain::ids::{FindingId, FundNumber, Sequence};
use crate::domain::oversight::{
    Finding, FindingOutcome, FindingStage, Matter, Oversight, OversightEvent, OversightOrder, Reconciliation,
};
use crate::domain::personal::{PersonalData, PersonalScope};
use crate::domain::refusal::{Reason, Refusal};

pub(super) fn decide(case: Case<'_>, order: OversightOrder, context: &Context<'_>) -> Result<Decision, Refusal> {
    Ok(decided(Payload::Oversight(Box::new(event(case, order, context)?))))
}

fn event(case: Case<'_>, order: OversightOrder, context: &Context<'_>) -> Result<OversightEvent, Refusal> {
    let known = &case.state.families;
    Ok(match order {
        Oversight::Reconciliation(compared) => {
            let found = case.account(&compared.account)?;
            kind_is(found, &AccountKind::AT_BANKS)?;
            let account = found.number;
            has_happened(compared.as_of, context)?;
            let Reconciliation { statement_sha256, first_day, last_day, .. } = compared;
            let Reconciliation { bank_balance_minor, book_balance_minor, as_of, matched_count, .. } = compared;
            let differences = compared.differences;
            Oversight::Reconciliation(Reconciliation {
                account,
                statement_sha256,
                first_day,
                last_day,
                bank_balance_minor,
                book_balance_minor,
                as_of,
                matched_count,
                differences,
            })
        }
        Oversight::Flag(flag) => {
            is_auditor(case)?;
            if known.findings.contains_key(&flag.finding_id) {
                return Err(Refusal::new(Reason::FindingExists).with("finding", &flag.finding_id));
            }
            have_happened(&flag.sequences, context)?;
            Oversight::Flag(flag)
        }
        Oversight::Explanation { finding_id, document_number, document_sha256 } => {
            let finding = open_finding(case, &finding_id)?;
            is_another(case, finding)?;
            Oversight::Explanation { finding_id, document_number, document_sha256 }
        }
        Oversight::Rectification { finding_id, sequences, amount, document_number } => {
            let finding = open_finding(case, &finding_id)?;
            is_another(case, finding)?;
            have_happened(&sequences, context)?;
            Oversight::Rectification { finding_id, sequences, amount, document_number }
        }
        Oversight::FindingClose { finding_id, outcome } => {
            is_auditor(case)?;
            let stage = open_finding(case, &finding_id)?.stage;
            let is_answered = match outcome {
                FindingOutcome::Rectified => stage == FindingStage::Rectified,
                FindingOutcome::Unfounded | FindingOutcome::Referred => stage != FindingStage::Open,
            };
            if !is_answered {
                return Err(Refusal::new(Reason::FindingUnanswered)
                    .with("finding", &finding_id)
                    .with("outcome", outcome.as_str()));
            }
            Oversight::FindingClose { finding_id, outcome }
        }
        Oversight::MatterOpen(matter) => {
            let fund = match &matter.fund {
                None => None,
                Some(fund_id) => Some(case.fund(fund_id)?.number),
            };
            if known.matters.contains_key(&matter.matter_id) {
                return Err(Refusal::new(Reason::MatterExists).with("matter", &matter.matter_id));
            }
            matter.about.map_or(Ok(()), |about| has_happened(about, context))?;
            let Matter { matter_id, kind, unit_id, party, about, first_handler, .. } = matter;
            Oversight::MatterOpen(Matter { matter_id, kind, unit_id, fund, party, about, first_handler })
        }
        Oversight::MatterClose { matter_id, outcome_code } => {
            match known.matters.get(&matter_id) {
                None => return Err(Refusal::new(Reason::MatterNotFound).with("matter", &matter_id)),
                Some(false) => return Err(Refusal::new(Reason::MatterClosed).with("matter", &matter_id)),
                Some(true) => {}
            }
            Oversight::MatterClose { matter_id, outcome_code }
        }
        Oversight::Disclosure { disclosure_id, scope, file_sha256, as_of } => {
            if known.disclosures.contains_key(&disclosure_id) {
                return Err(Refusal::new(Reason::DisclosureExists).with("disclosure", &disclosure_id));
            }
            has_happened(as_of, context)?;
            Oversight::Disclosure { disclosure_id, scope, file_sha256, as_of }
        }
        Oversight::Performance { subject_id, year, score, document_number, evaluator } => {
            performance::may_score(case, &subject_id)?;
            Oversight::Performance { subject_id, year, score, document_number, evaluator }
        }
        Oversight::Goal(goal) => {
            performance::may_set(case, &goal)?;
            Oversight::Goal(goal)
        }
        Oversight::Output(output) => {
            performance::may_record(case, &output)?;
            Oversight::Output(output)
        }
        Oversight::Reopening { fund, period, reason_code } => {
            let fund: (FundNumber, _) = case.fund(&fund).map(|fund| (fund.number, fund.row))?;
            let (number, row) = fund;
            case.set_up_is_approved()?;
            if row.closed_period != Some(period) {
                let refusal =
                    Refusal::new(Reason::PeriodOutOfOrder).with("fund", &row.definition.fund_id).with("period", period);
                return Err(match row.closed_period {
                    Some(closed) => refusal.with("last_closed_period", closed),
                    None => refusal,
                });
            }
            Oversight::Reopening { fund: number, period, reason_code }
        }
        Oversight::PersonalData(data) => {
            match &data {
                PersonalData::Restrict(scope, _) | PersonalData::Release(scope, _) | PersonalData::Erase(scope, _) => {
                    case.set_up_is_approved()?;
                    let PersonalScope { first, last, .. } = scope;
                    has_happened(last.unwrap_or(*first), context)?;
                }
                PersonalData::Open { sequence, .. } => {
                    is_auditor(case)?;
                    has_happened(*sequence, context)?;
                }
            }
            Oversight::PersonalData(data)
        }
    })
}

fn open_finding<'a>(case: Case<'a>, finding_id: &FindingId) -> Result<&'a Finding, Refusal> {
    match case.state.families.findings.get(finding_id) {
        None => Err(Refusal::new(Reason::FindingNotFound).with("finding", finding_id)),
        Some(finding) if finding.stage == FindingStage::Closed => {
            Err(Refusal::new(Reason::FindingClosed).with("finding", finding_id))
        }
        Some(finding) => Ok(finding),
    }
}

/// Nobody answers what they flagged themselves.
fn is_another(case: Case<'_>, finding: &Finding) -> Result<(), Refusal> {
    if case.envelope.actor != finding.flagged_by {
        return Ok(());
    }
    Err(Refusal::new(Reason::SegregationOfDuties)
        .with("actor", &case.envelope.actor)
        .with("flagged_by", &finding.flagged_by))
}

/// The events are there to be talked about.
pub(super) fn have_happened(sequences: &[Sequence], context: &Context<'_>) -> Result<(), Refusal> {
    sequences.iter().try_for_each(|sequence| has_happened(*sequence, context))
}

/// The event is there to be talked about.
fn has_happened(sequence: Sequence, context: &Context<'_>) -> Result<(), Refusal> {
    if sequence <= context.head {
        return Ok(());
    }
    Err(Refusal::new(Reason::EventNotFound).with("original_sequence", sequence.0).with("head_sequence", context.head.0))
}
