//! Set-up: funds, policies, accounts, and what is carried in from another system.

use super::guard::{Case, Checkers, Freezes, FundRef, credit, debit, decided};
use crate::domain::account::{AccountKind, Book, Holder, NormalSide};
use crate::domain::command::OpeningLine;
use crate::domain::event::{Decision, Payload};
use crate::domain::fund::{Fund, FundDefinition, LotDefinition, LotOpened, PolicyVersion, Scheme};
use crate::domain::ids::{
    AccountId, AccountNumber, DocumentDigest, DocumentNumber, FundId, FundNumber, LotNumber, PayeeRef, PolicyId,
    UnitId, UnitNumber,
};
use crate::domain::money;
use crate::domain::refusal::{Reason, Refusal};

pub(super) fn define_fund(case: Case<'_>, definition: Box<FundDefinition>) -> Result<Decision, Refusal> {
    if case.state.fund_names.contains_key(&definition.fund_id) {
        return Err(Refusal::new(Reason::FundExists).with("fund", &definition.fund_id));
    }
    if let Some(policy_id) = &definition.policy_id
        && !case.state.policies.contains_key(policy_id)
    {
        return Err(Refusal::new(Reason::PolicyNotFound).with("policy", policy_id));
    }
    if !definition.family.allows_scheme(definition.scheme) {
        return Err(Refusal::new(Reason::FundFamilyMismatch)
            .with("family", definition.family.as_str())
            .with("fund", &definition.fund_id)
            .with("scheme", definition.scheme.map_or("NONE", Scheme::as_str)));
    }
    case.set_up_is_approved()?;
    let fund = FundNumber::after(case.state.funds.len());
    Ok(decided(Payload::FundDefined { fund, definition }))
}

pub(super) fn set_policy(case: Case<'_>, policy_id: PolicyId, policy: Box<PolicyVersion>) -> Result<Decision, Refusal> {
    case.set_up_is_approved()?;
    let present = case.state.policies.get(&policy_id).and_then(|versions| versions.last());
    let next_version = present.map_or(0, |present| present.version).saturating_add(1);
    let is_early = present.is_some_and(|present| policy.effective_from < present.effective_from);
    if policy.version != next_version || is_early {
        let refusal = Refusal::new(Reason::PolicyVersionInvalid)
            .with("policy", &policy_id)
            .with("version", policy.version)
            .with("next_version", next_version);
        return Err(match present {
            Some(present) => refusal.with("effective_from_earliest", present.effective_from),
            None => refusal,
        });
    }
    Ok(decided(Payload::PolicySet { policy_id, policy }))
}

/// Whom an account belongs to.
pub(super) struct Holding {
    pub(super) unit_id: Option<UnitId>,
    pub(super) person: Option<PayeeRef>,
    /// Under which name the unit itself would be paid.
    pub(super) unit_party: Option<PayeeRef>,
}

pub(super) fn open_account(
    case: Case<'_>,
    account_id: AccountId,
    fund_id: &FundId,
    kind: AccountKind,
    Holding { unit_id, person, unit_party }: Holding,
) -> Result<Decision, Refusal> {
    let fund = case.fund(fund_id)?;
    if case.state.account_names.contains_key(&account_id) {
        return Err(Refusal::new(Reason::AccountExists).with("account", &account_id));
    }
    let unit = unit_id.as_ref().map(|unit_id| case.state.unit_names.get(unit_id).copied());
    // A unit that has no number yet has no account either.
    let unit = match unit {
        None => Some(UnitNumber::default()),
        Some(known) => known,
    };
    let taken = match person {
        Some(person) => account_of_person(case, fund, person),
        None => unit.and_then(|unit| case.state.account_by_role(fund.number, kind, unit)),
    };
    if let Some(taken) = taken {
        let refusal = Refusal::new(Reason::AccountExists).with("kind", kind.as_str()).with("fund", fund_id);
        return Err(match case.state.account(taken) {
            Some(account) => refusal.with("account", &account.account_id),
            None => refusal,
        });
    }
    let fits = match kind.holder() {
        Holder::Fund => unit_id.is_none() && person.is_none(),
        Holder::Unit => unit_id.is_some() && person.is_none(),
        Holder::FundOrUnit => person.is_none(),
        Holder::Person => unit_id.is_none() && person.is_some(),
    };
    let refusal =
        || Refusal::new(Reason::AccountKindNotAllowed).with("account", &account_id).with("kind", kind.as_str());
    if !fits || (unit_party.is_some() && unit_id.is_none()) {
        return Err(refusal());
    }
    let family = fund.row.definition.family;
    if !family.allows_kind(kind) {
        return Err(refusal().with("family", family.as_str()));
    }
    // Persons' accounts are opened day by day by those who run the scheme; the others are set-up.
    match person {
        Some(_) => case.checkers_for(Some(fund.number))?,
        None => case.set_up_is_approved()?,
    }
    let account = AccountNumber::after(case.state.accounts.len());
    Ok(decided(Payload::AccountOpened { account, account_id, fund: fund.number, kind, unit_id, person, unit_party }))
}

