//! Money: integer minor units, never zero or negative in a posting, never beyond what JSON carries exactly.

/// Largest amount of a posting and of a balance, in minor units: 2^53 − 1, which every JSON reader carries exactly
/// (90 trillion yuan in fen).
pub const AMOUNT_MAX_MINOR: i64 = 9_007_199_254_740_991;

/// A positive amount in minor units of the fund's currency (fen for CNY), at most [`AMOUNT_MAX_MINOR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// Why a number is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmountOutOfRange {
    /// The number, in minor units.
    pub raw: i64,
}

impl Amount {
    /// Takes minor units, 1 to [`AMOUNT_MAX_MINOR`].
    pub const fn positive(raw: i64) -> Result<Self, AmountOutOfRange> {
        if raw >= 1 && raw <= AMOUNT_MAX_MINOR { Ok(Self(raw)) } else { Err(AmountOutOfRange { raw }) }
    }

    /// Minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }
}

/// Adds minor units without any chance of wrapping: 2^63 fen do not exist, so a result that would not fit is a bug or a
/// forged log, and pinning it at the end of the range makes every check on it fail.
pub(crate) const fn add(a: i64, b: i64) -> i64 {
    a.saturating_add(b)
}

/// Subtracts minor units; as [`add`].
pub(crate) const fn subtract(a: i64, b: i64) -> i64 {
    a.saturating_sub(b)
}

/// Minor units from 0 to [`AMOUNT_MAX_MINOR`]: what may be nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmountOrZero(i64);

impl AmountOrZero {
    /// Takes minor units.
    pub const fn new(raw: i64) -> Result<Self, AmountOutOfRange> {
        if raw >= 0 && raw <= AMOUNT_MAX_MINOR { Ok(Self(raw)) } else { Err(AmountOutOfRange { raw }) }
    }

    /// Minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }
}

/// Parts per million in a whole.
pub(crate) const MILLION: i128 = 1_000_000;

/// A share of an amount or a sum of them, `numerator / denominator`, rounded half up to the minor unit. Neither is below zero, and the
/// denominator is not 0; what would not fit is pinned at the end of the range, as in [`add`].
pub(crate) fn rounded(numerator: i128, denominator: i128) -> i64 {
    let twice = numerator.saturating_mul(2).saturating_add(denominator);
    let rounded = twice.checked_div(denominator.saturating_mul(2)).unwrap_or(i128::MAX);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// A rate of an amount, rounded half up.
pub(crate) fn at_rate(amount_minor: i64, rate_ppm: u32) -> i64 {
    rounded(i128::from(amount_minor).saturating_mul(rate_ppm.into()), MILLION)
}

/// Splits an amount by weights, to the minor unit: each gets the whole part of its share, and what is missing goes, one unit each, to
/// the largest remainders, ties in the order given. The parts add up to the amount, unless all weights are 0; and no part is
/// above its weight where the amount is not above their sum.
pub(crate) fn split(amount_minor: i64, weights: &[i64]) -> Vec<i64> {
    let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    let share = |weight: &i64| i128::from(amount_minor).saturating_mul((*weight).into());
    let whole = |weight: &i64| share(weight).checked_div(total).unwrap_or_default();
    let remainder = |weight: &i64| share(weight).checked_rem(total).unwrap_or_default();
    let mut parts: Vec<i64> = weights.iter().map(|weight| i64::try_from(whole(weight)).unwrap_or(i64::MAX)).collect();
    let given = parts.iter().fold(0, |sum, part| add(sum, *part));
    let missing = usize::try_from(subtract(amount_minor, given)).unwrap_or_default();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|at| std::cmp::Reverse(weights.get(*at).map(remainder)));
    for at in by_remainder.into_iter().take(missing) {
        if let Some(part) = parts.get_mut(at) {
            *part = add(*part, 1);
        }
    }
    parts
}

/// Scale of the fixed-point numbers below.
const FIXED: u128 = 1_000_000_000_000_000;

/// Equal monthly instalment of a loan, rounded half up to the minor unit: `P r (1+r)^n / ((1+r)^n - 1)` with `r` a twelfth of the rate a
/// year; without interest, `P / n` rounded up. The growth is carried to 15 places, which over 360 months leaves less than
/// a hundredth of a minor unit for principals up to 10^10 and rates up to 24 %.
pub(crate) fn instalment(principal_minor: i64, months: u32, rate_ppm: u32) -> i64 {
    let principal = u128::try_from(principal_minor).unwrap_or_default();
    let months_wide = u128::from(months.max(1));
    if rate_ppm == 0 {
        return i64::try_from(principal.div_ceil(months_wide)).unwrap_or(i64::MAX);
    }
    let monthly = u128::from(rate_ppm).saturating_mul(FIXED) / 12_000_000;
    let growth = (0..months).fold(FIXED, |growth, _| {
        growth.saturating_mul(FIXED.saturating_add(monthly)).saturating_add(FIXED / 2) / FIXED
    });
    // Divided once before, so that the product of a large principal still fits.
    let factor = monthly.saturating_mul(growth).checked_div(growth.saturating_sub(FIXED)).unwrap_or_default();
    let scaled = principal.saturating_mul(factor).saturating_mul(2).saturating_add(FIXED);
    i64::try_from(scaled / (2 * FIXED)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_give_what_there_is_and_no_more() {
        for (amount, weights, parts) in [
            (333_333, &[20, 30, 50][..], &[66_667, 100_000, 166_666][..]),
            (100_000, &[66_667, 100_000, 166_666], &[20_000, 30_000, 50_000]),
            (106_250_000, &[50, 30, 20], &[53_125_000, 31_875_000, 21_250_000]),
            (1, &[1, 1], &[1, 0]),
            (5, &[0, 3, 2], &[0, 3, 2]),
            (7, &[], &[]),
            (AMOUNT_MAX_MINOR, &[1, i64::MAX], &[0, AMOUNT_MAX_MINOR]),
        ] {
            assert_eq!(split(amount, weights), parts, "{amount} by {weights:?}");
        }
    }

    #[test]
    fn rates_round_half_up() {
        for (amount, rate_ppm, share) in
            [(3_000_000, 26_200, 78_600), (61_000_000, 120_000, 7_320_000), (5, 500_000, 3), (1, 499_999, 0)]
        {
            assert_eq!(at_rate(amount, rate_ppm), share, "{amount} at {rate_ppm} ppm");
        }
        assert_eq!(rounded(12_000_000, 139), 86_331);
    }

    #[test]
    fn instalments_are_those_of_the_annuity() {
        for (principal, months, rate_ppm, expected) in [
            (50_000_000, 360, 26_000, 200_170),
            (1_000_000, 1, 26_000, 1_002_167),
            (1_000_000, 12, 0, 83_334),
            (100_000_000, 240, 31_000, 559_617),
        ] {
            assert_eq!(instalment(principal, months, rate_ppm), expected, "{principal} in {months} at {rate_ppm}");
        }
    }

    #[test]
    fn only_positive_amounts_that_json_carries_exactly() {
        for (raw, good) in [
            (i64::MIN, false),
            (-1, false),
            (0, false),
            (1, true),
            (AMOUNT_MAX_MINOR, true),
            (AMOUNT_MAX_MINOR + 1, false),
            (i64::MAX, false),
        ] {
            assert_eq!(Amount::positive(raw).is_ok(), good, "{raw}");
        }
    }
}
