//! What is remembered of the families, as bytes.

use std::collections::BTreeSet;

use crate::domain::complaint::{ComplaintOutcome, ComplaintStage, ComplaintState};
use crate::domain::fund::{FundFamily, Scheme};
use crate::domain::housing::Loan;
use crate::domain::ids::ActorId;
use crate::domain::log_key::LogKeyChange;
use crate::domain::nontax::Notice;
use crate::domain::oversight::{Finding, FindingOutcome, FindingStage};
use crate::domain::performance::{EvaluatorKind, GoalDirection, GoalRow, IndicatorCategory, Subject, SubjectKind};
use crate::domain::persons::{Benefit, Eligibility, EligibilityFact, InterestYear, Months, Personal};
use crate::domain::policy::{Clock, ClockKind, InterestMethod, Item, LimitUnit, PolicyTerms, RateKind, Split};
use crate::domain::procurement::{ProcurementMethod, Registered, TenderRow};
use crate::domain::profile::{CarryRule, GovernmentLevel, RecipientKind};
use crate::domain::release::{WitnessRule, Witnessing};
use crate::domain::state::{Families, Lookup, Project, Tie};
use crate::format::stored::{Malformed, Stored, put_count, take_count};
use crate::stored_struct;

/// Lookups have no order: written sorted, so that equal states have equal bytes.
fn put_lookup<K: Stored + Ord, V: Stored>(lookup: &Lookup<K, V>, to: &mut Vec<u8>) {
    let mut rows: Vec<(&K, &V)> = lookup.iter().collect();
    rows.sort_unstable_by(|one, other| one.0.cmp(other.0));
    put_count(rows.len(), to);
    for (key, value) in rows {
        key.put(to);
        value.put(to);
    }
}

fn take_lookup<K: Stored + Eq + std::hash::Hash, V: Stored>(from: &mut &[u8]) -> Result<Lookup<K, V>, Malformed> {
    let mut lookup = Lookup::default();
    for _ in 0..take_count(from)? {
        lookup.insert(K::take(from)?, V::take(from)?);
    }
    Ok(lookup)
}

/// Appends it; who has which personal account is found again.
pub(super) fn put(families: &Families, to: &mut Vec<u8>) {
    put_lookup(&families.personals, to);
    put_lookup(&families.contributed, to);
    put_lookup(&families.paid, to);
    put_lookup(&families.facts, to);
    put_lookup(&families.benefits, to);
    put_lookup(&families.notices, to);
    put_lookup(&families.loans, to);
    put_lookup(&families.projects, to);
    put_lookup(&families.determined, to);
    families.ties.put(to);
    let unit_parties: Vec<_> = families.unit_parties.iter().copied().collect();
    unit_parties.put(to);
    put_lookup(&families.findings, to);
    put_lookup(&families.matters, to);
    put_lookup(&families.complaints, to);
    put_lookup(&families.disclosures, to);
    put_lookup(&families.goals, to);
    let payers: Lookup<Subject, Vec<ActorId>> =
        families.payers.iter().map(|(subject, payers)| (subject.clone(), payers.iter().cloned().collect())).collect();
    put_lookup(&payers, to);
    put_lookup(&families.tenders, to);
    put_lookup(&families.registered, to);
}

fn take_payers(from: &mut &[u8]) -> Result<Lookup<Subject, BTreeSet<ActorId>>, Malformed> {
    let payers: Lookup<Subject, Vec<ActorId>> = take_lookup(from)?;
    Ok(payers.into_iter().map(|(subject, payers)| (subject, payers.into_iter().collect())).collect())
}

