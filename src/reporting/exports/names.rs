//! Accounts as other programs name them: parts that begin with a capital or a digit and have letters, digits and hyphens only,
//! which is what all of them take. From a name the log's own is read back.

use super::movement::{Book, Cell, is_asset};
use crate::reporting::register::Register;

/// What a character that may not stand in a part is written as; a hyphen, which stands for more, as two.
const ESCAPES: [(char, &str); 4] = [('-', "--"), ('.', "-p"), ('_', "-u"), (':', "-c")];

/// An identifier as it stands behind the beginning of a part.
pub fn escaped(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for character in id.chars() {
        match ESCAPES.iter().find(|(escaped, _)| *escaped == character) {
            Some((_, escape)) => text.push_str(escape),
            None if character.is_ascii_alphanumeric() => text.push(character),
            // No identifier of the API has any other, but a log may be anybody's.
            None => text.extend(["-x", &format!("{:x}", u32::from(character)), "-"]),
        }
    }
    text
}

/// The whole name of an account and lot: book, fund, account, lot.
pub fn account(register: &Register, (number, lot): Cell) -> String {
    let kind = register.kind(number);
    let root = match Book::of(kind) {
        Book::Authority => "Equity:Authority",
        Book::Cash if is_asset(kind) => "Assets:Cash",
        Book::Cash => "Liabilities:Cash",
    };
    let fund = register.fund(register.fund_of(number)).map_or("", |fund| fund.fund_id.as_str());
    let own = match register.account(number) {
        Some(account) => escaped(&account.account_id),
        // A person's, by its number: its name may say who they are.
        None => format!("-n{number}"),
    };
    let mut name = format!("{root}:F-{}:{:02}-{own}", escaped(fund), i32::from(kind));
    if let Some(lot) = register.lot(lot) {
        name.push_str(":L-");
        name.push_str(&escaped(&lot.lot_id));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(text: &str) -> Option<String> {
        let mut id = String::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            if character != '-' {
                id.push(character);
                continue;
            }
            match rest.next()? {
                'x' => {
                    let code: String = rest.by_ref().take_while(|character| *character != '-').collect();
                    id.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                }
                other => {
                    let escape = format!("-{other}");
                    id.push(ESCAPES.iter().find(|(_, known)| *known == escape)?.0);
                }
            }
        }
        Some(id)
    }

    #[test]
    fn identifiers_are_read_back() {
        for (id, expected) in [
            ("treasury", "treasury"),
            ("c.treasury", "c-ptreasury"),
            ("LOT-1", "LOT--1"),
            ("a_b:c-.x", "a-ub-cc---px"),
            ("财政", "-x8d22--x653f-"),
            ("-x41-", "--x41--"),
        ] {
            assert_eq!(escaped(id), expected);
            assert_eq!(read_back(expected).as_deref(), Some(id));
        }
        // What stands for a person's account is no account's name.
        assert_eq!(read_back("-n12"), None);
    }
}
