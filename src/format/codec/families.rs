//! Events of the families: non-tax revenue, persons, the housing provident fund, projects.

use super::{DecodeError, fixed, known, number, optional, some};
use crate::domain::command::Payout;
use crate::domain::event::{EntitlementDetermined, Payload};
use crate::domain::housing::HousingEvent;
use crate::domain::ids::{
    AccountNumber, BankReference, Code, DocumentNumber, FundNumber, IssuerId, LoanId, NoticeId, PayeeRef, PaymentId,
    ReasonCode, Sequence, UnitId,
};
use crate::domain::money::Amount;
use crate::domain::nontax::NontaxEvent;
use crate::domain::persons::{
    ContributionKind, ContributionLine, EligibilityFact, IncomeSource, InterestLine, PersonsEvent, TransferDirection,
};
use crate::domain::policy::{Clock, ClockKind, InterestMethod, Item, LimitUnit, PolicyTerms, RateKind, Split};
use crate::domain::release::{WitnessRule, Witnessing};
use crate::domain::time::{Day, Period};
use crate::format::wire::Wire;
use crate::pb::v1 as pb;
use crate::pb::v1::event::Payload as Stored;

pub(super) fn encode_terms(terms: &PolicyTerms, m: &mut Wire<'_>) {
    for (kind, ppm) in &terms.rates {
        m.message(1, |m| {
            m.int(1, kind.number().into());
            m.number(2, *ppm);
        });
    }
    for Split { code, shares } in &terms.splits {
        m.message(2, |m| {
            m.text(1, code.as_str());
            for (recipient, weight) in shares {
                m.message(2, |m| {
                    m.text(1, recipient.as_str());
                    m.number(2, *weight);
                });
            }
        });
    }
    for Item { code, from_pool, from_personal, max_minor } in &terms.items {
        m.message(3, |m| {
            m.text(1, code.as_str());
            m.flag(2, *from_pool);
            m.flag(3, *from_personal);
            m.int(4, *max_minor);
        });
    }
    terms.withdrawal_reasons.iter().for_each(|reason| m.element(4, reason.as_str().as_bytes()));
    m.int(5, terms.interest_method.map_or(0, InterestMethod::number).into());
    m.flag(6, terms.empty_income_at_month_end);
    for Clock { code, kind, limit, unit } in &terms.clocks {
        m.message(7, |m| {
            m.text(1, code.as_str());
            m.int(2, kind.number().into());
            m.number(3, *limit);
            m.int(4, unit.number().into());
        });
    }
    m.numbers(8, terms.holidays.iter().map(|day| day.days().into()));
    m.numbers(9, terms.working_weekends.iter().map(|day| day.days().into()));
    if let Some(Witnessing { rule, from_minor }) = terms.witnessing {
        m.message(10, |m| {
            m.int(1, rule.number().into());
            m.int(2, from_minor);
        });
    }
    m.flag(14, terms.registered_contracts_only);
}

pub(super) fn decode_terms(m: pb::PolicyTerms) -> Result<PolicyTerms, DecodeError> {
    let rate = |rate: pb::PolicyRate| {
        let kind = RateKind::from_number(rate.kind).ok_or(DecodeError::Field("kind of rate"))?;
        Ok((kind, number(rate.ppm, "rate")?))
    };
    let split = |split: pb::PolicySplit| {
        let share =
            |share: pb::SplitShare| Ok((Code::stored(share.recipient), number(share.weight, "weight of a share")?));
        let shares = split.shares.into_iter().map(share).collect::<Result<_, DecodeError>>()?;
        Ok(Split { code: Code::stored(split.code), shares })
    };
    Ok(PolicyTerms {
        rates: m.rates.into_iter().map(rate).collect::<Result<_, DecodeError>>()?,
        splits: m.splits.into_iter().map(split).collect::<Result<_, DecodeError>>()?,
        items: m
            .items
            .into_iter()
            .map(|item| Item {
                code: Code::stored(item.code),
                from_pool: item.from_pool,
                from_personal: item.from_personal,
                max_minor: item.max_amount_minor,
            })
            .collect(),
        withdrawal_reasons: m.withdrawal_reasons.into_iter().map(ReasonCode::stored).collect(),
        interest_method: known(m.interest_method, InterestMethod::from_number, "interest method")?,
        empty_income_at_month_end: m.empty_income_at_month_end,
        clocks: m.clocks.into_iter().map(decode_clock).collect::<Result<_, _>>()?,
        holidays: m.holidays.into_iter().map(Day::from_days).collect(),
        working_weekends: m.working_weekends.into_iter().map(Day::from_days).collect(),
        witnessing: m.witnessing.map(decode_witnessing).transpose()?,
        registered_contracts_only: m.registered_contracts_only,
    })
}

