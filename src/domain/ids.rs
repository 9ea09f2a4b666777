//! Names and numbers. A name comes from a client and is checked once; a number is given by the log and is what legs carry.

use std::fmt;

use compact_str::CompactString;

/// Why a text is not a name of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing there.
    Empty,
    /// Longer than allowed.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
    /// More characters than allowed.
    TooManyCharacters {
        /// How many it has.
        characters: usize,
        /// The most allowed.
        max: usize,
    },
    /// A character that is not allowed.
    Character {
        /// The first one.
        character: char,
    },
    /// Not of the form that its standard asks for.
    Form,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "is missing"),
            Self::TooLong { bytes, max } => write!(f, "is {bytes} bytes long, at most {max} are allowed"),
            Self::TooManyCharacters { characters, max } => {
                write!(f, "is {characters} characters long, at most {max} are allowed")
            }
            Self::Character { character } => write!(f, "has a character that is not allowed: {character:?}"),
            Self::Form => write!(f, "is not of the form ocds-xxxxxx-…"),
        }
    }
}

/// Longest identifier, in bytes.
pub const ID_MAX_BYTES: usize = 64;
/// Longest free text (document numbers, references, names), in bytes: 128 characters of up to four bytes.
pub const TEXT_MAX_BYTES: usize = 512;
const TEXT_MAX_CHARACTERS: usize = 128;

fn check_id(text: &str) -> Result<(), NameError> {
    // Nearly always: byte by byte, which needs no characters.
    if matches!(text.len(), 1..=ID_MAX_BYTES) && text.bytes().all(is_in_id) {
        return Ok(());
    }
    check(text, |c| u8::try_from(c).is_ok_and(is_in_id))
}

const fn is_in_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}