/// Takes it from the front.
pub(super) fn take(from: &mut &[u8]) -> Result<Families, Malformed> {
    Ok(Families {
        personals: take_lookup(from)?,
        contributed: take_lookup(from)?,
        paid: take_lookup(from)?,
        facts: take_lookup(from)?,
        benefits: take_lookup(from)?,
        notices: take_lookup(from)?,
        loans: take_lookup(from)?,
        projects: take_lookup(from)?,
        determined: take_lookup(from)?,
        ties: Stored::take(from)?,
        unit_parties: Vec::take(from)?.into_iter().collect(),
        findings: take_lookup(from)?,
        matters: take_lookup(from)?,
        complaints: take_lookup(from)?,
        disclosures: take_lookup(from)?,
        goals: take_lookup(from)?,
        payers: take_payers(from)?,
        tenders: take_lookup(from)?,
        registered: take_lookup(from)?,
        personal_accounts: Lookup::default(),
    })
}

stored_struct!(PolicyTerms {
    rates,
    splits,
    items,
    withdrawal_reasons,
    interest_method,
    empty_income_at_month_end,
    clocks,
    holidays,
    working_weekends,
    witnessing,
    registered_contracts_only
});
stored_struct!(Witnessing { rule, from_minor });
stored_struct!(Clock { code, kind, limit, unit });
stored_struct!(Split { code, shares });
stored_struct!(Item { code, from_pool, from_personal, max_minor });
stored_struct!(Personal { person, credited_through, years });
stored_struct!(Months { ranges });
stored_struct!(InterestYear { year, opening_minor, product });
stored_struct!(Eligibility { fact, effective_on, fund });
stored_struct!(Benefit { sequence, account, cash, entitlement, claims });
stored_struct!(Notice { fund, payer, item_code, due_minor, pending_minor, shares });
stored_struct!(Loan { fund, account, rate_ppm, owed_minor, issued, repaid_through });
stored_struct!(Project { estimate_minor, final_minor, paid_minor });
stored_struct!(Subject { kind, id });
stored_struct!(GoalRow { indicator_code, set, weight_ppm, recorded });
stored_struct!(TenderRow { fund, project_id, ceiling_minor, ocid, award });
stored_struct!(Registered {
    fund,
    project_id,
    supplier,
    ocid,
    first_minor,
    added_minor,
    price_minor,
    is_settled,
    retention
});
stored_struct!(Tie { payout, project });
stored_struct!(Finding { flagged_by, stage });
stored_struct!(ComplaintState { stage, fund, unit_id, respondents, answered_by });

/// Enums that have numbers: those.
macro_rules! stored_numbered {
    ($($name:ident),*) => {$(
        impl Stored for $name {
            fn put(&self, to: &mut Vec<u8>) {
                self.number().put(to);
            }

            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                Self::from_number(i32::take(from)?).ok_or(Malformed)
            }
        }
    )*};
}

impl Stored for ComplaintStage {
    fn put(&self, to: &mut Vec<u8>) {
        let tag: u8 = match self {
            Self::Filed => 1,
            Self::Accepted => 2,
            Self::Answered => 3,
            Self::Closed => 4,
        };
        tag.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            1 => Ok(Self::Filed),
            2 => Ok(Self::Accepted),
            3 => Ok(Self::Answered),
            4 => Ok(Self::Closed),
            _ => Err(Malformed),
        }
    }
}

impl Stored for FindingStage {
    fn put(&self, to: &mut Vec<u8>) {
        let tag: u8 = match self {
            Self::Open => 1,
            Self::Explained => 2,
            Self::Rectified => 3,
            Self::Closed => 4,
        };
        tag.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            1 => Ok(Self::Open),
            2 => Ok(Self::Explained),
            3 => Ok(Self::Rectified),
            4 => Ok(Self::Closed),
            _ => Err(Malformed),
        }
    }
}

stored_numbered!(
    CarryRule,
    ComplaintOutcome,
    ClockKind,
    EligibilityFact,
    EvaluatorKind,
    FindingOutcome,
    FundFamily,
    GoalDirection,
    GovernmentLevel,
    IndicatorCategory,
    InterestMethod,
    LimitUnit,
    LogKeyChange,
    ProcurementMethod,
    RateKind,
    RecipientKind,
    Scheme,
    SubjectKind,
    WitnessRule
);
