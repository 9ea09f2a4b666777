//! Events of procurement, and of performance.

use super::families::pseudonym;
use super::{DecodeError, fixed, known, number, some};
use crate::domain::event::Payload;
use crate::domain::ids::{
    Code, ContractId, DisplayName, DocumentNumber, FundNumber, Ocid, PayeeRef, Sequence, TenderId, UnitId,
};
use crate::domain::money::Amount;
use crate::domain::performance::{
    EvaluatorKind, Goal, GoalDirection, GoalKey, IndicatorCategory, Output, Subject, SubjectKind,
};
use crate::domain::procurement::{
    Amendment, Award, Basis, FinalAccount, Procurement, ProcurementEvent, ProcurementMethod, Registration, Retention,
    Settlement, Tender,
};
use crate::domain::time::Day;
use crate::format::wire::Wire;
use crate::pb::v1 as pb;
use crate::pb::v1::event::Payload as Stored;

pub(super) fn encode_goal(goal: &Goal, m: &mut Wire<'_>) {
    encode_key(&goal.key, m);
    m.text(5, goal.indicator_name.as_str());
    m.int(6, goal.category.number().into());
    m.text(7, goal.unit_of_measure.as_str());
    m.int(8, goal.target_milli);
    m.int(9, goal.direction.number().into());
    m.number(10, goal.weight_ppm);
    m.int(11, goal.replaces.unwrap_or_default().0);
    m.text(12, goal.document_number.as_str());
    m.bytes(13, &goal.document_sha256);
}

pub(super) fn encode_output(output: &Output, m: &mut Wire<'_>) {
    encode_key(&output.key, m);
    m.int(5, output.actual_milli);
    m.int(6, output.as_of.days().into());
    m.int(7, output.corrects.unwrap_or_default().0);
    m.text(8, output.document_number.as_str());
    m.bytes(9, &output.document_sha256);
}

fn encode_key(key: &GoalKey, m: &mut Wire<'_>) {
    m.int(1, key.subject.kind.number().into());
    m.text(2, key.subject.id.as_str());
    m.int(3, key.year.into());
    m.text(4, key.indicator_code.as_str());
}

pub(super) fn decode_goal(m: pb::GoalSet) -> Result<Goal, DecodeError> {
    Ok(Goal {
        key: decode_key(m.subject_kind, m.subject_id, m.year, m.indicator_code)?,
        indicator_name: DisplayName::stored(m.indicator_name),
        category: IndicatorCategory::from_number(m.category).ok_or(DecodeError::Field("category of an indicator"))?,
        unit_of_measure: DisplayName::stored(m.unit_of_measure),
        target_milli: m.target_milli,
        direction: GoalDirection::from_number(m.direction).ok_or(DecodeError::Field("direction of a goal"))?,
        weight_ppm: number(m.weight_ppm, "weight")?,
        replaces: earlier(m.replaces_sequence),
        document_number: DocumentNumber::stored(m.document_number),
        document_sha256: fixed(&m.document_sha256, "document digest")?,
    })
}

pub(super) fn decode_output(m: pb::OutputRecorded) -> Result<Output, DecodeError> {
    Ok(Output {
        key: decode_key(m.subject_kind, m.subject_id, m.year, m.indicator_code)?,
        actual_milli: m.actual_milli,
        as_of: Day::from_days(m.as_of_day),
        corrects: earlier(m.corrects_sequence),
        document_number: DocumentNumber::stored(m.document_number),
        document_sha256: fixed(&m.document_sha256, "document digest")?,
    })
}

fn decode_key(kind: i32, id: String, year: i32, indicator_code: String) -> Result<GoalKey, DecodeError> {
    let kind = SubjectKind::from_number(kind).ok_or(DecodeError::Field("kind of a subject"))?;
    let subject = Subject { kind, id: Code::stored(id) };
    Ok(GoalKey { subject, year, indicator_code: Code::stored(indicator_code) })
}

pub(super) fn decode_evaluator(stored: i32) -> Result<Option<EvaluatorKind>, DecodeError> {
    known(stored, EvaluatorKind::from_number, "evaluator")
}

fn earlier(sequence: i64) -> Option<Sequence> {
    Some(Sequence(sequence)).filter(|sequence| *sequence != Sequence::default())
}

