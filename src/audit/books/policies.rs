//! Funds as they were defined, and the versions of the policies that govern them: rates, splits, items.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::tables::{ById, Fund};
use super::{Books, Posting, Step};
use crate::audit::frame::Fingerprint;
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::{
    FundDefined, FundFamily, PolicyItem, PolicySet, PolicySplit, PolicyTerms, PolicyWitnessing, RateKind,
};

/// What a fund's definition says of the rules it is under.
#[derive(Default)]
pub(super) struct FundRules {
    pub(super) family: FundFamily,
    pub(super) scheme: i32,
    /// Its name in the log; `None` only before it is defined.
    id: Option<Fingerprint>,
    exclusive_with: Vec<Fingerprint>,
    policy: Option<Fingerprint>,
    /// Its income accounts, which a month may have to leave empty.
    pub(super) income: Vec<i32>,
}

/// A policy: its versions by number.
#[derive(Default)]
struct Policy {
    last: i32,
    versions: BTreeMap<i32, Version>,
}

struct Version {
    effective_from_day: i32,
    terms: Rc<PolicyTerms>,
}

/// All policies.
#[derive(Default)]
pub(super) struct Policies(ById<Policy>);

impl Policies {
    /// The version of a policy that applies on a day: the last of those that had begun.
    fn in_force(&self, policy: Fingerprint, day: i32) -> Option<(i32, &Version)> {
        let begun = |(_, version): &(&i32, &Version)| version.effective_from_day <= day;
        self.0.get(&policy)?.versions.iter().rev().find(begun).map(|(number, version)| (*number, version))
    }
}

/// A family of funds and its schemes: the lowest and the highest number.
fn schemes(family: FundFamily) -> (i32, i32) {
    match family {
        FundFamily::Special => (0, 6),
        FundFamily::SocialInsurance => (11, 17),
        FundFamily::Unspecified
        | FundFamily::DepartmentBudget
        | FundFamily::Investment
        | FundFamily::Nontax
        | FundFamily::HousingProvident => (0, 0),
    }
}

impl Books {
    /// A fund is defined: of a family, and of a scheme that the family has.
    pub(super) fn define_fund(&mut self, sequence: i64, defined: &FundDefined) {
        let family = defined.family();
        let (lowest, highest) = schemes(family);
        if family == FundFamily::Unspecified {
            let message = fact!("fund {} is of no known family", defined.fund);
            self.findings.add(sequence, FaultKind::Books, message);
        } else if !(lowest..=highest).contains(&defined.scheme) {
            let message = fact!("fund {} is of scheme {}, which its family has not", defined.fund, defined.scheme);
            self.findings.add(sequence, FaultKind::Books, message);
        }
        let has_policy = !defined.policy_id.is_empty();
        let rules = FundRules {
            family,
            scheme: defined.scheme,
            id: Some(self.fingerprints.of(&defined.fund_id)),
            exclusive_with: defined.exclusive_with.iter().map(|other| self.fingerprints.of(other)).collect(),
            policy: has_policy.then(|| self.fingerprints.of(&defined.policy_id)),
            income: Vec::new(),
        };
        let opened = self.funds.open(defined.fund, Fund { rules, ..Fund::default() });
        self.number(sequence, "fund", defined.fund, opened);
    }

    /// A version of a policy is set: the next one.
    pub(super) fn set_policy(&mut self, sequence: i64, set: &PolicySet) {
        let policy = self.policies.0.entry(self.fingerprints.of(&set.policy_id)).or_default();
        let expected = policy.last.saturating_add(1);
        policy.last = set.version;
        let terms = Rc::new(set.terms.clone().unwrap_or_default());
        policy.versions.insert(set.version, Version { effective_from_day: set.effective_from_day, terms });
        if set.version != expected {
            let message = fact!("version {} of a policy is set, {} is next", set.version, expected);
            self.findings.add(sequence, FaultKind::Numbering, message);
        }
    }

    /// The terms that an event about a fund was decided by: those of the version it names, which must be the one in force
    /// on its day. Nothing is set where it names none.
    pub(super) fn terms(&mut self, step: Step<'_>, fund: i32) -> Rc<PolicyTerms> {
        let named = step.policy_version;
        let policy = self.funds.get(fund).and_then(|fund| fund.rules.policy);
        let in_force = policy.and_then(|policy| self.policies.in_force(policy, step.business_day));
        let in_force = in_force.map_or(0, |(number, _)| number);
        let version = policy.and_then(|policy| self.policies.0.get(&policy)?.versions.get(&named));
        let terms = version.map(|version| Rc::clone(&version.terms)).unwrap_or_default();
        if named != in_force {
            self.wrong(step, fact!("policy version {} is named, {} is in force", named, in_force));
        }
        terms
    }

