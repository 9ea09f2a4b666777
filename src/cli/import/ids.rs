//! Readable, stable ids for the values of a published file.
//!
//! A code at the start, as in `(81200) Medical Surgical Supplies` or `(id:42276) Cancer Services`, is the id; a value that
//! is an id already stays as it is; anything else becomes upper-case words joined by hyphens. Where that would lose
//! letters, clash or grow too long, six hexadecimal digits of the value's SHA-256 follow.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::cli::render::hex;

const HASH_DIGITS: usize = 6;

/// Whether a text is an id of the API, 1 to `chars_max` characters of `[A-Za-z0-9._:-]`.
pub(super) fn is_id(text: &str, chars_max: usize) -> bool {
    (1..=chars_max).contains(&text.len()) && text.chars().all(is_id_char)
}

fn is_id_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | ':' | '-')
}

/// Gives every value of one kind an id of its own.
#[derive(Debug)]
pub(super) struct IdBook {
    chars_max: usize,
    ids: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl IdBook {
    /// Ids of at most `chars_max` characters.
    pub(super) fn new(chars_max: usize) -> Self {
        Self { chars_max, ids: BTreeMap::new(), taken: BTreeSet::new() }
    }

    /// The id of a value; the first value asked for keeps the plain id, where two would share it.
    pub(super) fn id(&mut self, value: &str) -> String {
        if let Some(id) = self.ids.get(value) {
            return id.clone();
        }
        let mut id = derive(value, self.chars_max);
        if self.taken.contains(&id) {
            id = with_hash(&id, value, self.chars_max);
        }
        self.taken.insert(id.clone());
        self.ids.insert(value.to_owned(), id.clone());
        id
    }
}

/// The id of a value on its own.
pub(super) fn derive(value: &str, chars_max: usize) -> String {
    if let Some(code) = leading_code(value, chars_max) {
        return code.to_owned();
    }
    if is_id(value, chars_max) {
        return value.to_owned();
    }
    let mut slug = String::new();
    let mut lost = false;
    for char in value.chars() {
        if is_id_char(char) && char != '-' {
            slug.push(char.to_ascii_uppercase());
        } else {
            lost |= !char.is_ascii();
            if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() || lost || slug.len() > chars_max {
        return with_hash(if slug.is_empty() { "X" } else { slug }, value, chars_max);
    }
    slug.to_owned()
}

/// `81200` of `(81200) Medical …`, `42276` of `(id:42276) Cancer …`.
fn leading_code(value: &str, chars_max: usize) -> Option<&str> {
    let (code, _) = value.strip_prefix('(')?.split_once(')')?;
    let code = code.strip_prefix("id:").unwrap_or(code).trim();
    is_id(code, chars_max).then_some(code)
}

fn with_hash(stem: &str, value: &str, chars_max: usize) -> String {
    let room = chars_max.saturating_sub(HASH_DIGITS).saturating_sub(1);
    let short: String = stem.chars().take(room).collect();
    let hash: String = hex(&Sha256::digest(value.as_bytes())).chars().take(HASH_DIGITS).collect();
    format!("{}-{hash}", short.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_readable_and_stable() {
        let rows = [
            ("(81200) Medical Surgical Supplies & Equipment", "81200"),
            ("(id:2002419) Cancer Supportive Services and R&D", "2002419"),
            ("( 42 ) Odd", "42"),
            ("91100", "91100"),
            ("a.b_c:d-e", "a.b_c:d-e"),
            ("Medical & Surgical", "MEDICAL-SURGICAL"),
            ("  spaced  out ", "SPACED-OUT"),
            ("(no code) x", "NO-CODE-X"),
            ("Créditos", "CR-DITOS-49076a"),
            ("教育费", "X-050788"),
            ("", "X-e3b0c4"),
            ("a very long name that has no end at all in sight", "A-VERY-LONG-NAME-THAT-HAS-8139c7"),
        ];
        for (value, id) in rows {
            assert_eq!(derive(value, 32), id, "{value}");
            assert!(is_id(&derive(value, 32), 32));
        }
    }

    #[test]
    fn values_that_would_share_an_id_do_not() {
        let mut book = IdBook::new(32);
        assert_eq!(book.id("(7) A"), "7");
        assert_eq!(book.id("(7) B"), with_hash("7", "(7) B", 32));
        assert_eq!(book.id("(7) A"), "7");
    }
}
