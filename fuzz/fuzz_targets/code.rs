//! Receipt codes: a text that is one says the same however it is written, and with any symbol changed it is none.

#![no_main]

use fundledger::audit::receipt_code::{CodeError, ReceiptCode};
use libfuzzer_sys::fuzz_target;

const SYMBOLS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(code) = ReceiptCode::parse(text) else { return };
    assert!((0..1 << 35).contains(&code.sequence));
    let bare: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let bare = bare.to_ascii_uppercase().replace('O', "0").replace(['I', 'L'], "1");
    assert_eq!(bare.len(), 30);
    assert_eq!(ReceiptCode::parse(&bare), Ok(code));
    assert_eq!(ReceiptCode::parse(&bare.to_ascii_lowercase()), Ok(code));
    let symbols: Vec<char> = bare.chars().collect();
    for place in 0..symbols.len() {
        let at = SYMBOLS.find(symbols[place]).expect("a symbol");
        let mut changed = symbols.clone();
        changed[place] = SYMBOLS.chars().nth((at + 1 + input.len() % 31) % 32).expect("a symbol");
        if changed[place] != symbols[place] {
            assert_eq!(ReceiptCode::parse(&changed.iter().collect::<String>()), Err(CodeError::Check));
        }
    }
});
