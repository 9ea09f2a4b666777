//! Persons in social insurance and the housing provident fund: contributions, benefits, transfers, interest; and the money behind
//! their accounts on its way through 收入户, 财政专户 and 支出户.

use std::collections::BTreeSet;

use super::guard::{AccountRef, Case, Checkers, Freezes, FundRef, credit, debit, decided, kind_is, same_fund};
use super::nontax::credits;
use super::payments::{new_bank_reference, new_voucher};
use super::terms::{family_is, within_standard};
use crate::domain::account::AccountKind as Kind;
use crate::domain::event::{Decision, Leg, Payload};
use crate::domain::fund::FundFamily;
use crate::domain::ids::{
    AccountId, AccountNumber, BankReference, DocumentNumber, FundId, FundNumber, LotNumber, PaymentId, ReasonCode,
    UnitNumber,
};
use crate::domain::money::{self, Amount, MILLION};
use crate::domain::persons::{
    Contribution, ContributionKind, ContributionLine, IncomeSource, InterestCalendar, InterestLine, PayBenefit,
    PersonsEvent, PersonsOrder, ReceiveContribution, TransferDirection, TransferRelation,
};
use crate::domain::policy::{InterestMethod, PolicyTerms, RateKind};
use crate::domain::refusal::{Reason, Refusal};

/// Days of a year in the day-product method.
const PRODUCT_YEAR_DAYS: i128 = 360;

pub(super) fn decide(case: Case<'_>, order: PersonsOrder) -> Result<Decision, Refusal> {
    match order {
        PersonsOrder::RecordEligibility { person, fact, effective_on, fund_id, source } => {
            let fund = match fund_id {
                None => None,
                Some(fund_id) => Some(case.fund(&fund_id)?.number),
            };
            let fund = fund.unwrap_or_default();
            let event = PersonsEvent::EligibilityRecorded { person, fact, effective_on, fund, source };
            Ok(decided(Payload::Persons(Box::new(event))))
        }
        PersonsOrder::ReceiveContribution(order) => receive_contribution(case, order),
        PersonsOrder::ReceiveIncome { account_id, source, amount, bank_reference, document_number } => {
            receive_income(case, &account_id, source, amount, bank_reference, document_number)
        }
        PersonsOrder::MoveFunds { from, to, amount, bank_reference, document_number } => {
            move_funds(case, &from, &to, amount, bank_reference, document_number)
        }
        PersonsOrder::PayBenefit(order) => pay_benefit(case, order),
        PersonsOrder::RecoverBenefit { payment_id, amount, bank_reference, reason_code } => {
            recover_benefit(case, payment_id, amount, bank_reference, reason_code)
        }
        PersonsOrder::TransferRelation(order) => transfer_relation(case, order),
        PersonsOrder::CreditInterest { fund_id, year, account_ids } => {
            credit_interest(case, &fund_id, year, &account_ids)
        }
    }
}

fn settle(
    case: Case<'_>,
    fund: FundRef<'_>,
    legs: Vec<Leg>,
    event: PersonsEvent,
    freezes: Freezes,
) -> Result<Decision, Refusal> {
    case.settle(fund, legs, Payload::Persons(Box::new(event)), freezes)
}

