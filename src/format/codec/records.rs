//! What events are about: funds, policies, lots and payments.

use super::families::{decode_payout, encode_payout, encode_terms};
use super::{DecodeError, fixed, known, number, optional, some};
use crate::domain::command::PaymentMethod;
use crate::domain::event::PaymentExecuted;
use crate::domain::fund::{
    CheckerTier, Currency, FundDefinition, FundFamily, LotDefinition, LotOpened, PlanStep, PolicyVersion, Scheme,
};
use crate::domain::ids::{
    Code, ContractId, DisplayName, DocumentNumber, FundId, FundNumber, IssuerId, LegalBasis, LotId, LotNumber,
    PayeeRef, PaymentId, PolicyId,
};
use crate::domain::profile::{CarryRule, FundProfile, GovernmentLevel, RecipientKind};
use crate::domain::time::Day;
use crate::format::wire::Wire;
use crate::pb::v1 as pb;

pub(super) fn encode_fund(fund: FundNumber, definition: &FundDefinition, m: &mut Wire<'_>) {
    m.number(1, fund.0);
    m.text(2, definition.fund_id.as_str());
    m.text(3, definition.name.as_str());
    m.int(4, definition.family.number().into());
    m.text(5, definition.currency.code_str());
    m.number(6, definition.currency.exponent.into());
    definition.purposes.iter().for_each(|code| m.element(7, code.as_str().as_bytes()));
    definition.economic_codes.iter().for_each(|code| m.element(8, code.as_str().as_bytes()));
    m.text(9, optional(definition.policy_id.as_ref().map(PolicyId::as_str)));
    m.text(10, definition.legal_basis.as_str());
    m.int(11, definition.scheme.map_or(0, Scheme::number).into());
    definition.exclusive_with.iter().for_each(|fund_id| m.element(12, fund_id.as_str().as_bytes()));
    if !definition.profile.is_empty() {
        m.message(13, |m| encode_profile(&definition.profile, m));
    }
}

fn encode_profile(profile: &FundProfile, m: &mut Wire<'_>) {
    m.int(1, profile.level.map_or(0, GovernmentLevel::number).into());
    m.text(2, optional(profile.region_code.as_ref().map(Code::as_str)));
    m.numbers(3, profile.recipient_kinds.iter().map(|kind| kind.number().into()));
    m.int(4, profile.carry_rule.map_or(0, CarryRule::number).into());
    m.flag(5, profile.directly_allocated);
    m.flag(6, profile.subsidizes_recipients);
    m.flag(7, profile.includes_matching);
}

fn decode_profile(m: pb::FundProfile) -> Result<FundProfile, DecodeError> {
    let known_kind = |number| RecipientKind::from_number(number).ok_or(DecodeError::Field("kind of recipient"));
    Ok(FundProfile {
        level: known(m.level, GovernmentLevel::from_number, "level of government")?,
        region_code: some(m.region_code, Code::stored),
        recipient_kinds: m.recipient_kinds.into_iter().map(known_kind).collect::<Result<_, _>>()?,
        carry_rule: known(m.carry_rule, CarryRule::from_number, "rule of carry-over")?,
        directly_allocated: m.directly_allocated,
        subsidizes_recipients: m.subsidizes_recipients,
        includes_matching: m.includes_matching,
    })
}

pub(super) fn encode_policy(policy_id: &PolicyId, policy: &PolicyVersion, m: &mut Wire<'_>) {
    m.text(1, policy_id.as_str());
    m.number(2, policy.version);
    m.int(3, policy.effective_from.days().into());
    m.number(4, plan_step_number(policy.plan_step));
    for tier in &policy.checker_tiers {
        m.message(5, |m| {
            m.int(1, tier.from_minor);
            m.number(2, tier.checkers);
        });
    }
    m.bytes(6, &policy.document_sha256);
    m.flag(7, policy.signed_approvals);
    if !policy.terms.is_empty() {
        m.message(8, |m| encode_terms(&policy.terms, m));
    }
}

pub(super) fn encode_lot(lot: &LotOpened, m: &mut Wire<'_>) {
    let definition = &lot.definition;
    m.number(1, lot.lot.0);
    m.text(2, definition.lot_id.as_str());
    m.number(3, lot.fund.0);
    m.text(4, definition.issuer_id.as_str());
    m.text(5, definition.document_number.as_str());
    m.bytes(6, &definition.document_sha256);
    m.int(7, definition.expires_on.map_or(0, |day| day.days().into()));
    definition.purposes.iter().for_each(|code| m.element(8, code.as_str().as_bytes()));
    m.text(9, optional(definition.parent_lot_id.as_ref().map(LotId::as_str)));
}