/// One account a person, in all funds of one scheme together (住房公积金管理条例§13, invariant I11).
fn account_of_person(case: Case<'_>, fund: FundRef<'_>, person: PayeeRef) -> Option<AccountNumber> {
    let scheme_of = |fund: &Fund| (fund.definition.family, fund.definition.scheme);
    let same_scheme = case.state.funds.iter().enumerate().filter(|(_, other)| scheme_of(other) == scheme_of(fund.row));
    same_scheme.map(|(at, _)| FundNumber::after(at)).find_map(|other| case.state.personal_account(other, person))
}

/// 销户: an account with nothing on it; nothing moves on it afterwards.
pub(super) fn close_account(case: Case<'_>, account_id: &AccountId) -> Result<Decision, Refusal> {
    let account = case.account(account_id)?;
    if account.row.is_closed {
        return Err(Refusal::new(Reason::AccountClosed).with("account", account_id));
    }
    if account.row.kind.holder() == Holder::Person {
        case.checkers_for(Some(account.row.fund))?;
    } else {
        case.set_up_is_approved()?;
    }
    if account.row.balance_minor != 0 {
        return Err(Refusal::new(Reason::AccountNotEmpty)
            .with("account", account_id)
            .with("balance_minor", account.row.balance_minor));
    }
    Ok(decided(Payload::AccountClosed { account: account.number }))
}

pub(super) fn record_opening_balance(
    case: Case<'_>,
    fund_id: &FundId,
    document_number: DocumentNumber,
    document_sha256: DocumentDigest,
    definitions: Vec<LotDefinition>,
    lines: &[OpeningLine],
) -> Result<Decision, Refusal> {
    let fund = case.fund(fund_id)?;
    let mut lots = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let definition = new_lot(case, fund, definition)?;
        if lots.iter().any(|other: &LotOpened| other.definition.lot_id == definition.lot_id) {
            return Err(Refusal::new(Reason::LotExists).with("lot", &definition.lot_id));
        }
        let same_document = |other: &&LotOpened| {
            other.definition.issuer_id == definition.issuer_id
                && other.definition.document_number == definition.document_number
        };
        if let Some(other) = lots.iter().find(same_document) {
            return Err(Refusal::new(Reason::DuplicateDocument)
                .with("document_number", &definition.document_number)
                .with("issuer", &definition.issuer_id)
                .with("other_lot", &other.definition.lot_id));
        }
        let lot = LotNumber::after(case.state.lots.len().saturating_add(lots.len()));
        lots.push(LotOpened { lot, fund: fund.number, definition });
    }
    let mut named = Vec::with_capacity(lines.len());
    for line in lines {
        let account = case.account(&line.account)?;
        let new = line.lot.as_ref().and_then(|lot_id| lots.iter().find(|lot| lot.definition.lot_id == *lot_id));
        let lot = match (&line.lot, new) {
            (None, _) => None,
            (Some(_), Some(new)) => Some((new.lot, new.fund)),
            (Some(lot_id), None) => case.lot(lot_id).map(|lot| Some((lot.number, lot.row.fund)))?,
        };
        named.push((account, lot, line));
    }
    for (account, lot, line) in &named {
        if account.row.fund != fund.number {
            return Err(Refusal::new(Reason::FundMixed).with("account", &line.account).with("fund", fund_id));
        }
        if let (Some(lot_id), Some((_, of_lot))) = (&line.lot, lot)
            && *of_lot != fund.number
        {
            return Err(Refusal::new(Reason::FundMixed).with("lot", lot_id).with("fund", fund_id));
        }
    }
    let mut legs = Vec::with_capacity(lines.len());
    let (mut authority, mut cash) = (0_i64, 0_i64);
    let mut total = 0;
    for (account, lot, line) in named {
        let tracks_lots = account.row.kind.tracks_lots();
        if lot.is_some() != tracks_lots {
            return Err(Refusal::new(Reason::AccountKindNotAllowed)
                .with("account", &line.account)
                .with("kind", account.row.kind.as_str())
                .with("tracks_lots", tracks_lots));
        }
        let lot = lot.map_or(LotNumber::NONE, |(number, _)| number);
        let leg = match account.row.kind.normal_side() {
            NormalSide::Debit => debit(account.number, lot, line.amount.minor()),
            NormalSide::Credit => credit(account.number, lot, line.amount.minor()),
        };
        total = money::add(total, line.amount.minor());
        match account.row.kind.book() {
            Book::Authority => authority = money::add(authority, leg.debit_minor),
            Book::Cash => cash = money::add(cash, leg.debit_minor),
        }
        legs.push(leg);
    }
    case.admit(fund, total, Checkers::Needed)?;
    if fund.row.has_moved {
        return Err(Refusal::new(Reason::OpeningAfterMovement).with("fund", fund_id));
    }
    if authority != 0 || cash != 0 {
        return Err(Refusal::new(Reason::Unbalanced).with("authority_minor", authority).with("cash_minor", cash));
    }
    // Whatever the lines say of one lot must add up on its own: a lot's authority is issued to that lot (invariant I4).
    for lot in legs.iter().map(|leg| leg.lot).filter(|lot| *lot != LotNumber::NONE) {
        let of_lot = |leg: &&crate::domain::event::Leg| {
            leg.lot == lot
                && case.state.account(leg.account).is_some_and(|account| account.kind.book() == Book::Authority)
        };
        let sum = legs.iter().filter(of_lot).fold(0, |sum, leg| money::add(sum, leg.debit_minor));
        if sum != 0 {
            return Err(Refusal::new(Reason::Unbalanced).with("lot_number", lot.0).with("authority_minor", sum));
        }
    }
    let payload = Payload::OpeningBalance { fund: fund.number, document_number, document_sha256, lots };
    case.settle(fund, legs, payload, Freezes::Hold)
}

