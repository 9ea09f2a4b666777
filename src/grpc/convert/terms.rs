//! A policy's terms on the wire.

use std::collections::BTreeSet;

use super::Parser;
use crate::domain::ids::{Code, ReasonCode};
use crate::domain::money::AmountOrZero;
use crate::domain::policy::{
    Clock, ClockKind, InterestMethod, Item, LIMIT_MAX_DAYS, LimitUnit, PolicyTerms, RateKind, Split,
};
use crate::domain::refusal::Reason;
use crate::domain::release::{WitnessRule, Witnessing};
use crate::domain::time::Day;
use crate::pb::v1;

const RATES_MAX: usize = 16;
const TERMS_MAX: usize = 64;
const SHARES_MIN: usize = 2;
const SHARES_MAX: usize = 16;
const RATE_MAX_PPM: u32 = 1_000_000;
/// 24 % a year: beyond it the instalment's arithmetic would not fit, and no law allows it.
const LOAN_RATE_MAX_PPM: u32 = 240_000;
const WEIGHT_MAX: u32 = 1_000_000;
const DAYS_MAX: usize = 512;
/// 1900-01-01 and 2199-12-31, in days since 1970-01-01.
const FIRST_DAY: i32 = -25_567;
const LAST_DAY: i32 = 84_005;

impl Parser<'_> {
    pub(super) fn terms(&mut self, wire: v1::PolicyTerms) -> Option<PolicyTerms> {
        let mut rates = self.list("terms.rates", wire.rates, RATES_MAX, |parser, field, rate| {
            let kind = parser.known(format_args!("{field}.kind"), RateKind::from_number(rate.kind))?;
            let most = if kind == RateKind::LoanInterest { LOAN_RATE_MAX_PPM } else { RATE_MAX_PPM };
            Some((kind, parser.within(format_args!("{field}.ppm"), rate.ppm, 0, most)?))
        });
        let mut splits = self.list("terms.splits", wire.splits, TERMS_MAX, |parser, field, split| {
            let code = parser.named(format_args!("{field}.code"), Code::parse(split.code));
            let shares = parser.shares(&format!("{field}.shares"), split.shares);
            Some(Split { code: code?, shares: shares? })
        });
        let mut items = self.list("terms.items", wire.items, TERMS_MAX, |parser, field, item| {
            let code = parser.named(format_args!("{field}.code"), Code::parse(item.code));
            let max = parser.amount_or_zero(format_args!("{field}.max_amount_minor"), item.max_amount_minor);
            Some(Item {
                code: code?,
                from_pool: item.from_pool,
                from_personal: item.from_personal,
                max_minor: max.map(AmountOrZero::minor)?,
            })
        });
        let reasons = wire.withdrawal_reasons;
        let mut reasons = self.list("terms.withdrawal_reasons", reasons, TERMS_MAX, |parser, field, reason| {
            parser.named(field, ReasonCode::parse(reason))
        });
        let interest_method = match wire.interest_method {
            0 => Some(None),
            number => self.known("terms.interest_method", InterestMethod::from_number(number)).map(Some),
        };
        let mut clocks = self.list("terms.clocks", wire.clocks, TERMS_MAX, |parser, field, clock| {
            let code = parser.named(format_args!("{field}.code"), Code::parse(clock.code));
            let kind = parser.known(format_args!("{field}.kind"), ClockKind::from_number(clock.kind));
            let limit = parser.within(format_args!("{field}.limit"), clock.limit, 0, LIMIT_MAX_DAYS);
            let unit = parser.known(format_args!("{field}.unit"), LimitUnit::from_number(clock.unit));
            Some(Clock { code: code?, kind: kind?, limit: limit?, unit: unit? })
        });
        let mut holidays = self.days("terms.holidays", wire.holidays);
        let mut working_weekends = self.days("terms.working_weekends", wire.working_weekends);
        let witnessing = match wire.witnessing {
            None => Some(None),
            Some(wire) => self.witnessing(wire).map(Some),
        };
        self.sorted_once("terms.clocks", clocks.as_deref_mut(), |clock| clock.code.clone())?;
        self.sorted_once("terms.holidays", holidays.as_deref_mut(), |day| *day)?;
        self.sorted_once("terms.working_weekends", working_weekends.as_deref_mut(), |day| *day)?;
        // In one order, so that equal terms are equal bytes.
        self.sorted_once("terms.rates", rates.as_deref_mut(), |(kind, _)| *kind)?;
        self.sorted_once("terms.splits", splits.as_deref_mut(), |split| split.code.clone())?;
        self.sorted_once("terms.items", items.as_deref_mut(), |item| item.code.clone())?;
        self.sorted_once("terms.withdrawal_reasons", reasons.as_deref_mut(), Clone::clone)?;
        Some(PolicyTerms {
            rates: rates?,
            splits: splits?,
            items: items?,
            withdrawal_reasons: reasons?,
            interest_method: interest_method?,
            empty_income_at_month_end: wire.empty_income_at_month_end,
            clocks: clocks?,
            holidays: holidays?,
            working_weekends: working_weekends?,
            witnessing: witnessing?,
            registered_contracts_only: wire.registered_contracts_only,
        })
    }

    fn witnessing(&mut self, wire: v1::PolicyWitnessing) -> Option<Witnessing> {
        let rule = self.known("terms.witnessing.rule", WitnessRule::from_number(wire.rule));
        let from = self.amount_or_zero("terms.witnessing.from_amount_minor", wire.from_amount_minor);
        Some(Witnessing { rule: rule?, from_minor: from.map(AmountOrZero::minor)? })
    }

    fn days(&mut self, field: &str, days: Vec<i32>) -> Option<Vec<Day>> {
        self.list(field, days, DAYS_MAX, |parser, field, day| {
            let range = FIRST_DAY..=LAST_DAY;
            if range.contains(&day) {
                return Some(Day::from_days(day));
            }
            parser.wrong(field, Reason::DateInvalid, "is not a day of 1900 to 2199, counted from 1970-01-01")
        })
    }

    fn shares(&mut self, field: &str, wire: Vec<v1::SplitShare>) -> Option<Vec<(Code, u32)>> {
        let shares = self.list(field, wire, SHARES_MAX, |parser, field, share| {
            let recipient = parser.named(format_args!("{field}.recipient"), Code::parse(share.recipient));
            let weight = parser.within(format_args!("{field}.weight"), share.weight, 1, WEIGHT_MAX);
            Some((recipient?, weight?))
        })?;
        let recipients: BTreeSet<&Code> = shares.iter().map(|(recipient, _)| recipient).collect();
        if recipients.len() < shares.len() || shares.len() < SHARES_MIN {
            let description = format!("are not {SHARES_MIN} to {SHARES_MAX} shares of different recipients");
            return self.wrong(field, Reason::FieldInvalid, description);
        }
        Some(shares)
    }

    fn sorted_once<T, K: Ord>(&mut self, field: &str, values: Option<&mut [T]>, key: impl Fn(&T) -> K) -> Option<()> {
        let values = values?;
        values.sort_by_key(&key);
        if values.windows(2).any(|pair| matches!(pair, [one, other] if key(one) == key(other))) {
            return self.wrong(field, Reason::FieldInvalid, "names the same twice");
        }
        Some(())
    }
}