fn decode_witnessing(m: pb::PolicyWitnessing) -> Result<Witnessing, DecodeError> {
    let rule = WitnessRule::from_number(m.rule).ok_or(DecodeError::Field("rule of witnesses"))?;
    Ok(Witnessing { rule, from_minor: m.from_amount_minor })
}

fn decode_clock(m: pb::PolicyClock) -> Result<Clock, DecodeError> {
    Ok(Clock {
        code: Code::stored(m.code),
        kind: ClockKind::from_number(m.kind).ok_or(DecodeError::Field("kind of clock"))?,
        limit: number(m.limit, "limit of a clock")?,
        unit: LimitUnit::from_number(m.unit).ok_or(DecodeError::Field("unit of a limit"))?,
    })
}

pub(super) fn encode_payout(payout: &Payout, m: &mut Wire<'_>) {
    m.text(1, payout.item_code.as_str());
    m.int(2, payout.period.number().into());
    if let Some((batch, line)) = &payout.line {
        m.text(3, batch.as_str());
        m.number(4, *line);
    }
    m.text(5, optional(payout.reissue_of.as_ref().map(PaymentId::as_str)));
}

pub(super) fn decode_payout(m: pb::Payout) -> Result<Payout, DecodeError> {
    let line_number = number(m.line_number, "line number")?;
    Ok(Payout {
        item_code: Code::stored(m.item_code),
        period: Period::from_number(m.period),
        line: some(m.batch_id, Code::stored).map(|batch| (batch, line_number)),
        reissue_of: some(m.reissue_of, PaymentId::stored),
    })
}

pub(super) fn encode_entitlement(determined: &EntitlementDetermined, m: &mut Wire<'_>) {
    m.number(1, determined.fund.0);
    m.text(2, determined.unit_id.as_str());
    m.text(3, determined.item_code.as_str());
    m.int(4, determined.period.number().into());
    m.int(5, determined.head_count);
    m.int(6, determined.standard_minor);
    for (recipient, amount) in &determined.shares {
        m.message(7, |m| {
            m.text(1, recipient.as_str());
            m.int(2, *amount);
        });
    }
}

pub(super) fn encode_nontax(event: &NontaxEvent, wire: &mut Wire<'_>) {
    match event {
        NontaxEvent::Noticed { notice_id, fund, payer, item_code, amount, due_on } => wire.message(70, |m| {
            m.text(1, notice_id.as_str());
            m.number(2, fund.0);
            m.bytes(3, &payer.0);
            m.text(4, item_code.as_str());
            m.int(5, amount.minor());
            m.int(6, due_on.map_or(0, |day| day.days().into()));
        }),
        NontaxEvent::Collected { notice_id, bank_reference, receipt_number } => wire.message(71, |m| {
            m.text(1, notice_id.as_str());
            m.text(2, bank_reference.as_str());
            m.text(3, receipt_number.as_str());
        }),
        NontaxEvent::Split { notice_id } => wire.message(72, |m| m.text(1, notice_id.as_str())),
        NontaxEvent::Refunded { notice_id, bank_reference, reason_code } => wire.message(73, |m| {
            m.text(1, notice_id.as_str());
            m.text(2, bank_reference.as_str());
            m.text(3, reason_code.as_str());
        }),
    }
}

