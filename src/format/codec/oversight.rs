//! Events of supervision.

use super::{DecodeError, fixed, number, personal, procurement};
use crate::domain::event::Payload;
use crate::domain::ids::{
    AccountNumber, ActorId, BankReference, Code, DisclosureId, DocumentNumber, FindingId, FundNumber, MatterId,
    ReasonCode, Sequence, UnitId,
};
use crate::domain::money::AmountOrZero;
use crate::domain::oversight::{Difference, FindingOutcome, Flag, Matter, Oversight, OversightEvent, Reconciliation};
use crate::domain::performance::EvaluatorKind;
use crate::domain::personal::PersonalData;
use crate::domain::time::{Day, Period};
use crate::format::wire::Wire;
use crate::pb::v1 as pb;
use crate::pb::v1::event::Payload as Stored;

pub(super) fn encode_oversight(event: &OversightEvent, wire: &mut Wire<'_>) {
    match event {
        Oversight::Reconciliation(compared) => wire.message(120, |m| {
            m.number(1, compared.account.0);
            m.bytes(2, &compared.statement_sha256);
            m.int(3, compared.first_day.days().into());
            m.int(4, compared.last_day.days().into());
            m.int(5, compared.bank_balance_minor);
            m.int(6, compared.book_balance_minor);
            m.int(7, compared.as_of.0);
            m.number(8, compared.matched_count);
            for difference in &compared.differences {
                m.message(9, |m| {
                    m.text(1, difference.bank_reference.as_str());
                    m.int(2, difference.bank_minor);
                    m.int(3, difference.book_minor);
                });
            }
        }),
        Oversight::Flag(flag) => wire.message(121, |m| {
            m.text(1, flag.finding_id.as_str());
            m.text(2, flag.rule_id.as_str());
            m.number(3, flag.rule_version);
            m.numbers(4, flag.sequences.iter().map(|sequence| sequence.0));
            m.int(5, flag.amount.minor());
            m.bytes(6, flag.evidence_sha256.as_ref().map_or(&[][..], |digest| digest));
        }),
        Oversight::Explanation { finding_id, document_number, document_sha256 } => wire.message(122, |m| {
            m.text(1, finding_id.as_str());
            m.text(2, document_number.as_str());
            m.bytes(3, document_sha256);
        }),
        Oversight::Rectification { finding_id, sequences, amount, document_number } => wire.message(123, |m| {
            m.text(1, finding_id.as_str());
            m.numbers(2, sequences.iter().map(|sequence| sequence.0));
            m.int(3, amount.minor());
            m.text(4, document_number.as_str());
        }),
        Oversight::FindingClose { finding_id, outcome } => wire.message(124, |m| {
            m.text(1, finding_id.as_str());
            m.int(2, outcome.number().into());
        }),
        Oversight::MatterOpen(matter) => wire.message(125, |m| {
            m.text(1, matter.matter_id.as_str());
            m.text(2, matter.kind.as_str());
            m.text(3, matter.unit_id.as_str());
            m.number(4, matter.fund.unwrap_or_default().0);
            m.bytes(5, matter.party.as_ref().map_or(&[][..], |party| &party.0));
            m.int(6, matter.about.unwrap_or_default().0);
            m.text(7, matter.first_handler.as_str());
        }),
        Oversight::MatterClose { matter_id, outcome_code } => wire.message(126, |m| {
            m.text(1, matter_id.as_str());
            m.text(2, outcome_code.as_str());
        }),
        Oversight::Disclosure { disclosure_id, scope, file_sha256, as_of } => wire.message(127, |m| {
            m.text(1, disclosure_id.as_str());
            m.text(2, scope.as_str());
            m.bytes(3, file_sha256);
            m.int(4, as_of.0);
        }),
        Oversight::Performance { subject_id, year, score, document_number, evaluator } => wire.message(128, |m| {
            m.text(1, subject_id.as_str());
            m.int(2, (*year).into());
            m.number(3, *score);
            m.text(4, document_number.as_str());
            m.int(5, evaluator.map_or(0, EvaluatorKind::number).into());
        }),
        Oversight::Goal(goal) => wire.message(140, |m| procurement::encode_goal(goal, m)),
        Oversight::Output(output) => wire.message(141, |m| procurement::encode_output(output, m)),
        Oversight::Reopening { fund, period, reason_code } => wire.message(129, |m| {
            m.number(1, fund.0);
            m.int(2, period.number().into());
            m.text(3, reason_code.as_str());
        }),
        Oversight::PersonalData(data) => personal::encode(data, wire),
    }
}

