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

#[cfg(test)]
mod tests {
    use super::*;

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