pub(super) fn encode_persons(event: &PersonsEvent, wire: &mut Wire<'_>) {
    match event {
        PersonsEvent::EligibilityRecorded { person, fact, effective_on, fund, source } => wire.message(43, |m| {
            m.bytes(1, &person.0);
            m.int(2, fact.number().into());
            m.int(3, effective_on.days().into());
            m.number(4, fund.0);
            m.text(5, source.as_str());
        }),
        PersonsEvent::ContributionReceived {
            bank_reference,
            employer,
            period,
            kind,
            lines,
            late_days,
            late_fee_minor,
        } => wire.message(80, |m| {
            m.text(1, bank_reference.as_str());
            m.bytes(2, &employer.0);
            m.int(3, period.number().into());
            m.int(4, kind.number().into());
            for line in lines {
                m.message(5, |m| {
                    m.number(1, line.account.0);
                    m.int(2, line.base_minor);
                    m.int(3, line.employer_minor);
                    m.int(4, line.personal_minor);
                    m.int(5, line.personal_pooled_minor);
                });
            }
            m.number(6, *late_days);
            m.int(7, *late_fee_minor);
        }),
        PersonsEvent::IncomeReceived { source, bank_reference, document_number } => wire.message(81, |m| {
            m.int(1, source.number().into());
            m.text(2, bank_reference.as_str());
            m.text(3, optional(document_number.as_ref().map(DocumentNumber::as_str)));
        }),
        PersonsEvent::FundsMoved { bank_reference, document_number } => wire.message(82, |m| {
            m.text(1, bank_reference.as_str());
            m.text(2, optional(document_number.as_ref().map(DocumentNumber::as_str)));
        }),
        PersonsEvent::BenefitPaid { payment_id, account, item_code, period, payee } => wire.message(83, |m| {
            m.text(1, payment_id.as_str());
            m.number(2, account.0);
            m.text(3, item_code.as_str());
            m.int(4, period.number().into());
            m.bytes(5, &payee.0);
        }),
        PersonsEvent::BenefitRecovered { payment_id, original, bank_reference, reason_code } => wire.message(84, |m| {
            m.text(1, payment_id.as_str());
            m.int(2, original.0);
            m.text(3, bank_reference.as_str());
            m.text(4, reason_code.as_str());
        }),
        PersonsEvent::RelationTransferred { direction, account, wage_base_minor, peer_id, bank_reference } => {
            wire.message(85, |m| {
                m.int(1, direction.number().into());
                m.number(2, account.0);
                m.int(3, *wage_base_minor);
                m.text(4, peer_id.as_str());
                m.text(5, bank_reference.as_str());
            });
        }
        PersonsEvent::InterestCredited { fund, year, rate_ppm, method, lines } => wire.message(86, |m| {
            m.number(1, fund.0);
            m.int(2, (*year).into());
            m.number(3, *rate_ppm);
            m.int(4, method.number().into());
            for line in lines {
                m.message(5, |m| {
                    m.number(1, line.account.0);
                    m.int(2, line.basis);
                    m.int(3, line.interest_minor);
                });
            }
        }),
    }
}

pub(super) fn encode_housing(event: &HousingEvent, wire: &mut Wire<'_>) {
    match event {
        HousingEvent::Withdrawn { payment_id, account, reason_code, evidence_sha256, property, payee } => {
            wire.message(100, |m| {
                m.text(1, payment_id.as_str());
                m.number(2, account.0);
                m.text(3, reason_code.as_str());
                m.bytes(4, evidence_sha256);
                m.bytes(5, property.as_ref().map_or(&[][..], |property| &property.0));
                m.bytes(6, &payee.0);
            });
        }
        HousingEvent::LoanIssued { loan_id, account, months, rate_ppm, instalment_minor } => wire.message(101, |m| {
            m.text(1, loan_id.as_str());
            m.number(2, account.0);
            m.number(3, *months);
            m.number(4, *rate_ppm);
            m.int(5, *instalment_minor);
        }),
        HousingEvent::LoanRepaid { loan_id, period, bank_reference } => wire.message(102, |m| {
            m.text(1, loan_id.as_str());
            m.int(2, period.number().into());
            m.text(3, bank_reference.as_str());
        }),
        HousingEvent::SurplusDistributed { document_number } => {
            wire.message(103, |m| m.text(1, document_number.as_str()));
        }
    }
}