/// 缴费: Dr 收入户, Cr 统筹基金, Cr each 个人账户; the housing provident fund credits both parts to the person.
fn receive_contribution(case: Case<'_>, order: ReceiveContribution) -> Result<Decision, Refusal> {
    let fund = case.fund(&order.fund_id)?;
    let is_housing = fund.row.definition.family == FundFamily::HousingProvident;
    let mut persons = Vec::with_capacity(order.contributions.len());
    for contribution in &order.contributions {
        persons.push(case.personal_account(fund, contribution.person)?);
    }
    new_bank_reference(case, &order.bank_reference)?;
    let cash = contributions_account(case, fund)?;
    let pool = pooled_account(case, fund)?;
    family_is(fund, &[FundFamily::SocialInsurance, FundFamily::HousingProvident])?;
    let late_rate = if order.late_days == 0 {
        0
    } else {
        // What is late in the housing provident fund is paid in by order, without a fee (住房公积金管理条例§38).
        family_is(fund, &[FundFamily::SocialInsurance])?;
        case.rate_ppm(fund, RateKind::LateFee)?
    };
    case.admit(fund, order.amount.minor(), Checkers::NotNeeded)?;
    let terms = case.terms(fund);
    let mut lines = Vec::with_capacity(persons.len());
    let mut seen = BTreeSet::new();
    for ((account, _), contribution) in persons.iter().zip(&order.contributions) {
        let (person, period) = (contribution.person, order.period);
        let is_regular = order.kind == ContributionKind::Regular;
        if !seen.insert(account.number)
            || (is_regular && case.state.families.has_contributed(fund.number, person, period))
        {
            return Err(Refusal::new(Reason::DuplicateContribution)
                .with("account", &account.row.account_id)
                .with("person", person)
                .with("period", period));
        }
        if is_regular {
            let elsewhere = |other: &FundNumber| case.state.families.has_contributed(*other, person, period);
            case.not_excluded(fund, person, period, elsewhere)?;
        }
        let line = line_of(account.number, contribution, terms)?;
        // Nothing of the housing provident fund is pooled: all of it is the person's (住房公积金管理条例§3).
        lines.push(if is_housing { ContributionLine { personal_pooled_minor: 0, ..line } } else { line });
    }
    let sum = |part: fn(&ContributionLine) -> i64| lines.iter().map(part).fold(0, money::add);
    let (employer, personal) = (sum(|line| line.employer_minor), sum(|line| line.personal_minor));
    let pooled = sum(|line| line.personal_pooled_minor);
    let due = money::add(money::add(employer, personal), pooled);
    // 滞纳金 (社会保险法§86): a rate a day of what is late.
    let late = i128::from(due).saturating_mul(late_rate.into()).saturating_mul(order.late_days.into());
    let late_fee = money::rounded(late, MILLION);
    let total = money::add(due, late_fee);
    if total != order.amount.minor() {
        return Err(mismatch(order.amount.minor(), total));
    }
    let mut legs = vec![debit(cash.number, LotNumber::NONE, total)];
    if !is_housing {
        let to_pool = money::add(money::add(employer, pooled), late_fee);
        legs.extend(credits(std::iter::once((pool.number, to_pool))));
    }
    legs.extend(credits(lines.iter().map(|line| {
        let own = if is_housing { line.employer_minor } else { 0 };
        (line.account, money::add(line.personal_minor, own))
    })));
    let event = PersonsEvent::ContributionReceived {
        bank_reference: order.bank_reference,
        employer: order.employer,
        period: order.period,
        kind: order.kind,
        lines,
        late_days: order.late_days,
        late_fee_minor: late_fee,
    };
    settle(case, fund, legs, event, Freezes::Hold)
}

/// A part is the policy's rate of the base; what is given besides must be the same. Without a rate it is what is given.
fn line_of(
    account: AccountNumber,
    contribution: &Contribution,
    terms: Option<&PolicyTerms>,
) -> Result<ContributionLine, Refusal> {
    let base_minor = contribution.base.minor();
    let at_rate = |kind| terms.and_then(|terms| terms.rate_ppm(kind)).map(|rate| money::at_rate(base_minor, rate));
    let part = |kind, given: i64| match at_rate(kind) {
        None => Ok(given),
        Some(computed) if given == 0 || given == computed => Ok(computed),
        Some(computed) => Err(mismatch(given, computed).with("person", contribution.person)),
    };
    Ok(ContributionLine {
        account,
        base_minor,
        employer_minor: part(RateKind::EmployerContribution, contribution.employer.minor())?,
        personal_minor: part(RateKind::PersonalContribution, contribution.personal.minor())?,
        personal_pooled_minor: at_rate(RateKind::PersonalPooledContribution).unwrap_or_default(),
    })
}

fn mismatch(asked_minor: i64, computed_minor: i64) -> Refusal {
    Refusal::new(Reason::AmountMismatch).with("asked_minor", asked_minor).with("computed_minor", computed_minor)
}

/// Where contributions arrive: 收入户, or, where the tax office collects and there is none, 财政专户.
fn contributions_account<'a>(case: Case<'a>, fund: FundRef<'_>) -> Result<AccountRef<'a>, Refusal> {
    let own = |kind| case.account_for(fund.number, kind, UnitNumber::default());
    match fund.row.definition.family {
        FundFamily::HousingProvident => own(Kind::HousingDeposit),
        FundFamily::Special
        | FundFamily::DepartmentBudget
        | FundFamily::Investment
        | FundFamily::Nontax
        | FundFamily::SocialInsurance => own(Kind::Income).or_else(|_| own(Kind::FiscalSpecial)),
    }
}