    /// What the policy in force says of witnesses.
    pub(super) fn witnessing(&self, fund: i32, day: i32) -> Option<PolicyWitnessing> {
        let policy = self.funds.get(fund)?.rules.policy?;
        self.policies.in_force(policy, day)?.1.terms.witnessing
    }

    /// Whether the policy in force lets authority be committed to registered contracts only.
    pub(super) fn wants_registered_contracts(&self, fund: i32, day: i32) -> bool {
        let policy = self.funds.get(fund).and_then(|fund| fund.rules.policy);
        let in_force = policy.and_then(|policy| self.policies.in_force(policy, day));
        in_force.is_some_and(|(_, version)| version.terms.registered_contracts_only)
    }

    /// 收入户月末无余额: a month leaves nothing on the income accounts, where the policy in force says so.
    pub(super) fn check_income(&mut self, step: Step<'_>, number: i32) {
        let Some(fund) = self.funds.get(number) else { return };
        let policy = fund.rules.policy;
        let in_force = policy.and_then(|policy| self.policies.in_force(policy, step.business_day));
        if !in_force.is_some_and(|(_, version)| version.terms.empty_income_at_month_end) {
            return;
        }
        for account in &fund.rules.income {
            let balance = self.accounts.get(*account).map_or(0, |account| account.balance);
            if balance != 0 {
                let message = fact!("a month is closed while income account {} holds {}", account, balance);
                self.findings.add(step.sequence, FaultKind::ClosedPeriod, message);
            }
        }
    }

    /// The family of a fund; unspecified where there is no such fund.
    pub(super) fn family(&self, fund: i32) -> FundFamily {
        self.funds.get(fund).map_or(FundFamily::Unspecified, |fund| fund.rules.family)
    }

    /// Whether one of two funds names the other as exclusive.
    pub(super) fn exclude_each_other(&self, one: i32, other: i32) -> bool {
        let rules = |fund: i32| self.funds.get(fund).map(|fund| &fund.rules);
        let names = |one: &FundRules, other: &FundRules| other.id.is_some_and(|id| one.exclusive_with.contains(&id));
        rules(one).zip(rules(other)).is_some_and(|(one, other)| names(one, other) || names(other, one))
    }

    /// The fund that legs are of.
    pub(super) fn fund_of(&self, postings: &[Posting]) -> Option<i32> {
        postings.first().and_then(|posting| self.accounts.get(posting.account)).map(|account| account.fund)
    }

    /// The legs are of the fund that the event is about.
    pub(super) fn check_fund(&mut self, step: Step<'_>, fund: i32, postings: &[Posting]) {
        if let Some(other) = self.fund_of(postings).filter(|other| *other != fund) {
            let message = fact!("the event is about fund {}, its legs about fund {}", fund, other);
            self.findings.add(step.sequence, FaultKind::Leg, message);
        }
    }

    /// The books do not say what the event means.
    pub(super) fn wrong(&mut self, step: Step<'_>, message: Fact) {
        self.findings.add(step.sequence, FaultKind::Books, message);
    }

    /// What a split makes of an amount, by account; `None` where it cannot be told, which is a finding.
    pub(super) fn split_by_policy(
        &mut self,
        step: Step<'_>,
        fund: i32,
        code: &str,
        amount: i64,
    ) -> Option<Vec<(i32, i64)>> {
        let terms = self.terms(step, fund);
        let Some(split) = split(&terms, code) else {
            self.wrong(step, fact!("the policy has no split of {}", format_args!("{code:?}")));
            return None;
        };
        let mut accounts = Vec::with_capacity(split.shares.len());
        for share in &split.shares {
            let named = self.account_named(&share.recipient);
            let of_fund = |number: &i32| self.accounts.get(*number).is_some_and(|account| account.fund == fund);
            let Some(account) = named.filter(of_fund) else {
                let recipient = format_args!("{:?}", share.recipient);
                self.wrong(step, fact!("{} gets a share, but is no account of fund {}", recipient, fund));
                return None;
            };
            accounts.push(account);
        }
        Some(accounts.into_iter().zip(super::rounding::by_weight(amount, &weights(split))).collect())
    }
}

/// A rate that the terms set.
pub(super) fn rate(terms: &PolicyTerms, kind: RateKind) -> Option<i32> {
    terms.rates.iter().find(|rate| rate.kind == i32::from(kind)).map(|rate| rate.ppm)
}

/// A split that the terms set.
pub(super) fn split<'a>(terms: &'a PolicyTerms, code: &str) -> Option<&'a PolicySplit> {
    terms.splits.iter().find(|split| split.code == code)
}

/// The weights of a split, in order.
pub(super) fn weights(split: &PolicySplit) -> Vec<i64> {
    split.shares.iter().map(|share| share.weight.into()).collect()
}

/// An item that the terms set.
pub(super) fn item<'a>(terms: &'a PolicyTerms, code: &str) -> Option<&'a PolicyItem> {
    terms.items.iter().find(|item| item.code == code)
}