/// Decodes a payload of supervision.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others were decoded before")]
pub(super) fn decode(payload: Stored) -> Result<Payload, DecodeError> {
    Ok(Payload::Oversight(Box::new(match payload {
        Stored::Reconciled(m) => Oversight::Reconciliation(Reconciliation {
            account: AccountNumber(number(m.account, "account")?),
            statement_sha256: fixed(&m.statement_sha256, "statement digest")?,
            first_day: Day::from_days(m.first_day),
            last_day: Day::from_days(m.last_day),
            bank_balance_minor: m.bank_balance_minor,
            book_balance_minor: m.book_balance_minor,
            as_of: Sequence(m.as_of_sequence),
            matched_count: number(m.matched_count, "number of matched entries")?,
            differences: m.differences.into_iter().map(difference).collect(),
        }),
        Stored::Flagged(m) => Oversight::Flag(Flag {
            finding_id: FindingId::stored(m.finding_id),
            rule_id: Code::stored(m.rule_id),
            rule_version: number(m.rule_version, "rule version")?,
            sequences: m.sequences.into_iter().map(Sequence).collect(),
            amount: amount(m.amount_minor)?,
            evidence_sha256: if m.evidence_sha256.is_empty() {
                None
            } else {
                Some(fixed(&m.evidence_sha256, "evidence digest")?)
            },
        }),
        Stored::FindingExplained(m) => Oversight::Explanation {
            finding_id: FindingId::stored(m.finding_id),
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        },
        Stored::FindingRectified(m) => Oversight::Rectification {
            finding_id: FindingId::stored(m.finding_id),
            sequences: m.sequences.into_iter().map(Sequence).collect(),
            amount: amount(m.amount_minor)?,
            document_number: DocumentNumber::stored(m.document_number),
        },
        Stored::FindingClosed(m) => Oversight::FindingClose {
            finding_id: FindingId::stored(m.finding_id),
            outcome: FindingOutcome::from_number(m.outcome).ok_or(DecodeError::Field("outcome"))?,
        },
        Stored::MatterOpened(m) => Oversight::MatterOpen(Matter {
            matter_id: MatterId::stored(m.matter_id),
            kind: Code::stored(m.kind),
            unit_id: UnitId::stored(m.unit_id),
            fund: Some(FundNumber(number(m.fund, "fund")?)).filter(|fund| *fund != FundNumber::default()),
            party: super::families::pseudonym(&m.party, "party")?,
            about: Some(Sequence(m.about_sequence)).filter(|about| *about != Sequence::default()),
            first_handler: ActorId::stored(m.first_handler),
        }),
        Stored::MatterClosed(m) => Oversight::MatterClose {
            matter_id: MatterId::stored(m.matter_id),
            outcome_code: ReasonCode::stored(m.outcome_code),
        },
        Stored::Disclosed(m) => Oversight::Disclosure {
            disclosure_id: DisclosureId::stored(m.disclosure_id),
            scope: Code::stored(m.scope),
            file_sha256: fixed(&m.file_sha256, "file digest")?,
            as_of: Sequence(m.as_of_sequence),
        },
        Stored::PerformanceScored(m) => Oversight::Performance {
            subject_id: Code::stored(m.subject_id),
            year: m.year,
            score: number(m.score, "score")?,
            document_number: DocumentNumber::stored(m.document_number),
            evaluator: procurement::decode_evaluator(m.evaluator)?,
        },
        Stored::GoalSet(m) => Oversight::Goal(procurement::decode_goal(m)?),
        Stored::OutputRecorded(m) => Oversight::Output(procurement::decode_output(m)?),
        Stored::PeriodReopened(m) => Oversight::Reopening {
            fund: FundNumber(number(m.fund, "fund")?),
            period: Period::from_number(m.period),
            reason_code: ReasonCode::stored(m.reason_code),
        },
        Stored::PersonalDataRestricted(m) => {
            let (scope, basis) = personal::scoped(m.scope, m.legal_basis)?;
            Oversight::PersonalData(PersonalData::Restrict(scope, basis))
        }
        Stored::PersonalDataReleased(m) => {
            let (scope, basis) = personal::scoped(m.scope, m.legal_basis)?;
            Oversight::PersonalData(PersonalData::Release(scope, basis))
        }
        Stored::PersonalDataErased(m) => {
            let (scope, basis) = personal::scoped(m.scope, m.legal_basis)?;
            Oversight::PersonalData(PersonalData::Erase(scope, basis))
        }
        Stored::PersonalDataOpened(m) => Oversight::PersonalData(personal::opened(m)?),
        of_others => return procurement::decode(of_others),
    })))
}

fn difference(m: pb::Difference) -> Difference {
    Difference {
        bank_reference: BankReference::stored(m.bank_reference),
        bank_minor: m.bank_minor,
        book_minor: m.book_minor,
    }
}

fn amount(raw: i64) -> Result<AmountOrZero, DecodeError> {
    AmountOrZero::new(raw).map_err(|_| DecodeError::Field("amount"))
}