/// What is nobody's own: 统筹基金, or 增值收益 of the housing provident fund.
fn pooled_account<'a>(case: Case<'a>, fund: FundRef<'_>) -> Result<AccountRef<'a>, Refusal> {
    let kind = match fund.row.definition.family {
        FundFamily::HousingProvident => Kind::Surplus,
        FundFamily::Special
        | FundFamily::DepartmentBudget
        | FundFamily::Investment
        | FundFamily::Nontax
        | FundFamily::SocialInsurance => Kind::Pool,
    };
    case.account_for(fund.number, kind, UnitNumber::default())
}

/// Subsidies, interest, other income: Dr a bank account, Cr POOL or SURPLUS.
fn receive_income(
    case: Case<'_>,
    account_id: &AccountId,
    source: IncomeSource,
    amount: Amount,
    bank_reference: BankReference,
    document_number: Option<DocumentNumber>,
) -> Result<Decision, Refusal> {
    let account = case.account(account_id)?;
    let fund = case.fund_at(account.row.fund)?;
    new_bank_reference(case, &bank_reference)?;
    let families: &[FundFamily] = if source == IncomeSource::Subsidy {
        &[FundFamily::SocialInsurance]
    } else {
        &[FundFamily::SocialInsurance, FundFamily::HousingProvident]
    };
    family_is(fund, families)?;
    let pool = pooled_account(case, fund)?;
    kind_is(account, &[Kind::FiscalSpecial, Kind::Payout, Kind::HousingDeposit, Kind::HousingSurplusDeposit])?;
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    let legs = vec![
        debit(account.number, LotNumber::NONE, amount.minor()),
        credit(pool.number, LotNumber::NONE, amount.minor()),
    ];
    settle(case, fund, legs, PersonsEvent::IncomeReceived { source, bank_reference, document_number }, Freezes::Hold)
}

/// 资金划转 between a fund's own accounts and to other levels (收支两条线: the income account passes on and pays nothing).
fn move_funds(
    case: Case<'_>,
    from: &AccountId,
    to: &AccountId,
    amount: Amount,
    bank_reference: BankReference,
    document_number: Option<DocumentNumber>,
) -> Result<Decision, Refusal> {
    let (from, to) = (case.account(from)?, case.account(to)?);
    let fund = case.fund_at(from.row.fund)?;
    new_bank_reference(case, &bank_reference)?;
    same_fund(from, to)?;
    if !may_move(from.row.kind, to.row.kind) {
        return Err(Refusal::new(Reason::AccountKindNotAllowed)
            .with("account", &from.row.account_id)
            .with("kind", from.row.kind.as_str())
            .with("other_account", &to.row.account_id)
            .with("other_kind", to.row.kind.as_str()));
    }
    case.admit(fund, amount.minor(), Checkers::Needed)?;
    // Bonds are bought and sold as the committee decided (住房公积金管理条例§28).
    if [from.row.kind, to.row.kind].contains(&Kind::Bond) && document_number.is_none() {
        return Err(Refusal::new(Reason::ApprovalMissing)
            .with("account", &from.row.account_id)
            .with("other_account", &to.row.account_id)
            .with("missing", "document_number"));
    }
    // To a level: what is owed to it falls. From a level: it rises.
    let legs =
        vec![debit(to.number, LotNumber::NONE, amount.minor()), credit(from.number, LotNumber::NONE, amount.minor())];
    settle(case, fund, legs, PersonsEvent::FundsMoved { bank_reference, document_number }, Freezes::Hold)
}

/// The ways money may take within a fund.
fn may_move(from: Kind, to: Kind) -> bool {
    const BANKS: &[Kind] = &[Kind::Treasury, Kind::FiscalSpecial, Kind::Payout];
    const LEVELS: &[Kind] = &[Kind::PayableUpper, Kind::PayableLower];
    let pair = |one: Kind, other: Kind| (from, to) == (one, other) || (from, to) == (other, one);
    (from, to) == (Kind::Income, Kind::FiscalSpecial)
        || pair(Kind::FiscalSpecial, Kind::Payout)
        || pair(Kind::HousingDeposit, Kind::HousingSurplusDeposit)
        || pair(Kind::FiscalSpecial, Kind::Bond)
        || pair(Kind::HousingDeposit, Kind::Bond)
        || (BANKS.contains(&from) && LEVELS.contains(&to))
        || (LEVELS.contains(&from) && BANKS.contains(&to))
}

