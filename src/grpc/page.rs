//! Page tokens: opaque, URL-safe, bound to the parameters they were made for. They give no authority.

use sha2::{Digest, Sha256};

use crate::format::hexadecimal;

const VERSION: u8 = 2;
/// Rows of a page where nothing is asked for, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Sequence that the first page was as of.
    pub(super) as_of: i64,
    /// Last row of the page before: the numbers by which rows are ordered.
    pub(super) after: [i64; 3],
}

/// A page asked for: how many rows, and where the page before ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) size: usize,
    pub(super) start: Option<Position>,
}

/// A number of rows from the wire: 0 means the default, too many mean the maximum.
pub(super) fn size(raw: i32) -> Option<usize> {
    match usize::try_from(raw) {
        Ok(0) => Some(PAGE_DEFAULT),
        Ok(size) => Some(size.min(PAGE_MAX)),
        Err(_) => None,
    }
}

/// A page of rows that lie in memory in an order that only grows at its end, and the token of the next one.
pub(super) fn of_rows<T, R>(
    rows: &[T],
    page: Page,
    parameters: &[&[u8]],
    as_of: i64,
    fits: impl Fn(&T) -> bool,
    show: impl Fn(&T) -> R,
) -> (Vec<R>, String) {
    let start = page.start.map_or(0, |start| usize::try_from(start.after[0]).unwrap_or(usize::MAX));
    let mut found = rows.iter().enumerate().skip(start).filter(|(_, row)| fits(row));
    let mut shown = Vec::new();
    let mut last = start;
    for (place, row) in found.by_ref().take(page.size) {
        last = place.saturating_add(1);
        shown.push(show(row));
    }
    let is_more = found.next().is_some();
    let after = [i64::try_from(last).unwrap_or(i64::MAX), 0, 0];
    (shown, if is_more { token(Position { as_of, after }, parameters) } else { String::new() })
}

/// A token for a position, bound to the parameters.
pub(super) fn token(position: Position, parameters: &[&[u8]]) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&digest(parameters));
    for number in std::iter::once(position.as_of).chain(position.after) {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    hexadecimal::of(&bytes)
}

/// The position of a token; `None` if it was not made here for these parameters.
pub(super) fn position(token: &str, parameters: &[&[u8]]) -> Option<Position> {
    let mut bytes = Vec::with_capacity(token.len() / 2);
    let digits = token.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 128 {
        return None;
    }
    for pair in digits.chunks(2) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        bytes.push(u8::from_str_radix(pair, 16).ok()?);
    }
    let (version, rest) = bytes.split_first()?;
    let (found, rest) = rest.split_first_chunk::<8>()?;
    let (as_of, rest) = rest.split_first_chunk::<8>()?;
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let (second, rest) = rest.split_first_chunk::<8>()?;
    let (third, rest) = rest.split_first_chunk::<8>()?;
    let fits = *version == VERSION && *found == digest(parameters) && rest.is_empty();
    let numbers = |bytes: &[u8; 8]| i64::from_be_bytes(*bytes);
    fits.then(|| Position { as_of: numbers(as_of), after: [first, second, third].map(numbers) })
}

fn digest(parameters: &[&[u8]]) -> [u8; 8] {
    let mut digest = Sha256::new();
    for parameter in parameters {
        digest.update(u64::try_from(parameter.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(parameter);
    }
    let full: [u8; 32] = digest.finalize().into();
    *full.first_chunk::<8>().unwrap_or(&[0; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_bound_to_their_parameters() {
        let here = Position { as_of: 7, after: [3, -1, i64::MAX] };
        let made = token(here, &[b"fund", b"lot"]);
        assert_eq!(position(&made, &[b"fund", b"lot"]), Some(here));
        assert_eq!(made, include_str!("../../fuzz/seeds/token/whole"), "what fuzzing starts from");
        assert_eq!(position(&made, &[b"fun", b"dlot"]), None);
        for forged in ["", "zz", "01", &made[2..], &format!("{made}00"), &"0".repeat(made.len()), "+1+1", "é"] {
            assert_eq!(position(forged, &[b"fund", b"lot"]), None, "{forged}");
        }
    }

    #[test]
    fn sizes_are_coerced() {
        assert_eq!((size(0), size(5), size(9_999), size(-1)), (Some(100), Some(5), Some(1_000), None));
    }
}