pub(super) fn encode(event: &ProcurementEvent, wire: &mut Wire<'_>) {
    match event {
        Procurement::Tender(tender) => wire.message(142, |m| {
            m.text(1, tender.tender_id.as_str());
            m.number(2, tender.fund.0);
            m.text(3, tender.unit_id.as_str());
            m.text(4, tender.project_id.as_ref().map_or("", Code::as_str));
            m.int(5, tender.method.number().into());
            m.int(6, tender.ceiling.minor());
            m.text(7, tender.ocid.as_ref().map_or("", Ocid::as_str));
            m.text(8, tender.document_number.as_str());
            m.bytes(9, &tender.document_sha256);
        }),
        Procurement::Award(award) => wire.message(143, |m| {
            m.text(1, award.tender_id.as_str());
            m.bytes(2, &award.supplier.0);
            m.int(3, award.amount.minor());
            m.text(4, award.document_number.as_str());
            m.bytes(5, &award.document_sha256);
        }),
        Procurement::Registration(contract) => wire.message(144, |m| {
            m.text(1, contract.contract_id.as_str());
            m.number(2, contract.fund.0);
            m.text(3, contract.unit_id.as_str());
            m.text(4, contract.project_id.as_ref().map_or("", Code::as_str));
            match &contract.basis {
                Basis::Tender(tender_id) => m.text(5, tender_id.as_str()),
                Basis::Method(method) => m.int(6, method.number().into()),
            }
            m.text(7, contract.ocid.as_ref().map_or("", Ocid::as_str));
            m.bytes(8, &contract.supplier.0);
            m.int(9, contract.amount.minor());
            m.int(10, contract.signed_on.days().into());
            m.text(11, contract.document_number.as_str());
            m.bytes(12, &contract.document_sha256);
        }),
        Procurement::Amendment(amendment) => wire.message(145, |m| {
            m.text(1, amendment.contract_id.as_str());
            m.zigzag(2, amendment.change_minor);
            m.text(3, amendment.document_number.as_str());
            m.bytes(4, &amendment.document_sha256);
        }),
        Procurement::Settlement(settlement) => wire.message(146, |m| {
            m.text(1, settlement.contract_id.as_str());
            m.int(2, settlement.amount.minor());
            if let Some(retention) = &settlement.retention {
                m.int(3, retention.amount.minor());
                m.int(4, retention.until.days().into());
            }
            m.text(5, settlement.document_number.as_str());
            m.bytes(6, &settlement.document_sha256);
        }),
        Procurement::FinalAccount(account) => wire.message(147, |m| {
            m.text(1, account.project_id.as_str());
            m.number(2, account.fund.0);
            m.int(3, account.amount.minor());
            m.numbers(4, account.surplus.iter().map(|sequence| sequence.0));
            m.text(5, account.document_number.as_str());
            m.bytes(6, &account.document_sha256);
        }),
    }
}

/// Decodes a payload of procurement.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others were decoded before")]
pub(super) fn decode(payload: Stored) -> Result<Payload, DecodeError> {
    Ok(Payload::Procurement(Box::new(match payload {
        Stored::TenderOpened(m) => Procurement::Tender(Tender {
            tender_id: TenderId::stored(m.tender_id),
            fund: FundNumber(number(m.fund, "fund")?),
            unit_id: UnitId::stored(m.unit_id),
            project_id: some(m.project_id, Code::stored),
            method: method(m.method)?.ok_or(DecodeError::Field("method of procurement"))?,
            ceiling: amount(m.ceiling_minor)?,
            ocid: some(m.ocid, Ocid::stored),
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        }),
        Stored::TenderAwarded(m) => Procurement::Award(Award {
            tender_id: TenderId::stored(m.tender_id),
            supplier: supplier(&m.supplier)?,
            amount: amount(m.amount_minor)?,
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        }),
        Stored::ContractRegistered(m) => Procurement::Registration(Registration {
            contract_id: ContractId::stored(m.contract_id),
            fund: FundNumber(number(m.fund, "fund")?),
            unit_id: UnitId::stored(m.unit_id),
            project_id: some(m.project_id, Code::stored),
            basis: match (some(m.tender_id, TenderId::stored), method(m.method)?) {
                (Some(tender_id), None) => Basis::Tender(tender_id),
                (None, Some(method)) => Basis::Method(method),
                (Some(_), Some(_)) | (None, None) => return Err(DecodeError::Field("method of procurement")),
            },
            ocid: some(m.ocid, Ocid::stored),
            supplier: supplier(&m.supplier)?,
            amount: amount(m.amount_minor)?,
            signed_on: Day::from_days(m.signed_day),
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        }),
        Stored::ContractAmended(m) => Procurement::Amendment(Amendment {
            contract_id: ContractId::stored(m.contract_id),
            change_minor: m.change_minor,
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        }),
        Stored::ContractSettled(m) => Procurement::Settlement(Settlement {
            contract_id: ContractId::stored(m.contract_id),
            amount: amount(m.amount_minor)?,
            retention: match m.retention_minor {
                0 => None,
                retained => Some(Retention { amount: amount(retained)?, until: Day::from_days(m.retention_until_day) }),
            },
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        }),
        Stored::FinalAccountApproved(m) => Procurement::FinalAccount(FinalAccount {
            project_id: Code::stored(m.project_id),
            fund: FundNumber(number(m.fund, "fund")?),
            amount: amount(m.amount_minor)?,
            surplus: m.surplus_sequences.into_iter().map(Sequence).collect(),
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        }),
        of_complaints => return super::complaints::decode(of_complaints),
    })))
}

fn method(stored: i32) -> Result<Option<ProcurementMethod>, DecodeError> {
    known(stored, ProcurementMethod::from_number, "method of procurement")
}

fn amount(raw: i64) -> Result<Amount, DecodeError> {
    Amount::positive(raw).map_err(|_| DecodeError::Field("amount"))
}

fn supplier(stored: &[u8]) -> Result<PayeeRef, DecodeError> {
    pseudonym(stored, "supplier")?.ok_or(DecodeError::Field("supplier"))
}
