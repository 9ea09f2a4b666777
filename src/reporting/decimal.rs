//! Amounts as decimals.

/// Minor units as a decimal string without separators: what files carry.
pub fn decimal(amount_minor: i128, exponent: u32) -> String {
    digits(amount_minor, exponent, "")
}

/// Minor units with thousands separators, for people.
pub fn grouped(amount_minor: i128, exponent: u32) -> String {
    digits(amount_minor, exponent, ",")
}

fn digits(amount_minor: i128, exponent: u32, separator: &str) -> String {
    let decimals = usize::try_from(exponent).unwrap_or(0);
    let text = amount_minor.unsigned_abs().to_string();
    let padded = format!("{text:0>width$}", width = decimals.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(decimals));
    let mut out = String::with_capacity(padded.len().saturating_mul(2));
    if amount_minor < 0 {
        out.push('-');
    }
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && whole.len().saturating_sub(position).is_multiple_of(3) {
            out.push_str(separator);
        }
        out.push(digit);
    }
    if decimals > 0 {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_printed_from_integers() {
        let rows: &[(i128, u32, &str, &str)] = &[
            (0, 2, "0.00", "0.00"),
            (5, 2, "0.05", "0.05"),
            (-5, 2, "-0.05", "-0.05"),
            (100, 2, "1.00", "1.00"),
            (99_999, 2, "999.99", "999.99"),
            (100_000, 2, "1000.00", "1,000.00"),
            (5_792_710_896, 2, "57927108.96", "57,927,108.96"),
            (-212_379_990, 2, "-2123799.90", "-2,123,799.90"),
            (4_942_020_428, 0, "4942020428", "4,942,020,428"),
            (7, 0, "7", "7"),
            (1, 4, "0.0001", "0.0001"),
            (9_007_199_254_740_991, 2, "90071992547409.91", "90,071,992,547,409.91"),
            (
                i128::MIN,
                0,
                "-170141183460469231731687303715884105728",
                "-170,141,183,460,469,231,731,687,303,715,884,105,728",
            ),
        ];
        for (amount, exponent, plain, separated) in rows {
            assert_eq!(decimal(*amount, *exponent), *plain);
            assert_eq!(grouped(*amount, *exponent), *separated);
        }
    }
}