/// Decodes a payload of the families.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others were decoded before, or are of supervision")]
pub(super) fn decode(payload: Stored) -> Result<Payload, DecodeError> {
    let nontax = |event| Payload::Nontax(Box::new(event));
    let persons = |event| Payload::Persons(Box::new(event));
    let housing = |event| Payload::Housing(Box::new(event));
    Ok(match payload {
        Stored::EstimateApproved(m) => Payload::EstimateApproved {
            project_id: Code::stored(m.project_id),
            fund: fund(m.fund)?,
            amount: amount(m.amount_minor)?,
            issuer_id: IssuerId::stored(m.issuer_id),
            document_number: DocumentNumber::stored(m.document_number),
        },
        Stored::EntitlementDetermined(m) => Payload::EntitlementDetermined(Box::new(EntitlementDetermined {
            fund: fund(m.fund)?,
            unit_id: UnitId::stored(m.unit_id),
            item_code: Code::stored(m.item_code),
            period: Period::from_number(m.period),
            head_count: m.head_count,
            standard_minor: m.standard_minor,
            shares: m.shares.into_iter().map(|due| (Code::stored(due.recipient), due.amount_minor)).collect(),
        })),
        Stored::NontaxNoticed(m) => nontax(NontaxEvent::Noticed {
            notice_id: NoticeId::stored(m.notice_id),
            fund: fund(m.fund)?,
            payer: PayeeRef(fixed(&m.payer, "payer")?),
            item_code: Code::stored(m.item_code),
            amount: amount(m.amount_minor)?,
            due_on: (m.due_day != 0).then(|| Day::from_days(m.due_day)),
        }),
        Stored::NontaxCollected(m) => nontax(NontaxEvent::Collected {
            notice_id: NoticeId::stored(m.notice_id),
            bank_reference: BankReference::stored(m.bank_reference),
            receipt_number: Code::stored(m.receipt_number),
        }),
        Stored::NontaxSplit(m) => nontax(NontaxEvent::Split { notice_id: NoticeId::stored(m.notice_id) }),
        Stored::NontaxRefunded(m) => nontax(NontaxEvent::Refunded {
            notice_id: NoticeId::stored(m.notice_id),
            bank_reference: BankReference::stored(m.bank_reference),
            reason_code: ReasonCode::stored(m.reason_code),
        }),
        Stored::EligibilityRecorded(m) => persons(PersonsEvent::EligibilityRecorded {
            person: PayeeRef(fixed(&m.person, "person")?),
            fact: EligibilityFact::from_number(m.fact).ok_or(DecodeError::Field("fact"))?,
            effective_on: Day::from_days(m.effective_day),
            fund: fund(m.fund)?,
            source: Code::stored(m.source),
        }),
        Stored::ContributionReceived(m) => persons(PersonsEvent::ContributionReceived {
            bank_reference: BankReference::stored(m.bank_reference),
            employer: PayeeRef(fixed(&m.employer, "employer")?),
            period: Period::from_number(m.period),
            kind: ContributionKind::from_number(m.kind).ok_or(DecodeError::Field("kind of contribution"))?,
            lines: m.lines.iter().map(contribution_line).collect::<Result<_, _>>()?,
            late_days: number(m.late_days, "days late")?,
            late_fee_minor: m.late_fee_minor,
        }),
        Stored::IncomeReceived(m) => persons(PersonsEvent::IncomeReceived {
            source: IncomeSource::from_number(m.source).ok_or(DecodeError::Field("source of income"))?,
            bank_reference: BankReference::stored(m.bank_reference),
            document_number: some(m.document_number, DocumentNumber::stored),
        }),
        Stored::FundsMoved(m) => persons(PersonsEvent::FundsMoved {
            bank_reference: BankReference::stored(m.bank_reference),
            document_number: some(m.document_number, DocumentNumber::stored),
        }),
        Stored::BenefitPaid(m) => persons(PersonsEvent::BenefitPaid {
            payment_id: PaymentId::stored(m.payment_id),
            account: account(m.account)?,
            item_code: Code::stored(m.item_code),
            period: Period::from_number(m.period),
            payee: PayeeRef(fixed(&m.payee, "payee")?),
        }),
        Stored::BenefitRecovered(m) => persons(PersonsEvent::BenefitRecovered {
            payment_id: PaymentId::stored(m.payment_id),
            original: Sequence(m.original_sequence),
            bank_reference: BankReference::stored(m.bank_reference),
            reason_code: ReasonCode::stored(m.reason_code),
        }),
        Stored::RelationTransferred(m) => persons(PersonsEvent::RelationTransferred {
            direction: TransferDirection::from_number(m.direction).ok_or(DecodeError::Field("direction"))?,
            account: account(m.account)?,
            wage_base_minor: m.wage_base_minor,
            peer_id: Code::stored(m.peer_id),
            bank_reference: BankReference::stored(m.bank_reference),
        }),
        Stored::InterestCredited(m) => persons(PersonsEvent::InterestCredited {
            fund: fund(m.fund)?,
            year: m.year,
            rate_ppm: number(m.rate_ppm, "rate")?,
            method: InterestMethod::from_number(m.method).ok_or(DecodeError::Field("interest method"))?,
            lines: m.lines.iter().map(interest_line).collect::<Result<_, _>>()?,
        }),
        Stored::HousingWithdrawn(m) => housing(HousingEvent::Withdrawn {
            payment_id: PaymentId::stored(m.payment_id),
            account: account(m.account)?,
            reason_code: ReasonCode::stored(m.reason_code),
            evidence_sha256: fixed(&m.evidence_sha256, "evidence digest")?,
            property: pseudonym(&m.property, "property")?,
            payee: PayeeRef(fixed(&m.payee, "payee")?),
        }),
        Stored::LoanIssued(m) => housing(HousingEvent::LoanIssued {
            loan_id: LoanId::stored(m.loan_id),
            account: account(m.account)?,
            months: number(m.months, "months")?,
            rate_ppm: number(m.rate_ppm, "rate")?,
            instalment_minor: m.instalment_minor,
        }),
        Stored::LoanRepaid(m) => housing(HousingEvent::LoanRepaid {
            loan_id: LoanId::stored(m.loan_id),
            period: Period::from_number(m.period),
            bank_reference: BankReference::stored(m.bank_reference),
        }),
        Stored::SurplusDistributed(m) => {
            housing(HousingEvent::SurplusDistributed { document_number: DocumentNumber::stored(m.document_number) })
        }
        of_supervision => return super::oversight::decode(of_supervision),
    })
}