/// 待遇发放: Dr 统筹基金, Dr 个人账户, Cr 支出户.
fn pay_benefit(case: Case<'_>, order: PayBenefit) -> Result<Decision, Refusal> {
    let fund = case.fund(&order.fund_id)?;
    let (account, _) = case.personal_account(fund, order.person)?;
    new_voucher(case, &order.payment_id)?;
    family_is(fund, &[FundFamily::SocialInsurance])?;
    let pool = pooled_account(case, fund)?;
    let payout = case.account_for(fund.number, Kind::Payout, UnitNumber::default())?;
    let item = case.item_terms(fund, &order.item_code)?;
    let (from_pool, from_personal) = (order.pool.minor(), order.personal.minor());
    // Items of the pool never touch a personal account, and the other way round (个人账户挤占).
    for (asked, allowed, account) in [(from_pool, item.from_pool, pool), (from_personal, item.from_personal, account)] {
        if asked > 0 && !allowed {
            return Err(Refusal::new(Reason::AccountKindNotAllowed)
                .with("account", &account.row.account_id)
                .with("kind", account.row.kind.as_str())
                .with("item", &item.code));
        }
    }
    let total = money::add(from_pool, from_personal);
    case.admit(fund, total, Checkers::Needed)?;
    case.is_first_payment(fund, order.person, &order.item_code, order.period)?;
    case.is_eligible(fund, order.person, order.period)?;
    within_standard(item, total)?;
    case.payee_is_free(order.person)?;
    case.payee_is_free(order.payee.unwrap_or(order.person))?;
    let drawn = [(pool.number, from_pool), (account.number, from_personal)].into_iter();
    let mut legs: Vec<Leg> =
        drawn.filter(|(_, part)| *part > 0).map(|(account, part)| debit(account, LotNumber::NONE, part)).collect();
    legs.push(credit(payout.number, LotNumber::NONE, total));
    let event = PersonsEvent::BenefitPaid {
        payment_id: order.payment_id,
        account: account.number,
        item_code: order.item_code,
        period: order.period,
        payee: order.payee.unwrap_or(order.person),
    };
    settle(case, fund, legs, event, Freezes::Hold)
}

/// 退回, 追回: to each claim by what it still lacks.
fn recover_benefit(
    case: Case<'_>,
    payment_id: PaymentId,
    amount: Amount,
    bank_reference: BankReference,
    reason_code: ReasonCode,
) -> Result<Decision, Refusal> {
    let not_found = || Refusal::new(Reason::PaymentNotFound).with("payment", &payment_id);
    let benefit = case.state.families.benefits.get(&payment_id).ok_or_else(not_found)?;
    let account = case.state.account(benefit.account).ok_or_else(not_found)?;
    let fund = case.fund_at(account.fund)?;
    new_bank_reference(case, &bank_reference)?;
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    if case.state.is_unreleased(benefit.sequence) {
        return Err(Refusal::new(Reason::PaymentUnreleased)
            .with("payment", &payment_id)
            .with("original_sequence", benefit.sequence.0));
    }
    let left = benefit.left_minor();
    if amount.minor() > left {
        return Err(Refusal::new(Reason::OverRefund)
            .with("payment", &payment_id)
            .with("available_minor", left)
            .with("asked_minor", amount.minor()));
    }
    let lacking: Vec<i64> = benefit.claims.iter().map(|(_, left)| *left).collect();
    let parts = money::split(amount.minor(), &lacking);
    let mut legs = vec![debit(benefit.cash, LotNumber::NONE, amount.minor())];
    legs.extend(credits(benefit.claims.iter().map(|(account, _)| *account).zip(parts)));
    let event = PersonsEvent::BenefitRecovered { payment_id, original: benefit.sequence, bank_reference, reason_code };
    settle(case, fund, legs, event, Freezes::Pass)
}

