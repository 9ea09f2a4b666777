//! What a fund's policy says on the business date, and whom its family and persons are.

use super::guard::{AccountRef, Case, FundRef, Numbered, kind_is};
use crate::domain::account::AccountKind as Kind;
use crate::domain::fund::FundFamily;
use crate::domain::ids::{AccountId, AccountNumber, Code, FundNumber, PayeeRef};
use crate::domain::persons::Personal;
use crate::domain::policy::{Item, PolicyTerms, RateKind, Split};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::{Day, Period};

impl<'a> Case<'a> {
    /// The terms of the fund's policy on the business date.
    pub(super) fn terms(&self, fund: FundRef<'_>) -> Option<&'a PolicyTerms> {
        self.policy(fund.row).map(|policy| &policy.terms)
    }

    /// A rate that is set on the business date; parts per million.
    pub(super) fn rate_ppm(&self, fund: FundRef<'_>, kind: RateKind) -> Result<u32, Refusal> {
        let rate = self.terms(fund).and_then(|terms| terms.rate_ppm(kind));
        rate.ok_or_else(|| self.term_missing(fund, kind.as_str()))
    }

    /// A split that is set on the business date.
    pub(super) fn split_terms(&self, fund: FundRef<'_>, code: &Code) -> Result<&'a Split, Refusal> {
        let split = self.terms(fund).and_then(|terms| terms.split(code.as_str()));
        split.ok_or_else(|| self.term_missing(fund, code.as_str()))
    }

    /// What may be paid to persons on the business date.
    pub(super) fn item_terms(&self, fund: FundRef<'_>, code: &Code) -> Result<&'a Item, Refusal> {
        let item = self.terms(fund).and_then(|terms| terms.item(code));
        item.ok_or_else(|| {
            Refusal::new(Reason::ReasonNotAllowed)
                .with("fund", &fund.row.definition.fund_id)
                .with("item", code)
                .with("business_date", self.date())
        })
    }

    pub(super) fn term_missing(&self, fund: FundRef<'_>, term: &str) -> Refusal {
        Refusal::new(Reason::PolicyTermMissing)
            .with("fund", &fund.row.definition.fund_id)
            .with("term", term)
            .with("business_date", self.date())
    }

    /// A person's account in a fund.
    pub(super) fn personal_account(
        &self,
        fund: FundRef<'_>,
        person: PayeeRef,
    ) -> Result<(AccountRef<'a>, &'a Personal), Refusal> {
        let number = self.state.personal_account(fund.number, person);
        let found = number.and_then(|number| {
            let row = self.state.account(number)?;
            Some((Numbered { number, row }, self.state.families.personals.get(&number)?))
        });
        let kind = if fund.row.definition.family == FundFamily::HousingProvident {
            Kind::HousingPersonal
        } else {
            Kind::Personal
        };
        found.ok_or_else(|| {
            Refusal::new(Reason::AccountNotFound)
                .with("fund", &fund.row.definition.fund_id)
                .with("kind", kind.as_str())
                .with("person", person)
        })
    }

    /// The person may be paid for a month: no fact that holds when it begins says otherwise.
    pub(super) fn is_eligible(&self, fund: FundRef<'_>, person: PayeeRef, period: Period) -> Result<(), Refusal> {
        match self.state.families.barred(fund.number, person, first_day(period)) {
            None => Ok(()),
            Some(bar) => Err(Refusal::new(Reason::Ineligible)
                .with("person", person)
                .with("fact", bar.fact.as_str())
                .with("effective_on", bar.effective_on)
                .with("period", period)),
        }
    }

    /// The item was not paid to the person for the month, and nothing that a fund which excludes this one pays.
    pub(super) fn is_first_payment(
        &self,
        fund: FundRef<'_>,
        person: PayeeRef,
        item: &Code,
        period: Period,
    ) -> Result<(), Refusal> {
        if self.state.families.is_paid(fund.number, person, item, period) {
            return Err(Refusal::new(Reason::DuplicateBenefit)
                .with("person", person)
                .with("item", item)
                .with("period", period));
        }
        let elsewhere = |other: &FundNumber| self.state.families.is_paid_anything(*other, person, period);
        self.not_excluded(fund, person, period, elsewhere)
    }

    /// No fund that excludes this one, or that this one excludes, has the person already.
    pub(super) fn not_excluded(
        &self,
        fund: FundRef<'_>,
        person: PayeeRef,
        period: Period,
        has_part: impl Fn(&FundNumber) -> bool,
    ) -> Result<(), Refusal> {
        let excludes = |one: &crate::domain::fund::Fund, other: &crate::domain::fund::Fund| {
            one.definition.exclusive_with.contains(&other.definition.fund_id)
        };
        for (at, other) in self.state.funds.iter().enumerate() {
            let number = FundNumber::after(at);
            if (excludes(fund.row, other) || excludes(other, fund.row)) && has_part(&number) {
                return Err(Refusal::new(Reason::ExclusiveScheme)
                    .with("person", person)
                    .with("fund", &fund.row.definition.fund_id)
                    .with("other_fund", &other.definition.fund_id)
                    .with("period", period));
            }
        }
        Ok(())
    }
}

/// The accounts that a split goes to, with their weights.
pub(super) fn split_accounts(
    case: Case<'_>,
    fund: FundRef<'_>,
    code: &Code,
    kinds: &[Kind],
) -> Result<(Vec<AccountNumber>, Vec<i64>), Refusal> {
    let mut accounts = Vec::new();
    let mut weights = Vec::new();
    for (recipient, weight) in &case.split_terms(fund, code)?.shares {
        // Recipients are ids like any other: the policy is set before its accounts may exist.
        let account = case.account(&AccountId::stored(recipient.as_str()))?;
        if account.row.fund != fund.number {
            return Err(Refusal::new(Reason::FundMixed)
                .with("account", &account.row.account_id)
                .with("fund", &fund.row.definition.fund_id));
        }
        kind_is(account, kinds)?;
        accounts.push(account.number);
        weights.push(i64::from(*weight));
    }
    Ok((accounts, weights))
}

/// The first day of a month.
fn first_day(period: Period) -> Day {
    let (year, month) = (period.number().div_euclid(100), period.number().rem_euclid(100));
    Day::new(year, month, 1).unwrap_or(Day::from_days(i32::MAX))
}

/// The fund is of one of these families.
pub(super) fn family_is(fund: FundRef<'_>, allowed: &[FundFamily]) -> Result<(), Refusal> {
    let definition = &fund.row.definition;
    if allowed.contains(&definition.family) {
        return Ok(());
    }
    let names: Vec<&str> = allowed.iter().map(|family| family.as_str()).collect();
    Err(Refusal::new(Reason::FundFamilyMismatch)
        .with("fund", &definition.fund_id)
        .with("family", definition.family.as_str())
        .with("allowed", names.join(",")))
}

/// An amount for one person and month is within the policy's limit for the item.
pub(super) fn within_standard(item: &Item, asked_minor: i64) -> Result<(), Refusal> {
    if item.max_minor == 0 || asked_minor <= item.max_minor {
        return Ok(());
    }
    Err(Refusal::new(Reason::OverStandard)
        .with("item", &item.code)
        .with("available_minor", item.max_minor)
        .with("asked_minor", asked_minor))
}