/// A lot that nobody opened before, on a document that nobody used before; its last day is resolved.
pub(super) fn new_lot(case: Case<'_>, fund: FundRef<'_>, definition: LotDefinition) -> Result<LotDefinition, Refusal> {
    if case.state.lot_names.contains_key(&definition.lot_id) {
        return Err(Refusal::new(Reason::LotExists).with("lot", &definition.lot_id));
    }
    new_document(case, &definition.issuer_id, &definition.document_number)?;
    bound_to(fund, &definition)?;
    lasting(case, fund, definition)
}

/// A lot lasts no longer than its fund's rule of carry-over lets it.
fn lasting(case: Case<'_>, fund: FundRef<'_>, mut lot: LotDefinition) -> Result<LotDefinition, Refusal> {
    let definition = &fund.row.definition;
    let last_day = definition.profile.last_day_of_lot(case.date());
    match (last_day, lot.expires_on) {
        (Some(last_day), Some(asked)) if asked > last_day => Err(Refusal::new(Reason::CarryNotAllowed)
            .with("carry_rule", definition.profile.carry_rule().as_str())
            .with("fund", &definition.fund_id)
            .with("last_day", last_day)
            .with("lot", &lot.lot_id)),
        (_, asked) => {
            lot.expires_on = asked.or(last_day);
            Ok(lot)
        }
    }
}

/// What a lot's money is bound to: no more than its fund's purposes, and of a donation what the donor wanted (自然灾害救助条例 §24,
/// 慈善法 §55).
fn bound_to(fund: FundRef<'_>, lot: &LotDefinition) -> Result<(), Refusal> {
    let definition = &fund.row.definition;
    let refusal = || Refusal::new(Reason::PurposeNotAllowed).with("fund", &definition.fund_id).with("lot", &lot.lot_id);
    if lot.purposes.is_empty() && definition.scheme == Some(Scheme::Donation) {
        return Err(refusal().with("missing", "purposes"));
    }
    let beyond = lot.purposes.iter().find(|purpose| !definition.purposes.contains(purpose));
    match beyond {
        Some(purpose) if !definition.purposes.is_empty() => Err(refusal().with("purpose", purpose)),
        _ => Ok(()),
    }
}

pub(super) fn new_document(
    case: Case<'_>,
    issuer_id: &crate::domain::ids::IssuerId,
    document_number: &DocumentNumber,
) -> Result<(), Refusal> {
    match case.state.documents.get(&(issuer_id.clone(), document_number.clone())) {
        None => Ok(()),
        Some(first) => Err(Refusal::new(Reason::DuplicateDocument)
            .with("document_number", document_number)
            .with("issuer", issuer_id)
            .with("original_sequence", first.0)),
    }
}
