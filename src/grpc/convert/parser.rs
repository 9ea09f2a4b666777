//! What every field is parsed with: one method a kind of value, each noting what is wrong and going on.

use std::fmt::{self, Display};

use prost::bytes::Bytes;

use super::{Violation, required_day};
use crate::domain::command::Draw;
use crate::domain::ids::{Code, DocumentDigest, LotId, NameError, PayeeRef};
use crate::domain::money::{AMOUNT_MAX_MINOR, Amount, AmountOrZero};
use crate::domain::refusal::Reason;
use crate::domain::time::{Day, Period};
use crate::format::keyed::KeyedDigest;
use crate::pb::{self, v1};

pub(super) const DRAWS_MAX: usize = 64;
pub(super) const PAYEE_BYTES_MAX: usize = 256;

/// A member of a list, written out as a path only when there is something to say about it.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    field: &'a str,
    at: usize,
}

impl Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.field, self.at)
    }
}

pub(super) struct Parser<'a> {
    pub(super) violations: Vec<Violation>,
    pub(super) pseudonyms: &'a KeyedDigest,
    pub(super) path: &'a str,
    // The payload that is being parsed, as it stands in the path of its fields.
    pub(super) section: &'static str,
}

#[expect(
    clippy::option_option,
    reason = "the outer one says whether the field is valid, the inner one whether it is set"
)]
impl Parser<'_> {
    pub(super) fn wrong<T>(
        &mut self,
        field: impl Display,
        reason: Reason,
        description: impl Into<String>,
    ) -> Option<T> {
        let field = format!("{}{}{field}", self.path, self.section);
        self.violations.push(Violation { field, reason, description: description.into() });
        None
    }

    pub(super) fn named<T>(&mut self, field: impl Display, parsed: Result<T, NameError>) -> Option<T> {
        match parsed {
            Ok(name) => Some(name),
            Err(error) => self.wrong(field, Reason::FieldInvalid, error.to_string()),
        }
    }

    pub(super) fn optional<T>(
        &mut self,
        field: impl Display,
        text: String,
        parse: impl FnOnce(String) -> Result<T, NameError>,
    ) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.named(field, parse(text)).map(Some) }
    }

    pub(super) fn amount(&mut self, field: impl Display, raw: i64) -> Option<Amount> {
        match Amount::positive(raw) {
            Ok(amount) => Some(amount),
            Err(error) => self.wrong(
                field,
                Reason::AmountInvalid,
                format!("is {}; an amount is 1 to {AMOUNT_MAX_MINOR} minor units", error.raw),
            ),
        }
    }

    pub(super) fn date(&mut self, field: impl Display, date: Option<pb::Date>) -> Option<Day> {
        // The date is looked at first: its place in the path is written out only when there is something to say.
        match required_day("", date) {
            Ok(day) => Some(day),
            Err(violations) => {
                let description = violations.into_iter().next().map(|violation| violation.description);
                self.wrong(field, Reason::DateInvalid, description.unwrap_or_default())
            }
        }
    }

    pub(super) fn optional_date(&mut self, field: impl Display + Copy, date: Option<pb::Date>) -> Option<Option<Day>> {
        match date {
            None => Some(None),
            Some(date) => match self.date(field, Some(date))? {
                // The stored event writes day 0 for "none".
                day if day == Day::from_days(0) => {
                    self.wrong(field, Reason::DateInvalid, "is 1970-01-01, which cannot be stored as an optional date")
                }
                day => Some(Some(day)),
            },
        }
    }

    pub(super) fn digest(&mut self, field: impl Display, bytes: &Bytes) -> Option<DocumentDigest> {
        match <DocumentDigest>::try_from(bytes.as_ref()) {
            Ok(digest) => Some(digest),
            Err(_) => self.wrong(
                field,
                Reason::FieldInvalid,
                format!("is {} bytes long; a SHA-256 digest has 32", bytes.len()),
            ),
        }
    }

    pub(super) fn at_most<T>(&mut self, field: impl Display, values: &[T], max: usize) -> Option<()> {
        if values.len() <= max {
            return Some(());
        }
        self.wrong(field, Reason::FieldInvalid, format!("has {} members, at most {max} are allowed", values.len()))
    }

    pub(super) fn list<T, U>(
        &mut self,
        field: &str,
        values: Vec<T>,
        max: usize,
        mut parse: impl FnMut(&mut Self, Member<'_>, T) -> Option<U>,
    ) -> Option<Vec<U>> {
        if values.is_empty() {
            return Some(Vec::new());
        }
        self.at_most(field, &values, max)?;
        let count = values.len();
        let mut parsed = Vec::with_capacity(count);
        for (at, value) in values.into_iter().enumerate() {
            parsed.extend(parse(self, Member { field, at }, value));
        }
        (parsed.len() == count).then_some(parsed)
    }

    pub(super) fn codes(&mut self, field: &str, codes: Vec<String>, max: usize) -> Option<Vec<Code>> {
        self.list(field, codes, max, |parser, field, code| parser.named(field, Code::parse(code)))
    }

    /// A payee by identity, or by the pseudonym in the log.
    pub(super) fn payee_or_pseudonym(&mut self, identity: &str, pseudonym: &Bytes) -> Option<PayeeRef> {
        self.party("payee", identity, pseudonym)
    }

    /// A person or institution by identity, or by the pseudonym in the log, which stands in a field of its own.
    pub(super) fn party(&mut self, field: impl Display, identity: &str, pseudonym: &Bytes) -> Option<PayeeRef> {
        match (identity, pseudonym.as_ref()) {
            (identity, []) => self.payee(field, identity),
            ("", pseudonym) => self.pseudonym(format_args!("{field}_pseudonym"), pseudonym),
            _ => {
                let description = "is set besides the identity: give one of them";
                self.wrong(format_args!("{field}_pseudonym"), Reason::FieldInvalid, description)
            }
        }
    }

    /// The same, where there may be none.
    pub(super) fn optional_party(
        &mut self,
        field: &str,
        identity: &str,
        pseudonym: &Bytes,
    ) -> Option<Option<PayeeRef>> {
        if identity.is_empty() && pseudonym.is_empty() {
            return Some(None);
        }
        self.party(field, identity, pseudonym).map(Some)
    }

    /// An amount that may be nothing at all.
    pub(super) fn amount_or_zero(&mut self, field: impl Display, raw: i64) -> Option<AmountOrZero> {
        match AmountOrZero::new(raw) {
            Ok(amount) => Some(amount),
            Err(error) => self.wrong(
                field,
                Reason::AmountInvalid,
                format!("is {}; it is 0 to {AMOUNT_MAX_MINOR} minor units", error.raw),
            ),
        }
    }

    /// A month in two fields, `year` and `month`.
    pub(super) fn period(&mut self, prefix: &str, year: i32, month: i32) -> Option<Period> {
        match Period::new(year, month) {
            Ok(period) => Some(period),
            Err(_) => self.wrong(
                format_args!("{prefix}month"),
                Reason::DateInvalid,
                format!("{year:04}-{month:02} is not a month of 1900 to 2199"),
            ),
        }
    }

    /// A number from a range.
    pub(super) fn within(&mut self, field: impl Display, raw: i32, least: u32, most: u32) -> Option<u32> {
        match u32::try_from(raw) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            Ok(_) | Err(_) => self.wrong(field, Reason::FieldInvalid, format!("is {raw}; it is {least} to {most}")),
        }
    }

    /// A value that stands as a number on the wire.
    pub(super) fn known<T>(&mut self, field: impl Display, value: Option<T>) -> Option<T> {
        match value {
            Some(value) => Some(value),
            None => self.wrong(field, Reason::FieldInvalid, "is not a known value"),
        }
    }

    /// A value that stands as a number on the wire, 0 where it is not set.
    pub(super) fn known_or_unset<T>(
        &mut self,
        field: impl Display,
        number: i32,
        from_number: fn(i32) -> Option<T>,
    ) -> Option<Option<T>> {
        if number == 0 { Some(None) } else { self.known(field, from_number(number)).map(Some) }
    }

    /// A list that has members.
    pub(super) fn some_of<T>(&mut self, field: &str, values: Option<Vec<T>>) -> Option<Vec<T>> {
        match values {
            Some(values) if values.is_empty() => self.wrong(field, Reason::FieldInvalid, "is missing"),
            values => values,
        }
    }

    pub(super) fn pseudonym(&mut self, field: impl Display, pseudonym: &[u8]) -> Option<PayeeRef> {
        if let Ok(pseudonym) = <[u8; 16]>::try_from(pseudonym) {
            return Some(PayeeRef(pseudonym));
        }
        let description = format!("is {} bytes long; a pseudonym has 16", pseudonym.len());
        self.wrong(field, Reason::FieldInvalid, description)
    }

    pub(super) fn payee(&mut self, field: impl Display, identity: &str) -> Option<PayeeRef> {
        if identity.is_empty() || identity.len() > PAYEE_BYTES_MAX {
            let description = format!("is {} bytes long; a payee has 1 to {PAYEE_BYTES_MAX}", identity.len());
            return self.wrong(field, Reason::FieldInvalid, description);
        }
        Some(self.pseudonyms.payee(identity))
    }

    pub(super) fn draws(&mut self, field: &str, draws: Vec<v1::Draw>) -> Option<Vec<Draw>> {
        self.list(field, draws, DRAWS_MAX, |parser, field, draw| {
            let lot_id = parser.named(format_args!("{field}.lot_id"), LotId::parse(draw.lot_id));
            let amount = parser.amount(format_args!("{field}.amount_minor"), draw.amount_minor);
            Some(Draw { lot_id: lot_id?, amount: amount? })
        })
    }
}
