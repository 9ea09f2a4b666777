//! Receipt codes, as whoever checks them reads them (docs/format.md, Receipt codes).

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::frame::Hash;

/// Symbols of a code, without what separates its groups.
const SYMBOLS: usize = 30;
/// What a whole code leaves 1 by.
const MODULUS: u32 = 1021;
const VERSION: u8 = 1;

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// Not as many symbols as a code has.
    #[error("{0} symbols, a receipt code has 30")]
    Length(usize),
    /// Not a digit or letter of codes.
    #[error("{0:?} is no symbol of receipt codes")]
    Symbol(char),
    /// The check symbols are not those of the others.
    #[error("the check symbols do not fit the others")]
    Check,
    /// A code of a later version.
    #[error("a receipt code of version {0}, of which this program knows nothing")]
    Version(u8),
}

/// What a code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptCode {
    /// Position of the entry in the log.
    pub sequence: i64,
    ledger: u32,
    hash: [u8; 10],
}

impl ReceiptCode {
    /// Reads a code as people write it: in either case, with or without what separates groups, `O` for `0`, `I` and `L` for `1`.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let mut symbols = Vec::with_capacity(SYMBOLS);
        for written in text.chars().filter(|char| !char.is_whitespace() && !matches!(char, '-' | '‐' | '–')) {
            let symbol = value(written).ok_or(CodeError::Symbol(written))?;
            // Whoever counts to the end of a long text learns nothing more.
            if symbols.len() > SYMBOLS {
                break;
            }
            symbols.push(symbol);
        }
        let Ok(symbols) = <[u8; SYMBOLS]>::try_from(symbols.as_slice()) else {
            return Err(CodeError::Length(symbols.len()));
        };
        let add = |rest: u32, symbol: &u8| rest.saturating_mul(32).saturating_add(u32::from(*symbol));
        let rest = symbols.iter().fold(0, |rest, symbol| add(rest, symbol) % MODULUS);
        let [.., before_last, last] = symbols;
        let is_canonical = add(before_last.into(), &last) < MODULUS;
        if rest != 1 || !is_canonical {
            return Err(CodeError::Check);
        }
        let [version, body @ ..] = symbols;
        if version != VERSION {
            return Err(CodeError::Version(version));
        }
        let mut rest = body.as_slice();
        let ledger = take(&mut rest, 4);
        let sequence = take(&mut rest, 7);
        let hash: [u8; 16] = take(&mut rest, 16).to_be_bytes();
        let [_, _, _, _, _, _, hash @ ..] = hash;
        Ok(Self {
            sequence: i64::try_from(sequence).unwrap_or(i64::MAX),
            ledger: u32::try_from(ledger).unwrap_or(u32::MAX),
            hash,
        })
    }

    /// Whether it is of a ledger of this name; one of a million others has the same answer.
    pub fn is_of(&self, origin: &str) -> bool {
        let mut hasher = Sha256::new();
        hasher.update(b"fundledger/receipt/v1\0");
        hasher.update(origin);
        let digest: Hash = hasher.finalize().into();
        let [a, b, c, ..] = digest;
        u32::from_be_bytes([0, a, b, c]) >> 4 == self.ledger
    }

    /// Whether it was made for an entry of this hash.
    pub fn is_for(&self, entry_hash: &Hash) -> bool {
        entry_hash.starts_with(&self.hash)
    }
}