/// 关系转移接续: the whole personal account, and the policy's part of the wages from the pool.
fn transfer_relation(case: Case<'_>, order: TransferRelation) -> Result<Decision, Refusal> {
    let fund = case.fund(&order.fund_id)?;
    let (account, _) = case.personal_account(fund, order.person)?;
    let cash = case.account(&order.account_id)?;
    new_bank_reference(case, &order.bank_reference)?;
    same_fund(account, cash)?;
    family_is(fund, &[FundFamily::SocialInsurance])?;
    let pool = pooled_account(case, fund)?;
    kind_is(cash, &[Kind::FiscalSpecial, Kind::Payout])?;
    let wages = order.wage_base.minor();
    let pooled = if wages == 0 { 0 } else { money::at_rate(wages, case.rate_ppm(fund, RateKind::PoolTransfer)?) };
    case.admit(fund, order.amount.minor(), Checkers::Needed)?;
    if order.direction == TransferDirection::Out {
        // Money of somebody who is frozen does not leave by another agency either.
        case.payee_is_free(order.person)?;
    }
    let personal = match order.direction {
        TransferDirection::In => order.personal.minor(),
        TransferDirection::Out => account.row.balance_minor,
    };
    let total = money::add(pooled, personal);
    if total != order.amount.minor() {
        return Err(mismatch(order.amount.minor(), total));
    }
    let parts = [(pool.number, pooled), (account.number, personal)].into_iter().filter(|(_, part)| *part > 0);
    let legs = match order.direction {
        TransferDirection::In => {
            std::iter::once(debit(cash.number, LotNumber::NONE, total)).chain(credits(parts)).collect()
        }
        TransferDirection::Out => {
            let debits = parts.map(|(account, part)| debit(account, LotNumber::NONE, part));
            debits.chain(std::iter::once(credit(cash.number, LotNumber::NONE, total))).collect()
        }
    };
    let event = PersonsEvent::RelationTransferred {
        direction: order.direction,
        account: account.number,
        wage_base_minor: wages,
        peer_id: order.peer_id,
        bank_reference: order.bank_reference,
    };
    settle(case, fund, legs, event, Freezes::Hold)
}

/// 结息: a year's interest of several persons at once.
fn credit_interest(
    case: Case<'_>,
    fund_id: &FundId,
    year: i32,
    account_ids: &[AccountId],
) -> Result<Decision, Refusal> {
    let fund = case.fund(fund_id)?;
    let mut accounts = Vec::with_capacity(account_ids.len());
    for account_id in account_ids {
        accounts.push(case.account(account_id)?);
    }
    family_is(fund, &[FundFamily::SocialInsurance, FundFamily::HousingProvident])?;
    let pool = pooled_account(case, fund)?;
    for account in &accounts {
        if account.row.fund != fund.number {
            return Err(Refusal::new(Reason::FundMixed).with("account", &account.row.account_id).with("fund", fund_id));
        }
        kind_is(*account, &[Kind::Personal, Kind::HousingPersonal])?;
    }
    let rate_ppm = case.rate_ppm(fund, RateKind::PersonalInterest)?;
    let method = case.terms(fund).and_then(|terms| terms.interest_method);
    let method = method.ok_or_else(|| case.term_missing(fund, "INTEREST_METHOD"))?;
    let calendar = InterestCalendar::of(fund.row.definition.family);
    let mut lines: Vec<InterestLine> = Vec::with_capacity(accounts.len());
    let mut seen = BTreeSet::new();
    for account in &accounts {
        let Some(personal) = case.state.families.personals.get(&account.number) else { continue };
        let credited = personal.credited_through.is_some_and(|credited| credited >= year);
        if credited || !seen.insert(account.number) {
            return Err(Refusal::new(Reason::InterestCredited)
                .with("account", &account.row.account_id)
                .with("year", year));
        }
        let basis = personal.year(calendar, year, account.row.balance_minor).basis(method);
        let days = match method {
            InterestMethod::OpeningBalance => 1,
            InterestMethod::DayProduct => PRODUCT_YEAR_DAYS,
        };
        let numerator = i128::from(basis.max(0)).saturating_mul(rate_ppm.into());
        let interest_minor = money::rounded(numerator, days.saturating_mul(MILLION));
        lines.push(InterestLine { account: account.number, basis, interest_minor });
    }
    let total = lines.iter().fold(0, |sum, line| money::add(sum, line.interest_minor));
    case.admit(fund, total, Checkers::Needed)?;
    let last_day = calendar.last_day(year);
    if case.date() < last_day {
        return Err(Refusal::new(Reason::YearNotEnded)
            .with("year", year)
            .with("business_date", case.date())
            .with("last_day", last_day));
    }
    let mut legs = Vec::with_capacity(lines.len().saturating_add(1));
    if total > 0 {
        legs.push(debit(pool.number, LotNumber::NONE, total));
    }
    legs.extend(credits(lines.iter().map(|line| (line.account, line.interest_minor))));
    let event = PersonsEvent::InterestCredited { fund: fund.number, year, rate_ppm, method, lines };
    settle(case, fund, legs, event, Freezes::Hold)
}