fn check_reason_code(text: &str) -> Result<(), NameError> {
    check(text, |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

const OCID_START: &str = "ocds-";
const OCID_PREFIX_CHARACTERS: usize = 6;

/// `ocds-`, six characters that the registry gave, a hyphen, and an id of the publisher's own (Open Contracting Data Standard 1.1).
fn check_ocid(text: &str) -> Result<(), NameError> {
    check_id(text)?;
    let own = text.strip_prefix(OCID_START).and_then(|rest| rest.split_once('-'));
    let is_given = |prefix: &str| {
        prefix.len() == OCID_PREFIX_CHARACTERS && prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
    };
    match own {
        Some((prefix, id)) if is_given(prefix) && !id.is_empty() => Ok(()),
        _ => Err(NameError::Form),
    }
}

fn check(text: &str, allowed: fn(char) -> bool) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > ID_MAX_BYTES {
        return Err(NameError::TooLong { bytes: text.len(), max: ID_MAX_BYTES });
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(character) => Err(NameError::Character { character }),
        None => Ok(()),
    }
}

/// Marks that change how neighbouring text is shown: a document number with one of them could be read as another.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

fn check_text(text: &str) -> Result<(), NameError> {
    if text.trim().is_empty() {
        return Err(NameError::Empty);
    }
    let characters = text.chars().count();
    if characters > TEXT_MAX_CHARACTERS {
        return Err(NameError::TooManyCharacters { characters, max: TEXT_MAX_CHARACTERS });
    }
    match text.chars().find(|c| c.is_control() || is_invisible(*c)) {
        Some(character) => Err(NameError::Character { character }),
        None => Ok(()),
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident by $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(CompactString);

        impl $name {
            /// Takes a text that keeps the rules of its kind.
            pub fn parse(text: impl AsRef<str> + Into<CompactString>) -> Result<Self, NameError> {
                $check(text.as_ref())?;
                Ok(Self(text.into()))
            }

            /// Takes a text from the log, where it was checked before it was stored.
            pub fn stored(text: impl Into<CompactString>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// Idempotency key of a command.
    RequestId by check_id;
    /// A person or system that makes or approves commands.
    ActorId by check_id;
    /// A fund.
    FundId by check_id;
    /// An account.
    AccountId by check_id;
    /// A lot (资金批次).
    LotId by check_id;
    /// A budget unit (预算单位).
    UnitId by check_id;
    /// A payment voucher.
    PaymentId by check_id;
    /// A contract.
    ContractId by check_id;
    /// A notice of non-tax revenue.
    NoticeId by check_id;
    /// A housing loan.
    LoanId by check_id;
    /// A finding of an auditor.
    FindingId by check_id;
    /// A matter that somebody must deal with.
    MatterId by check_id;
    /// A complaint.
    ComplaintId by check_id;
    /// A publication.
    DisclosureId by check_id;
    /// A tender, or another procurement (招标编号).
    TenderId by check_id;
    /// Open Contracting ID: a registered prefix, and the publisher's own id.
    Ocid by check_ocid;
    /// A case that froze something.
    CaseId by check_id;
    /// A policy.
    PolicyId by check_id;
    /// Who issues documents.
    IssuerId by check_id;
    /// A classification or purpose code.
    Code by check_id;
    /// Why something was returned or reversed: upper-case words, so that no free text can carry a person's name.
    ReasonCode by check_reason_code;
    /// A document number (文号), of any script.
    DocumentNumber by check_text;
    /// A bank's reference.
    BankReference by check_text;
    /// A legal basis.
    LegalBasis by check_text;
    /// A display name of an institution or fund.
    DisplayName by check_text;
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl $name {
            /// Its place in a table that starts with number 1.
            pub(crate) fn index(self) -> usize {
                usize::try_from(self.0).unwrap_or(usize::MAX).wrapping_sub(1)
            }

            /// The number that the next row of a table of `length` rows gets.
            pub(crate) fn after(length: usize) -> Self {
                Self(u32::try_from(length).unwrap_or(u32::MAX).saturating_add(1))
            }
        }
    )*};
}

numbers! {
    /// Number of a fund in this log, from 1.
    FundNumber;
    /// Number of an account in this log, from 1.
    AccountNumber;
    /// Number of a lot in this log, from 1; 0 stands for "no lot" in legs.
    LotNumber;
    /// Number of a signing key in this log, from 1.
    KeyNumber;
    /// Number of a budget unit in memory, from 1; not in the log.
    UnitNumber;
    /// Number of a contract in memory, from 1; not in the log.
    ContractNumber;
}

impl LotNumber {
    /// Stands in legs on accounts that do not track lots.
    pub const NONE: Self = Self(0);
}

/// Position in the log; 0 is the genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub i64);

impl Sequence {
    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Keyed pseudonym of a payee. The identity itself never enters the domain or the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayeeRef(pub [u8; 16]);

impl fmt::Display for PayeeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// SHA-256 of a document.
pub type DocumentDigest = [u8; 32];

/// Keyed digest of a command's canonical bytes.
pub type CommandDigest = [u8; 16];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_rules() {
        for (text, good) in [
            ("a", true),
            ("A.unit:x_1-2", true),
            ("", false),
            ("with space", false),
            ("财", false),
            ("a/b", false),
            ("a\0", false),
            ("x".repeat(64).as_str(), true),
            ("x".repeat(65).as_str(), false),
        ] {
            assert_eq!(RequestId::parse(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in [
            ("财农〔2026〕12号", true),
            ("", false),
            ("   ", false),
            ("a\nb", false),
            ("a\u{202e}b", false),
            ("a\u{200b}b", false),
            ("a\u{61c}b", false),
            ("a\u{ad}b", false),
            ("文".repeat(128).as_str(), true),
            ("文".repeat(129).as_str(), false),
        ] {
            assert_eq!(DocumentNumber::parse(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in [
            ("ocds-213czf-2026:school-1", true),
            ("ocds-213czf-", false),
            ("ocds-213czf", false),
            ("ocds-213cz-1", false),
            ("ocds-213CZF-1", false),
            ("OCDS-213czf-1", false),
            ("213czf-1", false),
        ] {
            assert_eq!(Ocid::parse(text).is_ok(), good, "{text:?}");
        }
        let long = DocumentNumber::parse("n".repeat(150)).unwrap_err().to_string();
        assert_eq!(long, "is 150 characters long, at most 128 are allowed");
        assert!(ReasonCode::parse("ACCOUNT_NAME_MISMATCH").is_ok());
        assert!(ReasonCode::parse("Zhang San").is_err());
    }
}