/// The symbol of a character, by Crockford's base 32.
fn value(written: char) -> Option<u8> {
    let upper = written.to_ascii_uppercase();
    let read = match upper {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = "0123456789ABCDEFGHJKMNPQRSTVWXYZ".find(read)?;
    u8::try_from(place).ok()
}

fn take(symbols: &mut &[u8], count: usize) -> u128 {
    let (taken, rest) = symbols.split_at_checked(count).unwrap_or((symbols, &[]));
    *symbols = rest;
    taken.iter().fold(0, |number, symbol| number << 5 | u128::from(*symbol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::receipt_code::receipt_code;
    use crate::format::record::EntryHash;

    fn hash(seed: u8) -> Hash {
        Sha256::digest([seed]).into()
    }

    fn code(sequence: i64, seed: u8) -> String {
        receipt_code("ledger.example.org/funds", sequence, &EntryHash(hash(seed))).unwrap()
    }

    #[test]
    fn a_code_says_what_it_was_made_of() {
        for (sequence, seed) in [(1, 1), (31, 2), (32, 3), (1_234_567, 4), ((1 << 35) - 1, 5)] {
            let written = code(sequence, seed);
            assert_eq!(written.len(), 35, "{written}");
            let read = ReceiptCode::parse(&written).unwrap();
            assert_eq!(read.sequence, sequence);
            assert!(read.is_of("ledger.example.org/funds") && !read.is_of("ledger.example.org/other"));
            assert!(read.is_for(&hash(seed)) && !read.is_for(&hash(seed + 1)));
            // As people write it.
            let sloppy = written.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            assert_eq!(ReceiptCode::parse(&sloppy), Ok(read));
        }
        assert_eq!(receipt_code("o", 1 << 35, &EntryHash(hash(1))), None);
        assert_eq!(receipt_code("o", -1, &EntryHash(hash(1))), None);
    }

    /// `tests/oracle` computes the same by another road.
    #[test]
    fn codes_stay_as_they_were_given_out() {
        let frozen = include_str!("../../tests/format_fixtures/receipt_codes.tsv");
        let mut seen = 0;
        for line in frozen.lines().skip(1) {
            let [origin, sequence, entry_hash, code] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let digits = |at: usize| u8::from_str_radix(&entry_hash[2 * at..2 * at + 2], 16).unwrap();
            let entry_hash: Hash = std::array::from_fn(digits);
            let sequence: i64 = sequence.parse().unwrap();
            assert_eq!(receipt_code(origin, sequence, &EntryHash(entry_hash)).as_deref(), Some(code), "{line}");
            let read = ReceiptCode::parse(code).unwrap();
            assert!(read.sequence == sequence && read.is_of(origin) && read.is_for(&entry_hash), "{line}");
            seen += 1;
        }
        assert!(seen >= 6);
    }

    #[test]
    fn every_slip_of_one_symbol_and_every_swap_of_neighbours_is_seen() {
        for seed in 0..32 {
            let good: Vec<char> = code(i64::from(seed) * 1_000_003, seed).replace('-', "").chars().collect();
            for place in 0..good.len() {
                for symbol in "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().filter(|symbol| *symbol != good[place]) {
                    let mut slip = good.clone();
                    slip[place] = symbol;
                    assert_eq!(ReceiptCode::parse(&slip.iter().collect::<String>()), Err(CodeError::Check));
                }
                if place > 0 && good[place] != good[place - 1] {
                    let mut swap = good.clone();
                    swap.swap(place - 1, place);
                    assert_eq!(ReceiptCode::parse(&swap.iter().collect::<String>()), Err(CodeError::Check));
                }
            }
        }
    }

    #[test]
    fn what_is_no_code_says_why() {
        let good = code(7, 7);
        assert_eq!(ReceiptCode::parse(""), Err(CodeError::Length(0)));
        assert_eq!(ReceiptCode::parse(&good[..good.len() - 1]), Err(CodeError::Length(29)));
        assert_eq!(ReceiptCode::parse(&format!("{good}0")), Err(CodeError::Length(31)));
        assert_eq!(ReceiptCode::parse(&"0".repeat(1 << 20)), Err(CodeError::Length(31)));
        assert_eq!(ReceiptCode::parse("U"), Err(CodeError::Symbol('U')));
        // A later version with check symbols of its own.
        let later = (0..1024_usize).find_map(|check| {
            let body: String = good.replace('-', "").chars().skip(1).take(27).collect();
            let symbol = |number: usize| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().nth(number).unwrap();
            let text = format!("2{body}{}{}", symbol(check / 32), symbol(check % 32));
            matches!(ReceiptCode::parse(&text), Err(CodeError::Version(2))).then_some(())
        });
        assert!(later.is_some());
    }
}
