//! Canonical bytes of the orders of supervision.

use super::procurement::{write_goal, write_output};
use super::{Canonical, EVALUATOR};
use crate::domain::ids::Sequence;
use crate::domain::oversight::{Oversight, OversightOrder};
use crate::domain::personal::PersonalData;

fn sequences(out: &mut Canonical<'_>, sequences: &[Sequence]) {
    out.list(sequences, |out, sequence| out.number(sequence.0));
}

pub(super) fn write_oversight(order: &OversightOrder, out: &mut Canonical<'_>) {
    match order {
        Oversight::Reconciliation(compared) => {
            out.text(compared.account.as_str());
            out.bytes(&compared.statement_sha256);
            out.day(compared.first_day);
            out.day(compared.last_day);
            out.number(compared.bank_balance_minor);
            out.number(compared.book_balance_minor);
            out.number(compared.as_of.0);
            out.number(compared.matched_count.into());
            out.list(&compared.differences, |out, difference| {
                out.text(difference.bank_reference.as_str());
                out.number(difference.bank_minor);
                out.number(difference.book_minor);
            });
        }
        Oversight::Flag(flag) => {
            out.text(flag.finding_id.as_str());
            out.text(flag.rule_id.as_str());
            out.number(flag.rule_version.into());
            sequences(out, &flag.sequences);
            out.number(flag.amount.minor());
            out.optional(flag.evidence_sha256.as_ref(), |out, digest| out.bytes(digest));
        }
        Oversight::Explanation { finding_id, document_number, document_sha256 } => {
            out.text(finding_id.as_str());
            out.text(document_number.as_str());
            out.bytes(document_sha256);
        }
        Oversight::Rectification { finding_id, sequences: by, amount, document_number } => {
            out.text(finding_id.as_str());
            sequences(out, by);
            out.number(amount.minor());
            out.text(document_number.as_str());
        }
        Oversight::FindingClose { finding_id, outcome } => {
            out.text(finding_id.as_str());
            out.number(outcome.number().into());
        }
        Oversight::MatterOpen(matter) => {
            out.text(matter.matter_id.as_str());
            out.text(matter.kind.as_str());
            out.text(matter.unit_id.as_str());
            out.optional(matter.fund.as_ref(), |out, fund_id| out.text(fund_id.as_str()));
            out.optional(matter.party.as_ref(), |out, party| out.bytes(&party.0));
            out.optional(matter.about.as_ref(), |out, about| out.number(about.0));
            out.text(matter.first_handler.as_str());
        }
        Oversight::MatterClose { matter_id, outcome_code } => {
            out.text(matter_id.as_str());
            out.text(outcome_code.as_str());
        }
        Oversight::Disclosure { disclosure_id, scope, file_sha256, as_of } => {
            out.text(disclosure_id.as_str());
            out.text(scope.as_str());
            out.bytes(file_sha256);
            out.number(as_of.0);
        }
        Oversight::Performance { subject_id, year, score, document_number, evaluator } => {
            out.text(subject_id.as_str());
            out.number((*year).into());
            out.number((*score).into());
            out.text(document_number.as_str());
            // Written only where it is set: what was asked before keeps its digest.
            if let Some(evaluator) = evaluator {
                out.tag(EVALUATOR);
                out.number(evaluator.number().into());
            }
        }
        Oversight::Goal(goal) => write_goal(goal, out),
        Oversight::Output(output) => write_output(output, out),
        Oversight::Reopening { fund, period, reason_code } => {
            out.text(fund.as_str());
            out.number(period.number().into());
            out.text(reason_code.as_str());
        }
        Oversight::PersonalData(data) => match data {
            PersonalData::Restrict(scope, basis)
            | PersonalData::Release(scope, basis)
            | PersonalData::Erase(scope, basis) => {
                out.bytes(&scope.party.0);
                out.number(scope.first.0);
                out.optional(scope.last.as_ref(), |out, last| out.number(last.0));
                out.text(basis.as_str());
            }
            PersonalData::Open { sequence, party, field, legal_basis } => {
                out.number(sequence.0);
                out.bytes(&party.0);
                out.number(field.number().into());
                out.text(legal_basis.as_str());
            }
        },
    }
}