fn contribution_line(m: &pb::ContributionLine) -> Result<ContributionLine, DecodeError> {
    Ok(ContributionLine {
        account: account(m.account)?,
        base_minor: m.base_minor,
        employer_minor: m.employer_minor,
        personal_minor: m.personal_minor,
        personal_pooled_minor: m.personal_pooled_minor,
    })
}

fn interest_line(m: &pb::InterestLine) -> Result<InterestLine, DecodeError> {
    Ok(InterestLine { account: account(m.account)?, basis: m.basis, interest_minor: m.interest_minor })
}

fn fund(raw: i32) -> Result<FundNumber, DecodeError> {
    number(raw, "fund").map(FundNumber)
}

fn account(raw: i32) -> Result<AccountNumber, DecodeError> {
    number(raw, "account").map(AccountNumber)
}

fn amount(raw: i64) -> Result<Amount, DecodeError> {
    Amount::positive(raw).map_err(|_| DecodeError::Field("amount"))
}

/// A pseudonym that may be missing.
pub(super) fn pseudonym(bytes: &[u8], field: &'static str) -> Result<Option<PayeeRef>, DecodeError> {
    if bytes.is_empty() { Ok(None) } else { fixed(bytes, field).map(|bytes| Some(PayeeRef(bytes))) }
}