pub(super) fn encode_payment(payment: &PaymentExecuted, m: &mut Wire<'_>) {
    m.text(1, payment.payment_id.as_str());
    m.bytes(2, &payment.payee.0);
    m.text(3, payment.purpose.as_str());
    m.text(4, optional(payment.function_code.as_ref().map(Code::as_str)));
    m.text(5, optional(payment.economic_code.as_ref().map(Code::as_str)));
    m.text(6, optional(payment.project_id.as_ref().map(Code::as_str)));
    m.text(7, optional(payment.contract_id.as_ref().map(ContractId::as_str)));
    m.number(8, method_number(payment.method));
    payment.document_sha256.iter().for_each(|digest| m.element(9, digest));
    if let Some(payout) = &payment.payout {
        m.message(10, |m| encode_payout(payout, m));
    }
    m.int(11, payment.recipient_kind.map_or(0, RecipientKind::number).into());
}

const fn plan_step_number(step: PlanStep) -> u32 {
    match step {
        PlanStep::Required => 1,
        PlanStep::Optional => 2,
    }
}

const fn method_number(method: PaymentMethod) -> u32 {
    match method {
        PaymentMethod::Direct => 1,
        PaymentMethod::Authorized => 2,
    }
}

pub(super) fn decode_fund(m: pb::FundDefined) -> Result<FundDefinition, DecodeError> {
    let code = <[u8; 3]>::try_from(m.currency_code.as_bytes()).map_err(|_| DecodeError::Field("currency code"))?;
    let exponent = u8::try_from(m.currency_exponent).map_err(|_| DecodeError::Field("currency exponent"))?;
    Ok(FundDefinition {
        fund_id: FundId::stored(m.fund_id),
        name: DisplayName::stored(m.name),
        family: FundFamily::from_number(m.family).ok_or(DecodeError::Field("fund family"))?,
        currency: Currency { code, exponent },
        purposes: m.purposes.into_iter().map(Code::stored).collect(),
        economic_codes: m.economic_codes.into_iter().map(Code::stored).collect(),
        policy_id: some(m.policy_id, PolicyId::stored),
        legal_basis: LegalBasis::stored(m.legal_basis),
        scheme: known(m.scheme, Scheme::from_number, "scheme")?,
        exclusive_with: m.exclusive_with.into_iter().map(FundId::stored).collect(),
        profile: m.profile.map(decode_profile).transpose()?.unwrap_or_default(),
    })
}

pub(super) fn decode_tier(tier: &pb::CheckerTier) -> Result<CheckerTier, DecodeError> {
    Ok(CheckerTier { from_minor: tier.from_amount_minor, checkers: number(tier.checkers, "checkers")? })
}

pub(super) fn decode_lot(m: pb::LotOpened) -> Result<LotOpened, DecodeError> {
    Ok(LotOpened {
        lot: LotNumber(number(m.lot, "lot")?),
        fund: FundNumber(number(m.fund, "fund")?),
        definition: LotDefinition {
            lot_id: LotId::stored(m.lot_id),
            issuer_id: IssuerId::stored(m.issuer_id),
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
            expires_on: (m.expires_day != 0).then(|| Day::from_days(m.expires_day)),
            purposes: m.purposes.into_iter().map(Code::stored).collect(),
            parent_lot_id: some(m.parent_lot_id, LotId::stored),
        },
    })
}

pub(super) fn decode_payment(m: pb::PaymentExecuted) -> Result<PaymentExecuted, DecodeError> {
    Ok(PaymentExecuted {
        payment_id: PaymentId::stored(m.payment_id),
        payee: PayeeRef(fixed(&m.payee, "payee")?),
        purpose: Code::stored(m.purpose),
        function_code: some(m.function_code, Code::stored),
        economic_code: some(m.economic_code, Code::stored),
        project_id: some(m.project_id, Code::stored),
        contract_id: some(m.contract_id, ContractId::stored),
        method: match pb::PaymentMethod::try_from(m.method) {
            Ok(pb::PaymentMethod::Direct) => PaymentMethod::Direct,
            Ok(pb::PaymentMethod::Authorized) => PaymentMethod::Authorized,
            Ok(pb::PaymentMethod::Unspecified) | Err(_) => return Err(DecodeError::Field("payment method")),
        },
        document_sha256: m
            .document_sha256
            .iter()
            .map(|digest| fixed(digest, "document digest"))
            .collect::<Result<_, _>>()?,
        payout: m.payout.map(decode_payout).transpose()?,
        recipient_kind: known(m.recipient_kind, RecipientKind::from_number, "kind of recipient")?,
    })
}
