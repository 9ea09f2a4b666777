//! The two ways in which amounts come to whole minor units: at a rate, half up; by a split, the largest remainders.

use std::cmp::Reverse;

/// Rates are parts of this.
pub(super) const MILLION: i128 = 1_000_000;

/// A fraction of two numbers that are not below zero, rounded half up.
pub(super) fn half_up(numerator: i128, denominator: i128) -> i128 {
    let doubled = numerator.saturating_mul(2).saturating_add(denominator);
    doubled.checked_div_euclid(denominator.saturating_mul(2)).unwrap_or(0)
}

/// What a rate in parts per million makes of an amount.
pub(super) fn at_rate(amount: i64, ppm: i32) -> i128 {
    half_up(i128::from(amount).saturating_mul(ppm.into()), MILLION)
}

/// An amount split by weights: the whole units of each share, then one more to those that lost most by it.
pub(super) fn by_weight(amount: i64, weights: &[i64]) -> Vec<i64> {
    let amount = i128::from(amount.max(0));
    let sum = weights.iter().fold(0_i128, |sum, weight| sum.saturating_add((*weight).max(0).into()));
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = weights.iter().map(|weight| amount.saturating_mul((*weight).max(0).into()));
    let mut parts: Vec<(i128, i128)> =
        exact.map(|exact| (exact.checked_div(sum).unwrap_or(0), exact.checked_rem(sum).unwrap_or(0))).collect();
    let given = parts.iter().fold(0_i128, |given, (whole, _)| given.saturating_add(*whole));
    let missing = usize::try_from(amount.saturating_sub(given)).unwrap_or(0);
    let mut rows: Vec<&mut (i128, i128)> = parts.iter_mut().collect();
    // The sort is stable: ties stay in the order given.
    rows.sort_by_key(|(_, remainder)| Reverse(*remainder));
    for (whole, _) in rows.into_iter().take(missing) {
        *whole = whole.saturating_add(1);
    }
    parts.into_iter().map(|(whole, _)| i64::try_from(whole).unwrap_or(i64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_to_the_minor_unit() {
        for (amount, weights, parts) in [
            (333_333, &[20, 30, 50][..], &[66_667, 100_000, 166_666][..]),
            (100_000, &[66_667, 100_000, 166_666], &[20_000, 30_000, 50_000]),
            (5_038_373, &[60, 15, 25], &[3_023_024, 755_756, 1_259_593]),
            (106_250_000, &[50, 30, 20], &[53_125_000, 31_875_000, 21_250_000]),
            (2, &[1, 1, 1], &[1, 1, 0]),
            (7, &[0, 0], &[0, 0]),
            (-7, &[1, -1], &[0, 0]),
            (7, &[], &[]),
            (i64::MAX, &[i64::MAX, i64::MAX], &[4_611_686_018_427_387_904, 4_611_686_018_427_387_903]),
        ] {
            assert_eq!(by_weight(amount, weights), parts, "{amount} by {weights:?}");
        }
    }

    #[test]
    fn rates_round_half_up() {
        for (amount, ppm, expected) in [
            (61_000_000, 120_000, 7_320_000),
            (3_000_000, 26_200, 78_600),
            (5, 500_000, 3),
            (1, 499_999, 0),
            (0, 1_000_000, 0),
        ] {
            assert_eq!(at_rate(amount, ppm), expected, "{amount} at {ppm}");
        }
        assert_eq!(half_up(1_679_040_000 * 15_000, 360 * MILLION), 69_960);
        assert_eq!(half_up(50_000_000 * 26_000, 12 * MILLION), 108_333);
        assert_eq!(half_up(1, 0), 0);
    }
}
