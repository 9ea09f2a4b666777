//! A policy's terms on the wire.

use std::collections::BTreeSet;

use super::Parser;
use crate::domain::ids::{Code, ReasonCode};
use crate::domain::money::AmountOrZero;
use crate::domain::policy::{InterestMethod, Item, PolicyTerms, RateKind, Split};
use crate::domain::refusal::Reason;
use crate::pb::v1;

const RATES_MAX: usize = 16;
const TERMS_MAX: usize = 64;
const SHARES_MIN: usize = 2;
const SHARES_MAX: usize = 16;
const RATE_MAX_PPM: u32 = 1_000_000;
/// 24 % a year: beyond it the instalment's arithmetic would not fit, and no law allows it.
const LOAN_RATE_MAX_PPM: u32 = 240_000;
const WEIGHT_MAX: u32 = 1_000_000;

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
