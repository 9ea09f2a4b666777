//! Numbers of variable length, seven bits a byte: most of what an index holds is small differences.

use crate::format::stored::Malformed;

/// Appends a number: one byte below 128, at most ten.
pub(super) fn put(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    to.push(u8::try_from(number).unwrap_or_default());
}

/// Appends a number that may be negative, small where its magnitude is.
pub(super) fn put_signed(number: i64, to: &mut Vec<u8>) {
    put((number << 1 ^ number >> 63).cast_unsigned(), to);
}

/// Appends how far a number lies above another; a forged distance wraps and reads back as it was.
pub(super) fn put_above(number: i64, base: i64, to: &mut Vec<u8>) {
    put(number.wrapping_sub(base).cast_unsigned(), to);
}

/// Takes a number from the front.
pub(super) fn take(from: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0_u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = from.split_first().ok_or(Malformed)?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(Malformed);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

/// Takes a number that may be negative.
pub(super) fn take_signed(from: &mut &[u8]) -> Result<i64, Malformed> {
    let number = take(from)?;
    Ok((number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg())
}

/// Takes a number that stands as its distance from another.
pub(super) fn take_above(base: i64, from: &mut &[u8]) -> Result<i64, Malformed> {
    Ok(base.wrapping_add(take(from)?.cast_signed()))
}

/// Takes a number of a narrower type.
pub(super) fn take_narrow<T: TryFrom<u64>>(from: &mut &[u8]) -> Result<T, Malformed> {
    T::try_from(take(from)?).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        for number in [0, 1, 127, 128, 300, 1 << 53, i64::MAX, -1, -64, -65, i64::MIN] {
            let mut bytes = Vec::new();
            put_signed(number, &mut bytes);
            put(number.cast_unsigned(), &mut bytes);
            put_above(number, -7, &mut bytes);
            let from = &mut bytes.as_slice();
            assert_eq!(take_signed(from), Ok(number));
            assert_eq!(take(from), Ok(number.cast_unsigned()));
            assert_eq!(take_above(-7, from), Ok(number));
            assert!(from.is_empty());
        }
        let long: &[u8] = &[0xff; 11];
        assert_eq!(take(&mut &*long), Err(Malformed));
        assert_eq!(take(&mut &long[..3]), Err(Malformed));
    }
}
