//! Receipt codes (docs/format.md, Receipt codes): what somebody who was paid gets on paper, and anybody can check offline. Thirty
//! symbols that say which ledger, which entry, and what its hash begins with; no amount, and nobody's name.

use sha2::{Digest, Sha256};

use super::record::EntryHash;

/// Crockford's base 32: no letter that is read as a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const VERSION: u128 = 1;
const VERSION_SYMBOLS: u32 = 1;
const LEDGER_SYMBOLS: u32 = 4;
const SEQUENCE_SYMBOLS: u32 = 7;
const HASH_SYMBOLS: u32 = 16;
const CHECK_SYMBOLS: u32 = 2;
const SYMBOLS: usize = 30;
const GROUP: usize = 5;
/// The largest prime below 2^10: a whole code leaves 1 when it is divided by it.
const MODULUS: u128 = 1021;

const _: () = assert!(
    VERSION_SYMBOLS + LEDGER_SYMBOLS + SEQUENCE_SYMBOLS + HASH_SYMBOLS + CHECK_SYMBOLS == 30 && SYMBOLS == 30,
    "six groups of five are what docs/format.md and printed receipts show"
);

/// The code of an entry; `None` for a sequence that does not fit into this version of codes.
pub fn receipt_code(origin: &str, sequence: i64, entry_hash: &EntryHash) -> Option<String> {
    let bits = SEQUENCE_SYMBOLS.saturating_mul(5);
    let sequence = u128::try_from(sequence).ok().filter(|sequence| sequence.checked_shr(bits) == Some(0))?;
    let mut symbols = Vec::with_capacity(SYMBOLS);
    put(VERSION, VERSION_SYMBOLS, &mut symbols);
    put(ledger(origin), LEDGER_SYMBOLS, &mut symbols);
    put(sequence, SEQUENCE_SYMBOLS, &mut symbols);
    put(number(entry_hash.0.first_chunk::<10>()?), HASH_SYMBOLS, &mut symbols);
    let rest = symbols
        .iter()
        .fold(0_u128, |rest, symbol| rest.saturating_mul(32).saturating_add(u128::from(*symbol)) % MODULUS);
    // The two symbols shift the rest by 2^10 and bring it to 1.
    let shifted = rest.saturating_mul(1024) % MODULUS;
    let check = MODULUS.saturating_add(1).saturating_sub(shifted) % MODULUS;
    put(check, CHECK_SYMBOLS, &mut symbols);
    let shown: Vec<String> =
        symbols.chunks(GROUP).map(|group| group.iter().map(|symbol| shown(*symbol)).collect()).collect();
    Some(shown.join("-"))
}

/// The first 20 bits of a digest of the ledger's name.
fn ledger(origin: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest([b"fundledger/receipt/v1\0", origin.as_bytes()].concat()).into();
    number(digest.first_chunk::<3>().unwrap_or(&[0; 3])) >> 4
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Appends a number in so many symbols, the first one foremost.
fn put(number: u128, count: u32, symbols: &mut Vec<u8>) {
    for place in (0..count).rev() {
        let symbol = number.checked_shr(place.saturating_mul(5)).unwrap_or_default() & 0x1f;
        symbols.push(u8::try_from(symbol).unwrap_or_default());
    }
}

fn shown(symbol: u8) -> char {
    ALPHABET.get(usize::from(symbol)).copied().map_or('?', char::from)
}
